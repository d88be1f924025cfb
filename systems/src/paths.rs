//! The paths: those that the settings switch on.

use service::app::own_path::{Methods, OwnPath};
use service::app::probe::Probe;

use crate::config::{Config, Role};
use crate::shop::{Asked, Part};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    Probe(Probe),
    /// What needs a store.
    Stored(Stored),
    Shop(Asked),
    Docs,
    OpenApi,
}

/// What answers a path of what needs a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Votes,
    VotesPage,
    VotesScript,
    /// The jobs by state, and a new one.
    Jobs,
    DeadJobs,
    /// A dead letter is put back.
    PutBack,
    Job,
}

/// Every path that `config` switches on. `/openapi.json` describes the same, which a test holds.
pub(crate) fn table(config: &Config) -> Vec<OwnPath<Handler>> {
    let mut table = vec![
        route("/health", Methods::Get, Handler::Probe(Probe::Health)),
        route("/ready", Methods::Get, Handler::Probe(Probe::Ready)),
        route("/started", Methods::Get, Handler::Probe(Probe::Started)),
    ];
    if config.role == Role::Worker {
        return table;
    }
    if config.role == Role::Api && config.store.address.is_some() {
        table.extend([
            route("/api/votes", Methods::GetAndPost, Handler::Stored(Stored::Votes)),
            route("/votes", Methods::Get, Handler::Stored(Stored::VotesPage)),
            route("/votes.js", Methods::Get, Handler::Stored(Stored::VotesScript)),
            route("/api/jobs", Methods::GetAndPost, Handler::Stored(Stored::Jobs)),
            // Before the path of one job, which would match as well: the first one wins.
            route("/api/jobs/dead", Methods::Get, Handler::Stored(Stored::DeadJobs)),
            route("/api/jobs/dead/{id}", Methods::Post, Handler::Stored(Stored::PutBack)),
            route("/api/jobs/{id}", Methods::Get, Handler::Stored(Stored::Job)),
        ]);
    }
    match config.role {
        Role::Shop(Part::Users) => table.extend(entries("/api/users", "/api/users/{id}", Methods::GetAndPut)),
        Role::Shop(Part::Products) => table.extend(entries("/api/products", "/api/products/{id}", Methods::GetAndPut)),
        Role::Shop(Part::Orders) => table.extend(entries("/api/orders", "/api/orders/{id}", Methods::Get)),
        Role::Shop(Part::Payments) => {
            table.extend(commands("/api/payments", "/api/payments/reserve", "/api/payments/release"));
        }
        Role::Shop(Part::Inventory) => {
            table.extend(commands("/api/inventory", "/api/inventory/reserve", "/api/inventory/release"));
        }
        Role::Shop(Part::Notifications) => {
            table.push(route("/api/notifications", Methods::Get, Handler::Shop(Asked::All)));
        }
        Role::Api | Role::Worker => {}
    }
    table.extend([route("/docs", Methods::Get, Handler::Docs), route("/openapi.json", Methods::Get, Handler::OpenApi)]);
    table
}

/// `methods` are those of one entry.
fn entries(all: &'static str, one: &'static str, methods: Methods) -> [OwnPath<Handler>; 2] {
    [route(all, Methods::GetAndPost, Handler::Shop(Asked::All)), route(one, methods, Handler::Shop(Asked::One))]
}

fn commands(all: &'static str, reserve: &'static str, release: &'static str) -> [OwnPath<Handler>; 3] {
    [
        route(all, Methods::Get, Handler::Shop(Asked::All)),
        route(reserve, Methods::Post, Handler::Shop(Asked::Reserve)),
        route(release, Methods::Post, Handler::Shop(Asked::Release)),
    ]
}

const fn route(path: &'static str, methods: Methods, handler: Handler) -> OwnPath<Handler> {
    OwnPath { path, methods, handler }
}
