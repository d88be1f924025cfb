//! The frontend's settings, and the memory that they let it take.

use std::path::PathBuf;

use service::process::memory::Term;
use service::settings::environment::{Environment, Variable};
use service::settings::limits::Limits;

use crate::auth::Credentials;
use crate::client::Networks;
use crate::routes::{self, Table, TableSource};
use crate::tunnel::{self, Bounds};
use crate::upstream::{self, Defaults, Origin, Settings};

/// The frontend's own settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which requests go where.
    pub routes: TableSource,
    /// Fault: `/ready` asks the upstreams' `/ready`, so that one dead service takes down all in front of it.
    pub ready_needs_upstream: bool,
    /// Proxies that are believed what they say of clients.
    pub trusted_proxies: Networks,
    /// What a WebSocket may cost, and how many there may be.
    pub tunnels: Bounds,
}

impl Config {
    /// Reads them, and the route table.
    pub(crate) fn read(environment: &mut Environment) -> Self {
        let backend = environment.parse(
            Variable {
                name: "BACKEND_URL",
                default: "http://127.0.0.1:8000",
                about: "where /proxy/... leads without ROUTES_FILE: /proxy/items is /api/items there",
            },
            "http://HOST or http://HOST:PORT without a path, such as http://backend:8000",
            Origin::parse,
        );
        let defaults = Defaults::read(environment);
        let Defaults { timeouts, resilience } = defaults;
        let one = Table::of_one(Settings { origin: backend, timeouts, resilience });
        let file = environment.optional_text(
            "ROUTES_FILE",
            "route table, JSON, read again when its content changes; it replaces BACKEND_URL",
        );
        let file = file.map(PathBuf::from);
        let directory = environment.optional_text(
            "CREDENTIALS_DIR",
            "directory of the secrets that the route table names, each a file, read again when its content changes",
        );
        let credentials = directory.map(|directory| Credentials::in_directory(directory.into())).unwrap_or_default();
        let table = file.as_ref().map_or(Ok(one), |file| routes::read(file, &credentials, defaults));
        let table = table.unwrap_or_else(|refused| {
            let value = file.as_ref().map_or_else(String::new, |file| file.display().to_string());
            environment.refuse(
                "ROUTES_FILE",
                &value,
                &format!("a file with a route table, and this one is none: {refused}"),
            );
            Table::default()
        });
        Self {
            routes: TableSource { file, credentials, defaults, table },
            ready_needs_upstream: environment.switch(
                "FAULT_READY_NEEDS_UPSTREAM",
                "fault: /ready asks the upstreams' /ready, and answers 503 without them",
            ),
            trusted_proxies: environment.parse(
                Variable {
                    name: "TRUSTED_PROXIES",
                    default: "",
                    about: "networks of proxies in front, such as 10.244.0.0/16,fd00::/8: their X-Forwarded-For, -Proto and \
                            -Host, or Forwarded, are believed",
                },
                Networks::ACCEPTED,
                Networks::parse,
            ),
            tunnels: Bounds::read(environment),
        }
    }

    /// What requests, connections, clients and tunnels may take at once.
    pub(crate) fn memory(&self, limits: &Limits) -> Vec<Term> {
        let in_flight = limits.in_flight as u64;
        let clients =
            self.routes.table.routes.iter().filter_map(|route| Some(route.rate_limit.as_ref()?.quota.clients));
        vec![
            Term::new(
                "requests on their way to upstreams",
                in_flight,
                2 * limits.buffer_bytes() as u64 + upstream::LINK_BYTES,
            ),
            Term::new("idle connections to upstreams", in_flight.min(upstream::MOST_IDLE as u64), upstream::LINK_BYTES),
            Term::new("clients of rate limits", clients.sum::<usize>() as u64, routes::rate_limit::CLIENT_BYTES as u64),
            // Besides the connection of the client.
            Term::new("tunnels", self.tunnels.most.min(limits.connections) as u64, tunnel::BYTES_OF_A_TUNNEL as u64)
                .by("MAX_TUNNELS"),
        ]
    }
}
