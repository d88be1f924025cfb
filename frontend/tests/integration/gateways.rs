//! Gateways in the test's own process: of one upstream, or with a route table in a file and secrets beside it, which a test can
//! change as a kubelet does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use frontend::auth::Credentials;
use frontend::client::Networks;
use frontend::routes::{self, Table, TableSource, shared_limit};
use frontend::tunnel::Bounds;
use frontend::upstream::{Allowance, Defaults, Origin, Resilience, Settings, Timeouts};
use frontend::{Config, Frontend};
use serde_json::{Value, json};
use service::process::lifecycle::Timing;
use service::settings::environment::Environment;
use service::settings::limits::Limits;
use testing::running::{BRIEF, Running, WIDE, start};
use testing::scripted::Scripted;
use testing::wire::{Reply, Wire, get};

/// Timeouts that no test reaches unless it means to.
pub(crate) const PATIENT: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    attempt: Duration::from_secs(10),
    overall: Duration::from_secs(15),
    idle: Duration::from_secs(30),
    max_age: Some(Duration::from_secs(30)),
};

/// Timeouts of a test that runs into them.
pub(crate) const HASTY: Timeouts =
    Timeouts { attempt: Duration::from_millis(150), overall: Duration::from_millis(300), ..PATIENT };

/// Shows each failure as it is: no retry, no breaker.
pub(crate) const PLAIN: Resilience = Resilience {
    in_flight: 0,
    retries: 0,
    budget: Allowance { percent: 100, reserve_per_second: 1000 },
    breaker: None,
};

pub(crate) fn gateway_to(upstream: SocketAddr, timeouts: Timeouts) -> Running {
    gateway_with(upstream, timeouts, PLAIN)
}

pub(crate) fn gateway_with(upstream: SocketAddr, timeouts: Timeouts, resilience: Resilience) -> Running {
    start::<Frontend>(config_of(upstream, timeouts, resilience), BRIEF, WIDE)
}

/// `/proxy/...` leads to `/api/...` of `upstream`.
pub(crate) fn config_of(upstream: SocketAddr, timeouts: Timeouts, resilience: Resilience) -> Config {
    let table = Table::of_one(settings_of(upstream, timeouts, resilience), None);
    let defaults = Defaults { timeouts, resilience };
    let routes = TableSource { file: None, credentials: Credentials::default(), defaults, table, store: None };
    Config {
        routes,
        docs: false,
        ready_needs_upstream: false,
        trusted_proxies: Networks::default(),
        tunnels: Bounds::default(),
    }
}

pub(crate) fn settings_of(upstream: SocketAddr, timeouts: Timeouts, resilience: Resilience) -> Settings {
    let origin = Origin::parse(&format!("http://{upstream}")).unwrap();
    Settings { origin, timeouts, resilience }
}

const DEFAULTS: Defaults = Defaults { timeouts: PATIENT, resilience: PLAIN };

/// A directory of this test, with a table and its secrets, and a gateway that follows them.
pub(crate) struct Routed {
    pub(crate) gateway: Running,
    directory: PathBuf,
}

impl Routed {
    pub(crate) fn start(table: &Value) -> Self {
        Self::with_secrets(table, &[])
    }

    /// Behind proxies of the networks `trusted`.
    pub(crate) fn behind(trusted: &str, table: &Value) -> Self {
        Self::configured(table, &[], BRIEF, WIDE, |config| config.trusted_proxies = Networks::parse(trusted).unwrap())
    }

    /// With `/docs`.
    pub(crate) fn with_docs(table: &Value) -> Self {
        Self::configured(table, &[], BRIEF, WIDE, |config| config.docs = true)
    }

    /// That counts with others in the store at `url`.
    pub(crate) fn sharing(table: &Value, url: &str) -> Self {
        let lookup = |name: &str| (name == "STORE_URL").then(|| url.into());
        let read = shared_limit::Settings::read(&mut Environment::new(&lookup)).unwrap();
        // However busy the machine is, it is the store that judges while it is there.
        let (patience, connecting) = (Duration::from_secs(20), Duration::from_secs(20));
        let store = shared_limit::Settings { patience, connecting, ..read };
        Self::configured(table, &[], BRIEF, WIDE, |config| config.routes.store = Some(store))
    }

    /// With tunnels that cost as much as `tunnels` lets them, and a drain as `timing` has it.
    pub(crate) fn with_tunnels(table: &Value, secrets: &[(&str, &str)], tunnels: Bounds, timing: Timing) -> Self {
        Self::configured(table, secrets, timing, WIDE, |config| config.tunnels = tunnels)
    }

    /// Within the bounds that a server has.
    pub(crate) fn within(table: &Value, limits: Limits) -> Self {
        Self::configured(table, &[], BRIEF, limits, |_| {})
    }

    pub(crate) fn with_secrets(table: &Value, secrets: &[(&str, &str)]) -> Self {
        Self::configured(table, secrets, BRIEF, WIDE, |_| {})
    }

    fn configured(
        table: &Value,
        secrets: &[(&str, &str)],
        timing: Timing,
        limits: Limits,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("routes-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("routes.json");
        std::fs::write(&file, table.to_string()).unwrap();
        for (name, content) in secrets {
            std::fs::write(directory.join(name), content).unwrap();
        }
        let credentials = Credentials::in_directory(directory.clone());
        let table = routes::read(&file, &credentials, DEFAULTS).unwrap();
        let routes = TableSource { file: Some(file), credentials, defaults: DEFAULTS, table, store: None };
        let (trusted_proxies, tunnels) = (Networks::default(), Bounds::default());
        let mut config = Config { routes, docs: false, ready_needs_upstream: false, trusted_proxies, tunnels };
        change(&mut config);
        Self { gateway: start::<Frontend>(config, timing, limits), directory }
    }

    /// Replaces the table.
    pub(crate) fn write(&self, text: &str) {
        self.write_secret("routes.json", text);
    }

    /// Replaces a file as a kubelet does: at once.
    pub(crate) fn write_secret(&self, name: &str, content: &str) {
        let new = self.directory.join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, self.directory.join(name)).unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        get(self.gateway.address, path).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        Wire::connect(self.gateway.address).await.unwrap().ask(method, path, headers).await.unwrap()
    }

    pub(crate) fn counts(&self, line: &str) -> bool {
        self.gateway.counts(line)
    }
}

impl Drop for Routed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// An upstream whose answers are its name, the request line and the headers that start with `x-set`.
pub(crate) async fn named(name: &'static str) -> Scripted {
    Scripted::start(move |_, mut upstream| async move {
        while let Some(head) = upstream.head().await {
            let kept = |line: &&str| line.starts_with("x-set") || line.ends_with("http/1.1");
            let text = format!("{name}: {}", head.lines().filter(kept).collect::<Vec<_>>().join("; "));
            upstream
                .send(&format!("HTTP/1.1 200 OK\r\nX-Old: 1\r\nContent-Length: {}\r\n\r\n{text}", text.len()))
                .await;
        }
    })
    .await
}

pub(crate) fn table(upstreams: &[(&str, &Scripted)], routes: &Value) -> Value {
    let entry = |(name, upstream): &(&str, &Scripted)| {
        ((*name).to_owned(), json!({"url": format!("http://{}", upstream.address)}))
    };
    let upstreams: serde_json::Map<String, Value> = upstreams.iter().map(entry).collect();
    json!({"upstreams": upstreams, "routes": routes})
}

/// Checks a problem that is the gateway's own: it names the upstream and nobody's inner life, and the gateway is well.
pub(crate) async fn assert_problem(gateway: &Running, upstream: SocketAddr, reply: &Reply) {
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.header("x-served-by"), Some("frontend/v1/frontend-1"));
    assert!(!reply.text().contains("os error") && !reply.text().contains("hyper"), "{}", reply.text());
    // The reply to a HEAD has no body.
    if !reply.body.is_empty() {
        let problem: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(problem["upstream"], upstream.to_string());
    }
    assert_eq!(get(gateway.address, "/ready").await.status, 200);
}
