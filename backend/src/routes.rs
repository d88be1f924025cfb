//! The routes of the backend: those that the settings switch on.

use service::app::probe::Probe;
use service::app::route::{Methods, Route};

use crate::config::{Config, Role};

/// What answers a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// A probe of the kubelet.
    Probe(Probe),
    /// All items.
    Items,
    /// One item.
    Item,
    /// Burns CPU time.
    Burn,
    /// The body that was sent.
    Echo,
    /// How a Service is found.
    Discovery,
    /// What needs a store.
    Stored(Stored),
    /// The API page.
    Docs,
    /// The description of the API.
    OpenApi,
}

/// What answers a route of what needs a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The votes, and a vote.
    Votes,
    /// The page of the votes.
    VotesPage,
    /// The script of that page.
    VotesScript,
    /// The jobs by state, and a new one.
    Jobs,
    /// The dead letters.
    DeadJobs,
    /// A dead letter is put back.
    PutBack,
    /// One job.
    Job,
}

/// Every route that `config` switches on. `/openapi.json` describes the same, which a test holds.
#[must_use]
pub fn table(config: &Config) -> Vec<Route<Handler>> {
    let probes = [
        get("/health", Handler::Probe(Probe::Health)),
        get("/ready", Handler::Probe(Probe::Ready)),
        get("/started", Handler::Probe(Probe::Started)),
    ];
    if config.role == Role::Worker {
        return probes.into();
    }
    let (items, item) = item_paths(&config.resource.name);
    let mut table = vec![
        get(items, Handler::Items),
        get(item, Handler::Item),
        get("/api/cpu-burn", Handler::Burn),
        post("/api/echo", Handler::Echo),
    ];
    if config.discovery {
        table.push(get("/api/discovery", Handler::Discovery));
    }
    if config.store.is_some() {
        table.extend([
            get_and_post("/api/votes", Handler::Stored(Stored::Votes)),
            get("/votes", Handler::Stored(Stored::VotesPage)),
            get("/votes.js", Handler::Stored(Stored::VotesScript)),
            get_and_post("/api/jobs", Handler::Stored(Stored::Jobs)),
            // Before the route of one job, which would match as well: the first one wins.
            get("/api/jobs/dead", Handler::Stored(Stored::DeadJobs)),
            post("/api/jobs/dead/{id}", Handler::Stored(Stored::PutBack)),
            get("/api/jobs/{id}", Handler::Stored(Stored::Job)),
        ]);
    }
    table.extend(probes);
    table.extend([get("/docs", Handler::Docs), get("/openapi.json", Handler::OpenApi)]);
    table
}

/// The paths of the items. Routes live as long as the process, so a path that the settings name is never freed.
pub(crate) fn item_paths(name: &str) -> (&'static str, &'static str) {
    match name {
        "items" => ("/api/items", "/api/items/{id}"),
        name => (format!("/api/{name}").leak(), format!("/api/{name}/{{id}}").leak()),
    }
}

const fn get(path: &'static str, handler: Handler) -> Route<Handler> {
    Route { path, methods: Methods::Get, handler }
}

const fn post(path: &'static str, handler: Handler) -> Route<Handler> {
    Route { path, methods: Methods::Post, handler }
}

const fn get_and_post(path: &'static str, handler: Handler) -> Route<Handler> {
    Route { path, methods: Methods::GetAndPost, handler }
}
