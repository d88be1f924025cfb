//! The backend's own settings: what is served.
//!
//! From one image come, by settings alone, the API with its knots (nothing is set), or a service with data of its own
//! (`RESOURCE`, `RESOURCE_DATA` or `RESOURCE_FILE`).
//!
//! What is not switched on is answered 404, and is not in `/docs` and `/openapi.json`.

use std::time::Duration;

use service::settings::environment::{Environment, Variable};

use crate::items::Resource;

service::settings! {
    /// The backend's own settings.
    #[derive(Debug, Clone)]
    pub struct Config {
        /// the longest delay of a list of items in milliseconds; keep it within LONGEST_REQUEST_SECONDS
        delay_max: Duration = milliseconds("DELAY_MAX_MS", "10000", 0, 600_000);
        /// burns at the same time; further ones are answered 429
        burn_slots: usize = number("BURN_SLOTS", "2", 1, 64);
        /// milliseconds of a burn that does not ask for a length
        burn_default: Duration = milliseconds("BURN_DEFAULT_MS", "100", 1, 600_000);
        /// the longest burn in milliseconds; keep it within LONGEST_REQUEST_SECONDS
        burn_max: Duration = milliseconds("BURN_MAX_MS", "10000", 1, 600_000);
        /// fault: /health waits for a free burn slot before it answers
        health_behind_burn: bool = switch("FAULT_HEALTH_BEHIND_BURN");
        /// fault: POST /api/faults/{name} has the pod that gets it fail a probe or answer late, for 60 s
        faults_on_request: bool = switch("FAULT_ON_REQUEST");
        /// The items, and the name that they are served under.
        resource: Resource = part(Resource::read);
        /// What `/` answers; `None` is nothing there.
        greeting: Option<String> = part(greeting);
        /// serve /api/discovery?service=NAME: what variables and the name service say of a Service
        discovery: bool = switch("DISCOVERY");
    }
}

/// The longest greeting, in bytes.
const LONGEST_GREETING: usize = 1024;

fn greeting(environment: &mut Environment) -> Option<String> {
    let variable = Variable::new("GREETING", "", "what GET / answers, as text; unset is nothing there");
    environment.parse(variable, "at most 1024 bytes of text", |text| {
        (text.len() <= LONGEST_GREETING).then(|| Some(text.to_owned()).filter(|text| !text.is_empty()))
    })
}

impl Config {
    /// Refuses what only two settings together show to be wrong.
    pub(crate) fn check(&self, environment: &mut Environment) {
        let [default, max] = [self.burn_default, self.burn_max].map(|length| length.as_millis());
        if default > max {
            let accepted = format!("at most BURN_MAX_MS, which is {max}");
            environment.refuse("BURN_DEFAULT_MS", &default.to_string(), &accepted);
        }
    }
}
