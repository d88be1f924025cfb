//! The routes of the backend.

use service::probe::Probe;
use service::route::{Methods, Route};

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
    /// The API page.
    Docs,
    /// The description of the API.
    OpenApi,
}

/// Every route. `/openapi.json` describes the same, which a test holds.
pub const TABLE: &[Route<Endpoint>] = &[
    get("/api/items", Endpoint::Items),
    get("/api/items/{id}", Endpoint::Item),
    get("/api/cpu-burn", Endpoint::Burn),
    Route { path: "/api/echo", methods: Methods::Post, endpoint: Endpoint::Echo },
    get("/health", Endpoint::Probe(Probe::Health)),
    get("/ready", Endpoint::Probe(Probe::Ready)),
    get("/started", Endpoint::Probe(Probe::Started)),
    get("/docs", Endpoint::Docs),
    get("/openapi.json", Endpoint::OpenApi),
];

const fn get(path: &'static str, endpoint: Endpoint) -> Route<Endpoint> {
    Route { path, methods: Methods::Get, endpoint }
}
