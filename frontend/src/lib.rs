//! The frontend: a streaming gateway to the backend, and the dashboard page.
//!
//! This file wires and answers, no more. The way of a request is drawn in docs/architecture.md.

// They panic where nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod auth;
pub mod body;
pub mod client;
mod config;
mod docs;
pub mod gateway;
mod headers;
mod mistakes;
mod own;
mod page;
mod random;
pub mod routes;
pub mod tunnel;
pub mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::Request;
use hyper::header::HeaderMap;
use service::app::{App, Context, Reply, Server};
use service::message::incoming::Incoming;
use service::process::identity::Identity;
use service::process::memory::Term;
use service::settings::environment::Environment;
use service::settings::limits::Limits;
use service::telemetry::metrics::Metrics;

pub use config::Config;
use gateway::Gateway;
use own::OwnPaths;
use routes::shared_limit::SharedLimit;
use routes::{Destination, Router};
use tunnel::Tunnels;

/// The frontend.
pub struct Frontend {
    router: Arc<Router>,
    gateway: Gateway,
    own: OwnPaths,
    tunnels: Arc<Tunnels>,
}

impl App for Frontend {
    const NAME: &'static str = "frontend";
    const ABOUT: &'static str = "the gateway to the backend, and the dashboard page";
    type Config = Config;

    fn configure(environment: &mut Environment) -> Config {
        Config::read(environment)
    }

    fn memory(config: &Config, limits: &Limits) -> Vec<Term> {
        config.memory(limits)
    }

    fn faults(config: &Config) -> Vec<&'static str> {
        if config.ready_needs_upstream { vec!["ready-needs-upstream"] } else { Vec::new() }
    }

    fn new(config: Config, identity: &Identity, metrics: &mut Metrics) -> Self {
        let shared = config.routes.store.clone().map(|store| SharedLimit::start(store, metrics));
        let router = Router::start(config.routes, metrics);
        let tunnels = Tunnels::new(config.tunnels, metrics);
        Self {
            gateway: Gateway::new(
                (Arc::clone(&router), shared),
                &identity.service,
                config.trusted_proxies,
                Arc::clone(&tunnels),
            ),
            router,
            own: OwnPaths::new(&identity.version, config.docs, config.ready_needs_upstream),
            tunnels,
        }
    }

    fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        self.gateway.client(peer, headers).address()
    }

    /// `/routes` has the route table in force.
    fn inspect(&self, path: &str) -> Option<String> {
        (path == "/routes").then(|| self.router.live().table.document().to_string())
    }

    /// Waits for what the name service says of the upstreams that it needs, if that is not long in coming.
    async fn begin(&self) {
        self.router.live().are_looked_up().await;
    }

    /// Tells how many tunnels a drain finds, and how many its quiet period has left.
    async fn work(self: Arc<Self>, server: Arc<Server>) {
        let mut phases = server.phases();
        // An error means that the server is gone.
        if phases.wait_for(|phase| phase.sends_away()).await.is_ok() {
            let open = self.tunnels.open();
            tracing::info!(open, "draining WebSockets: their ends have the quiet period to close them");
        }
        if phases.wait_for(|phase| !phase.is_accepting()).await.is_ok() {
            let open = self.tunnels.open();
            tracing::info!(open, "closing WebSockets");
        }
    }

    async fn answer(&self, server: &Server, mut request: Request<Incoming>, context: &Context) -> Reply {
        let live = self.router.live();
        match Destination::of(&mut request, &live.table) {
            Ok(Destination::Route(place)) => {
                if let Some(judging) = self.gateway.judging(&request, &live.table.routes[place], context.peer) {
                    request.extensions_mut().insert(judging.await);
                }
                self.gateway.answer(request, (&live, place), context, &server.room).await
            }
            Ok(Destination::Preflight(route, cors, method)) => {
                Reply { route: route.label(), result: Ok(cors.answer(&method, request.headers())) }
            }
            Ok(Destination::Own) => self.own.answer(server, request, &live).await,
            Err(problem) => Reply::unrouted(problem),
        }
    }
}
