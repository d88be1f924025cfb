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
        /// The items, and the name that they are served under.
        resource: Resource = part(Resource::read);
        /// serve /api/discovery?service=NAME: what variables and the name service say of a Service
        discovery: bool = switch("DISCOVERY");
        /// api answers requests; worker does jobs and counts votes
        role: Role = word("ROLE", "api", &[("api", Role::Api), ("worker", Role::Worker)]);
        /// Where votes and jobs are kept; `None` is without them.
        store: Option<StoreSettings> = part(StoreSettings::read);
    }
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
    /// Refuses what only two settings together show to be wrong.
    pub(crate) fn check(&self, environment: &mut Environment) {
        let [default, max] = [self.burn_default, self.burn_max].map(|length| length.as_millis());
        if default > max {
            let accepted = format!("at most BURN_MAX_MS, which is {max}");
            environment.refuse("BURN_DEFAULT_MS", &default.to_string(), &accepted);
        }
        if self.role == Role::Worker && self.store.is_none() {
            environment.refuse("ROLE", "worker", "api, or set STORE_URL to where the worker finds its work");
        }
    }
}

impl StoreSettings {
    fn read(environment: &mut Environment) -> Option<Self> {
        let address = Address::read(environment);
        let patience = Variable::new("STORE_TIMEOUT_MS", "1000", "milliseconds that the store has for each answer");
        let patience = environment.milliseconds(patience, 10, 10_000);
        let about = "jobs that may wait, and votes; further ones are answered 503";
        let queued = environment.number(Variable::new("QUEUE_MAX", "10000", about), 1, 1_000_000);
        let jobs = Bounds::read(environment, queued);
        let votes = votes::Settings::read(environment, queued);
        let worker = worker::Settings::read(environment);
        address.map(|address| Self { address, patience, jobs, votes, worker })
    }
}
