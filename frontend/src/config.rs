//! The frontend's settings, and the memory that they let it take.

use std::path::PathBuf;

use service::process::memory::Term;
use service::settings::environment::{Environment, Variable};
use service::settings::limits::Limits;

use crate::auth::Credentials;
use crate::client::Networks;
use crate::gateway::MOST_PARTS_UNDER_WAY;
use crate::routes::{self, Table, TableSource, shared_limit};
use crate::tunnel::{self, Bounds};
use crate::upstream::{self, Defaults, Origin, Settings};

service::settings! {
    /// The frontend's own settings.
    #[derive(Debug, Clone)]
    pub struct Config {
        /// Which requests go where.
        routes: TableSource = part(table);
        /// serve /docs and /openapi.json: what the routes lead to, as their upstreams describe it
        docs: bool = switch("DOCS");
        /// fault: /ready asks the upstreams' /ready, and answers 503 without them
        ready_needs_upstream: bool = switch("FAULT_READY_NEEDS_UPSTREAM");
        /// networks of proxies in front, such as 10.244.0.0/16,fd00::/8: their X-Forwarded-For, -Proto and -Host, or Forwarded,
        /// are believed
        trusted_proxies: Networks = parse("TRUSTED_PROXIES", "", Networks::ACCEPTED, Networks::parse);
        /// What a WebSocket may cost, and how many there may be.
        tunnels: Bounds = part(Bounds::read);
    }
}

/// Reads where the route table comes from, and the table.
fn table(environment: &mut Environment) -> TableSource {
    let about = "where /proxy/... leads without ROUTES_FILE: /proxy/items is /api/items there";
    let backend = environment.parse(
        Variable::new("BACKEND_URL", "http://127.0.0.1:8000", about),
        "http://HOST or http://HOST:PORT without a path, such as http://backend:8000",
        Origin::parse,
    );
    let about =
        "the observer without ROUTES_FILE: /cluster is /api/cluster there, which the page shows; unset is without it";
    let accepted = "nothing, or http://HOST or http://HOST:PORT without a path, such as http://observer:8000";
    let observer = environment.parse(Variable::new("OBSERVER_URL", "", about), accepted, |text| {
        if text.is_empty() { Some(None) } else { Origin::parse(text).map(Some) }
    });
    let defaults = Defaults::read(environment);
    let Defaults { timeouts, resilience } = defaults;
    let about = "route table, JSON, read again when its content changes; it replaces BACKEND_URL";
    let file = environment.optional_text("ROUTES_FILE", about).map(PathBuf::from);
    let about = "directory of the secrets that the route table names, each a file, read again when its content changes";
    let directory = environment.optional_text("CREDENTIALS_DIR", about);
    let credentials = directory.map(|directory| Credentials::in_directory(directory.into())).unwrap_or_default();
    let store = shared_limit::Settings::read(environment);
    let table = if let Some(file) = &file {
        let table = routes::read(file, &credentials, defaults).and_then(|table| table.within_reach(store.is_some()));
        table.unwrap_or_else(|refused| {
            let accepted = format!("a file with a route table, and this one is none: {refused}");
            environment.refuse("ROUTES_FILE", &file.display().to_string(), &accepted);
            Table::default()
        })
    } else {
        let at = |origin| Settings { origin, timeouts, resilience };
        Table::of_one(at(backend), observer.map(at))
    };
    TableSource { file, credentials, defaults, table, store }
}

impl Config {
    /// What requests, connections, clients and tunnels may take at once.
    pub(crate) fn memory(&self, limits: &Limits) -> Vec<Term> {
        let in_flight = limits.in_flight as u64;
        let clients =
            self.routes.table.routes.iter().filter_map(|route| Some(route.rate_limit.as_ref()?.quota.clients));
        let request = 2 * limits.buffer_bytes() as u64 + upstream::LINK_BYTES;
        let puts_together = self.routes.table.routes.iter().any(|route| !route.aggregate.is_empty());
        let parts = if puts_together { MOST_PARTS_UNDER_WAY as u64 } else { 0 };
        vec![
            Term::new("requests on their way to upstreams", in_flight, request),
            Term::new("parts of aggregates", parts, request),
            Term::new("idle connections to upstreams", in_flight.min(upstream::MOST_IDLE as u64), upstream::LINK_BYTES),
            Term::new("clients of rate limits", clients.sum::<usize>() as u64, routes::rate_limit::CLIENT_BYTES as u64),
            // Besides the connection of the client.
            Term::new("tunnels", self.tunnels.most.min(limits.connections) as u64, tunnel::BYTES_OF_A_TUNNEL as u64)
                .by("MAX_TUNNELS"),
        ]
    }
}
