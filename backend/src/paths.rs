//! The paths of the backend: those that the settings switch on.

use service::app::own_path::{Methods, OwnPath};
use service::app::probe::Probe;

use crate::config::Config;

/// What answers a path.
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
    /// The greeting.
    Greeting,
    /// How a Service is found.
    Discovery,
    /// Begins a fault.
    Fault,
    /// The API page.
    Docs,
    /// The description of the API.
    OpenApi,
}

/// Every path that `config` switches on. `/openapi.json` describes the same, which a test holds.
pub fn table(config: &Config) -> Vec<OwnPath<Handler>> {
    let probes = [
        route("/health", Methods::Get, Handler::Probe(Probe::Health)),
        route("/ready", Methods::Get, Handler::Probe(Probe::Ready)),
        route("/started", Methods::Get, Handler::Probe(Probe::Started)),
    ];
    let (items, item) = item_paths(&config.resource.name);
    let mut table = vec![
        route(items, Methods::Get, Handler::Items),
        route(item, Methods::Get, Handler::Item),
        route("/api/cpu-burn", Methods::Get, Handler::Burn),
        route("/api/echo", Methods::Post, Handler::Echo),
    ];
    if config.greeting.is_some() {
        table.push(route("/", Methods::Get, Handler::Greeting));
    }
    if config.discovery {
        table.push(route("/api/discovery", Methods::Get, Handler::Discovery));
    }
    if config.faults_on_request {
        table.push(route("/api/faults/{name}", Methods::Post, Handler::Fault));
    }
    table.extend(probes);
    table.extend([route("/docs", Methods::Get, Handler::Docs), route("/openapi.json", Methods::Get, Handler::OpenApi)]);
    table
}

/// The paths of the items. They live as long as the process, so a path that the settings name is never freed.
pub(crate) fn item_paths(name: &str) -> (&'static str, &'static str) {
    match name {
        "items" => ("/api/items", "/api/items/{id}"),
        name => (format!("/api/{name}").leak(), format!("/api/{name}/{{id}}").leak()),
    }
}

const fn route(path: &'static str, methods: Methods, handler: Handler) -> OwnPath<Handler> {
    OwnPath { path, methods, handler }
}
