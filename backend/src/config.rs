//! The backend's own settings: what is served.
//!
//! From one image come, by settings alone:
//! - the API with its knots (nothing is set);
//! - a service with data of its own (`RESOURCE`, `RESOURCE_DATA` or `RESOURCE_FILE`).
//!
//! What is not switched on is answered 404, and is not in `/docs` and `/openapi.json`.

use std::time::Duration;

use service::environment::{Environment, Variable};

use crate::items::Resource;

/// The backend's own settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Burns at the same time, 1 to 64.
    pub burn_slots: usize,
    /// Length of a burn that does not ask for one.
    pub burn_default: Duration,
    /// The longest burn.
    pub burn_max: Duration,
    /// Fault: `/health` needs a burn slot for its answer, so that a busy pod looks like a dead one.
    pub health_behind_burn: bool,
    /// The items, and the name that they are served under.
    pub resource: Resource,
    /// `/api/discovery` is served.
    pub discovery: bool,
}

impl Config {
    /// Reads the settings.
    pub fn read(environment: &mut Environment) -> Self {
        let slots = Variable {
            name: "BURN_SLOTS",
            default: "2",
            about: "burns at the same time; further ones are answered 429",
        };
        let default = Variable {
            name: "BURN_DEFAULT_MS",
            default: "100",
            about: "milliseconds of a burn that does not ask for a length",
        };
        let max = Variable {
            name: "BURN_MAX_MS",
            default: "10000",
            about: "the longest burn in milliseconds; keep it within LONGEST_REQUEST_SECONDS",
        };
        let burn_slots = environment.number(slots, 1, 64) as usize;
        let burn_default = environment.number(default, 1, 600_000);
        let burn_max = environment.number(max, 1, 600_000);
        if burn_default > burn_max {
            let accepted = format!("at most BURN_MAX_MS, which is {burn_max}");
            environment.refuse(default.name, &burn_default.to_string(), &accepted);
        }
        let health_behind_burn = environment
            .switch("FAULT_HEALTH_BEHIND_BURN", "fault: /health waits for a free burn slot before it answers");
        let resource = Resource::read(environment);
        let discovery = environment.switch(
            "DISCOVERY",
            "serve /api/discovery?service=NAME: what variables and the name service say of a Service",
        );
        Self {
            burn_slots,
            burn_default: Duration::from_millis(burn_default),
            burn_max: Duration::from_millis(burn_max),
            health_behind_burn,
            resource,
            discovery,
        }
    }
}
