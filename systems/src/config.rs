//! The program's own settings: where the store is, and which part of the systems this process is.
//!
//! From one image come, by settings alone, the API of the votes and the jobs (`STORE_URL`) and its workers (`STORE_URL`,
//! `ROLE=worker`). What is not switched on is answered 404, and is not in `/docs` and `/openapi.json`.

use std::time::Duration;

use service::settings::environment::{Environment, Variable};

use crate::jobs::queue::Bounds;
use crate::store::address::Address;
use crate::{votes, worker};

service::settings! {
    /// The program's own settings.
    #[derive(Debug, Clone)]
    pub struct Config {
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
