//! A server in the test's own process, on a free port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use service::app::{App, Server};
use service::process::faults::Faults;
use service::process::identity::Identity;
use service::process::lifecycle::Timing;
use service::server::listener;
use service::server::{Stop, stop};
use service::settings::limits::Limits;
use service::telemetry::metrics::Metrics;
use tokio::task::JoinHandle;

/// Bounds that no test reaches unless it means to.
pub const WIDE: Limits = Limits {
    idle: Duration::from_secs(60),
    max_age: None,
    connections: 10_000,
    in_flight: 10_000,
    head: Duration::from_secs(60),
    body: Duration::from_secs(60),
    reply: Duration::from_secs(60),
    bytes_per_second: 0,
    target_bytes: 8 * 1024,
    head_bytes: 32 * 1024,
    headers: 100,
    body_bytes: u64::MAX,
    held_body_bytes: 8 << 20,
};

/// A drain that takes no longer than a test has to wait.
pub const BRIEF: Timing = Timing { quiet: Duration::from_millis(50), longest_request: Duration::from_secs(10) };

/// A server that runs.
pub struct Running {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    /// What its handlers see of it.
    pub server: Arc<Server>,
    /// Makes it drain, and makes that short.
    pub stop: Stop,
    /// Its end: whether nothing was left in flight.
    pub ended: JoinHandle<bool>,
}

impl Running {
    /// What its `/metrics` say now.
    pub fn metrics(&self) -> String {
        self.server.metrics.render().unwrap()
    }

    /// Whether they have this line.
    pub fn counts(&self, line: &str) -> bool {
        self.metrics().lines().any(|other| other == line)
    }
}

/// What a pod of `service` says of itself.
pub fn identity(service: &str) -> Identity {
    Identity {
        service: service.into(),
        version: "v1".into(),
        pod: format!("{service}-1"),
        node: "worker".into(),
        namespace: "default".into(),
        address: String::new(),
        faults: Vec::new(),
    }
}

/// Starts `A` with its configuration.
pub fn start<A: App>(config: A::Config, timing: Timing, limits: Limits) -> Running {
    start_with_faults::<A>(config, timing, limits, Faults::default())
}

/// Starts `A` with faults of the server.
pub fn start_with_faults<A: App>(config: A::Config, timing: Timing, limits: Limits, faults: Faults) -> Running {
    let identity = Identity { faults: [faults.names(), A::faults(&config)].concat(), ..identity(A::NAME) };
    let mut metrics = Metrics::new(&identity);
    let app = Arc::new(A::new(config, &identity, &mut metrics));
    let server = Arc::new(Server::new(identity, metrics, timing, limits, faults));
    let listener = listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = stop();
    let ended = tokio::spawn(Arc::clone(&server).run(listener, app, stopping));
    Running { address, server, stop, ended }
}
