//! The program's own settings: where the store is, and which part of the systems this process is.
//!
//! From one image come, by settings alone:
//! - the API of the votes and the jobs (`STORE_URL`), and its workers (`STORE_URL`, `ROLE=worker`);
//! - the services of a shop, each with a database (`DATABASE_URL`, `ROLE=users`, `products`, `orders`, `payments`, `inventory`; with a
//!   `STORE_URL` users and products are read through a cache), and the one that tells its customers (`STORE_URL`, `ROLE=notifications`).
//!
//! What is not switched on is answered 404, and is not in `/docs` and `/openapi.json`.

use std::time::Duration;

use serde_json::Value;
use service::settings::environment::{Environment, Variable};

use crate::jobs::queue::Bounds;
use crate::shop::{Part, seed};
use crate::store::address::Address;
use crate::{database, shop, votes, worker};

service::settings! {
    /// The program's own settings.
    #[derive(Debug, Clone)]
    pub struct Config {
        /// api answers requests for votes and jobs; worker does jobs and counts votes; the others are services of a shop
        role: Role = word("ROLE", "api", &[("api", Role::Api), ("worker", Role::Worker), ("users", Role::Users), ("products", Role::Products), ("orders", Role::Orders), ("payments", Role::Payments), ("inventory", Role::Inventory), ("notifications", Role::Notifications)]);
        /// Where votes and jobs are kept; `None` is without them.
        store: Option<StoreSettings> = part(StoreSettings::read);
        /// Where a service of the shop keeps its data.
        database: Option<database::Settings> = part(database::Settings::read);
        /// What is in it from the start.
        seed: Vec<Value> = part(seed::read);
        /// What it knows of the others.
        shop: shop::Settings = part(shop::Settings::read);
    }
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers requests.
    Api,
    /// Does jobs and counts votes; serves only probes, and metrics on their port.
    Worker,
    /// Users of a shop, in a database of their own.
    Users,
    /// Its products, in theirs.
    Products,
    /// Its orders.
    Orders,
    /// What is paid for them.
    Payments,
    /// What is in stock for them.
    Inventory,
    /// Tells its customers what happens to their orders.
    Notifications,
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

impl Role {
    /// Which service of the shop it is.
    pub(crate) fn part(self) -> Option<Part> {
        match self {
            Self::Api | Self::Worker => None,
            Self::Users => Some(Part::Users),
            Self::Products => Some(Part::Products),
            Self::Orders => Some(Part::Orders),
            Self::Payments => Some(Part::Payments),
            Self::Inventory => Some(Part::Inventory),
            Self::Notifications => Some(Part::Notifications),
        }
    }
}

impl Config {
    /// Refuses what only two settings together show to be wrong.
    pub(crate) fn check(&self, environment: &mut Environment) {
        if self.role == Role::Worker && self.store.is_none() {
            environment.refuse("ROLE", "worker", "api, or set STORE_URL to where the worker finds its work");
        }
        if self.role == Role::Notifications && self.store.is_none() {
            environment.refuse("ROLE", "notifications", "api, or set STORE_URL to where the events are");
        }
        let Some(checked) = self.role.part().and_then(Part::checked) else { return };
        let name = format!("{:?}", self.role).to_lowercase();
        if self.database.is_none() {
            environment.refuse("ROLE", &name, "api, or set DATABASE_URL to where its data is kept");
        }
        for (place, value) in self.seed.iter().enumerate() {
            if let Err(why) = checked(value.clone()) {
                let accepted = format!("{}, each one of the {name}: {why}", seed::ACCEPTED);
                environment.refuse(seed::VARIABLE, &format!("number {}", place + 1), &accepted);
            }
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
