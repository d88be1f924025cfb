//! The backend's own settings: what is served, and which part of which system this process is.
//!
//! From one image come, by settings alone:
//! - the API with its knots (nothing is set);
//! - a service with data of its own (`RESOURCE`, `RESOURCE_DATA` or `RESOURCE_FILE`);
//! - the API of the votes and the jobs (`STORE_URL`), and its workers (`STORE_URL`, `ROLE=worker`).
//!
//! What is not switched on is answered 404, and is not in `/docs` and `/openapi.json`.

use std::time::Duration;

use service::settings::environment::{Environment, Variable};

use crate::items::Resource;
use crate::jobs::queue::Bounds;
use crate::store::address::Address;
use crate::{votes, worker};

/// The backend's own settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Burns at the same time, 1 to 64.
    pub burn_slots: usize,
    /// Length of a burn that does not ask for one.
    pub burn_default: Duration,
    /// The longest burn.
    pub burn_max: Duration,
    /// The longest delay of a list of items.
    pub delay_max: Duration,
    /// Fault: `/health` needs a burn slot for its answer, so that a busy pod looks like a dead one.
    pub health_behind_burn: bool,
    /// The items, and the name that they are served under.
    pub resource: Resource,
    /// `/api/discovery` is served.
    pub discovery: bool,
    /// What the process does; a worker has a store.
    pub role: Role,
    /// Where votes and jobs are kept; `None` is without them.
    pub store: Option<StoreSettings>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers requests.
    Api,
    /// Does jobs and counts votes; serves only probes, and metrics on their port.
    Worker,
}

/// Settings of what is kept in a store.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Where the store is.
    pub address: Address,
    /// How long it has for each answer.
    pub patience: Duration,
    /// Bounds of the jobs.
    pub jobs: Bounds,
    /// What is voted on.
    pub votes: votes::Settings,
    /// How a worker works.
    pub worker: worker::Settings,
}

impl Config {
    /// Reads the settings.
    pub fn read(environment: &mut Environment) -> Self {
        let slots = Variable::new("BURN_SLOTS", "2", "burns at the same time; further ones are answered 429");
        let default = Variable::new("BURN_DEFAULT_MS", "100", "milliseconds of a burn that does not ask for a length");
        let max = Variable::new(
            "BURN_MAX_MS",
            "10000",
            "the longest burn in milliseconds; keep it within LONGEST_REQUEST_SECONDS",
        );
        let delay_max = Variable::new(
            "DELAY_MAX_MS",
            "10000",
            "the longest delay of a list of items in milliseconds; keep it within LONGEST_REQUEST_SECONDS",
        );
        let delay_max = environment.number(delay_max, 0, 600_000);
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
        let role = environment.word(
            Variable::new("ROLE", "api", "api answers requests; worker does jobs and counts votes"),
            &[("api", Role::Api), ("worker", Role::Worker)],
        );
        let store = StoreSettings::read(environment);
        if role == Role::Worker && store.is_none() {
            environment.refuse("ROLE", "worker", "api, or set STORE_URL to where the worker finds its work");
        }
        Self {
            burn_slots,
            burn_default: Duration::from_millis(burn_default),
            burn_max: Duration::from_millis(burn_max),
            delay_max: Duration::from_millis(delay_max),
            health_behind_burn,
            resource,
            discovery,
            role,
            store,
        }
    }
}

impl StoreSettings {
    fn read(environment: &mut Environment) -> Option<Self> {
        let address = Address::read(environment);
        let patience = Variable::new("STORE_TIMEOUT_MS", "1000", "milliseconds that the store has for each answer");
        let queued =
            Variable::new("QUEUE_MAX", "10000", "jobs that may wait, and votes; further ones are answered 503");
        let patience = Duration::from_millis(environment.number(patience, 10, 10_000));
        let queued = environment.number(queued, 1, 1_000_000);
        let jobs = Bounds::read(environment, queued);
        let votes = votes::Settings::read(environment, queued);
        let worker = worker::Settings::read(environment);
        address.map(|address| Self { address, patience, jobs, votes, worker })
    }
}
