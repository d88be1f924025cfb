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
use service::settings::environment::Environment;

use crate::jobs::queue::Bounds;
use crate::shop::{Part, seed};
use crate::{database, shop, votes, worker};
use store::address::Address;

service::settings! {
    /// The program's own settings.
    #[derive(Debug, Clone)]
    pub struct Config {
        /// api answers requests for votes and jobs; worker does jobs and counts votes; the others are services of a shop
        role: Role = word("ROLE", "api", &ROLES);
        /// Where votes and jobs are kept.
        store: StoreSettings = part(StoreSettings::read);
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
    /// Is a service of a shop.
    Shop(Part),
}

const ROLES: [(&str, Role); 8] = [
    ("api", Role::Api),
    ("worker", Role::Worker),
    ("users", Role::Shop(Part::Users)),
    ("products", Role::Shop(Part::Products)),
    ("orders", Role::Shop(Part::Orders)),
    ("payments", Role::Shop(Part::Payments)),
    ("inventory", Role::Shop(Part::Inventory)),
    ("notifications", Role::Shop(Part::Notifications)),
];

service::settings! {
    /// Settings of what is kept in a store.
    #[derive(Debug, Clone)]
    pub struct StoreSettings {
        /// Where the store is; `None` is without it.
        address: Option<Address> = part(store);
        /// milliseconds that the store has for each answer
        patience: Duration = milliseconds("STORE_TIMEOUT_MS", "1000", 10, 10_000);
        /// jobs that may wait, and votes; further ones are answered 503
        queued: u64 = number("QUEUE_MAX", "10000", 1, 1_000_000);
        /// Bounds of the jobs.
        jobs: Bounds = part(Bounds::read);
        /// What is voted on.
        votes: votes::Settings = part(votes::Settings::read);
        /// How a worker works.
        worker: worker::Settings = part(worker::Settings::read);
    }
}

impl Config {
    /// Refuses what only two settings together show to be wrong.
    pub(crate) fn check(&self, environment: &mut Environment) {
        if self.role == Role::Worker && self.store.address.is_none() {
            environment.refuse("ROLE", "worker", "api, or set STORE_URL to where the worker finds its work");
        }
        let Role::Shop(part) = self.role else { return };
        if part == Part::Notifications && self.store.address.is_none() {
            environment.refuse("ROLE", "notifications", "api, or set STORE_URL to where the events are");
        }
        let Some(checked) = part.checked(&self.shop) else { return };
        let name = format!("{part:?}").to_lowercase();
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

/// Reads where the store is.
fn store(environment: &mut Environment) -> Option<Address> {
    Address::read(
        environment,
        "redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]: switches votes, jobs and caches on; unset is off",
    )
}
