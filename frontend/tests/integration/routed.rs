//! A gateway with a route table in a file, and secrets beside it, that a test can change as a kubelet does.
#![allow(dead_code, unreachable_pub)] // Each test file is a program of its own, and uses its part of this.

use std::path::PathBuf;

use frontend::auth::credentials::Credentials;
use frontend::client::network::Networks;
use frontend::routes::router::{self, Source};
use frontend::routes::table::Defaults;
use frontend::tunnel::Terms;
use frontend::{Config, Frontend};
use serde_json::{Value, json};
use service::process::lifecycle::Timing;

use testing::running::{BRIEF, Running, WIDE, start};
use testing::wire::{Reply, Wire, get};

use crate::scripted::{PATIENT, PLAIN, Scripted};

const DEFAULTS: Defaults = Defaults { timeouts: PATIENT, resilience: PLAIN };

/// A directory of this test, with a table and its secrets, and a gateway that follows them.
pub struct Routed {
    pub gateway: Running,
    directory: PathBuf,
}

impl Routed {
    pub fn start(name: &str, table: &Value) -> Self {
        Self::with_secrets(name, table, &[])
    }

    /// Behind proxies of the networks `trusted`.
    pub fn behind(trusted: &str, name: &str, table: &Value) -> Self {
        Self::configured(name, table, &[], BRIEF, |config| config.trusted_proxies = Networks::parse(trusted).unwrap())
    }

    /// With tunnels that cost as much as `tunnels` lets them, and a drain as `timing` has it.
    pub fn with_tunnels(name: &str, table: &Value, secrets: &[(&str, &str)], tunnels: Terms, timing: Timing) -> Self {
        Self::configured(name, table, secrets, timing, |config| config.tunnels = tunnels)
    }

    pub fn with_secrets(name: &str, table: &Value, secrets: &[(&str, &str)]) -> Self {
        Self::configured(name, table, secrets, BRIEF, |_| {})
    }

    fn configured(
        name: &str,
        table: &Value,
        secrets: &[(&str, &str)],
        timing: Timing,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let directory = std::env::temp_dir().join(format!("routes-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("routes.json");
        std::fs::write(&file, table.to_string()).unwrap();
        for (name, content) in secrets {
            std::fs::write(directory.join(name), content).unwrap();
        }
        let credentials = Credentials::in_directory(directory.clone());
        let table = router::read(&file, &credentials, DEFAULTS).unwrap();
        let routes = Source { file: Some(file), credentials, defaults: DEFAULTS, table };
        let (trusted_proxies, tunnels) = (Networks::default(), Terms::default());
        let mut config = Config { routes, ready_needs_upstream: false, trusted_proxies, tunnels };
        change(&mut config);
        Self { gateway: start::<Frontend>(config, timing, WIDE), directory }
    }

    /// Replaces the table.
    pub fn write(&self, text: &str) {
        self.write_secret("routes.json", text);
    }

    /// Replaces a file as a kubelet does: at once.
    pub fn write_secret(&self, name: &str, content: &str) {
        let new = self.directory.join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, self.directory.join(name)).unwrap();
    }

    pub async fn get(&self, path: &str) -> Reply {
        get(self.gateway.address, path).await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        Wire::connect(self.gateway.address).await.unwrap().ask(method, path, headers).await.unwrap()
    }

    pub fn counts(&self, line: &str) -> bool {
        self.gateway.server.metrics.render().unwrap().lines().any(|other| other == line)
    }
}

impl Drop for Routed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// An upstream whose answers are its name, the request line and the headers that start with `x-set`.
pub async fn named(name: &'static str) -> Scripted {
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

pub fn table(upstreams: &[(&str, &Scripted)], routes: &Value) -> Value {
    let entry = |(name, upstream): &(&str, &Scripted)| {
        ((*name).to_owned(), json!({"url": format!("http://{}", upstream.address)}))
    };
    let upstreams: serde_json::Map<String, Value> = upstreams.iter().map(entry).collect();
    json!({"upstreams": upstreams, "routes": routes})
}
