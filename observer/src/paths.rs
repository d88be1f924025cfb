//! The paths of the observer.

use service::app::own_path::{Methods, OwnPath};
use service::app::probe::Probe;

/// What answers a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    Probe(Probe),
    /// What is known.
    Rows,
    /// The same, each time that it changes.
    Events,
    Docs,
    OpenApi,
}

pub(crate) const TABLE: &[OwnPath<Handler>] = &[
    get("/api/cluster", Handler::Rows),
    get("/api/cluster/events", Handler::Events),
    get("/health", Handler::Probe(Probe::Health)),
    get("/ready", Handler::Probe(Probe::Ready)),
    get("/started", Handler::Probe(Probe::Started)),
    get("/docs", Handler::Docs),
    get("/openapi.json", Handler::OpenApi),
];

const fn get(path: &'static str, handler: Handler) -> OwnPath<Handler> {
    OwnPath { path, methods: Methods::Get, handler }
}
