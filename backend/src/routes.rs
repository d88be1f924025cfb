//! The routes of the backend: those that the settings switch on.

use service::probe::Probe;
use service::route::{Methods, Route};

use crate::config::Config;

/// What answers a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
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
    /// The API page.
    Docs,
    /// The description of the API.
    OpenApi,
}

/// Every route that `config` switches on. `/openapi.json` describes the same, which a test holds.
#[must_use]
pub fn table(config: &Config) -> Vec<Route<Endpoint>> {
    let probes = [
        get("/health", Endpoint::Probe(Probe::Health)),
        get("/ready", Endpoint::Probe(Probe::Ready)),
        get("/started", Endpoint::Probe(Probe::Started)),
    ];
    let (items, item) = item_paths(&config.resource.name);
    let mut table = vec![
        get(items, Endpoint::Items),
        get(item, Endpoint::Item),
        get("/api/cpu-burn", Endpoint::Burn),
        post("/api/echo", Endpoint::Echo),
    ];
    if config.discovery {
        table.push(get("/api/discovery", Endpoint::Discovery));
    }
    table.extend(probes);
    table.extend([get("/docs", Endpoint::Docs), get("/openapi.json", Endpoint::OpenApi)]);
    table
}

/// The paths of the items. Routes live as long as the process, so a path that the settings name is never freed.
pub(crate) fn item_paths(name: &str) -> (&'static str, &'static str) {
    match name {
        "items" => ("/api/items", "/api/items/{id}"),
        name => (format!("/api/{name}").leak(), format!("/api/{name}/{{id}}").leak()),
    }
}

const fn get(path: &'static str, endpoint: Endpoint) -> Route<Endpoint> {
    Route { path, methods: Methods::Get, endpoint }
}

const fn post(path: &'static str, endpoint: Endpoint) -> Route<Endpoint> {
    Route { path, methods: Methods::Post, endpoint }
}
