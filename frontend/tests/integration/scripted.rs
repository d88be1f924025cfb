//! An upstream that does exactly what a test says, byte by byte, and the gateway in front of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use frontend::auth::Credentials;
use frontend::client::Networks;
use frontend::routes::{Table, TableSource};
use frontend::tunnel::Bounds;
use frontend::upstream::{Allowance, Defaults, Origin, Resilience, Settings, Timeouts};
use frontend::{Config, Frontend};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use testing::running::{BRIEF, Running, WIDE, start};

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

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Scripted {
    /// Runs `script` on every connection, with the connection's number from 0.
    pub(crate) async fn start<F>(script: impl Fn(usize, Upstream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(number, Upstream { stream }));
            }
        });
        Self { address, connections }
    }

    /// Answers every request with the bytes of `reply`, and keeps the connection.
    pub(crate) async fn answering(reply: impl Into<String>) -> Self {
        let reply = Arc::new(reply.into());
        Self::start(move |_, mut upstream| {
            let reply = Arc::clone(&reply);
            async move {
                while upstream.head().await.is_some() {
                    upstream.send(reply.as_str()).await;
                }
            }
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The upstream's end of one connection.
pub(crate) struct Upstream {
    pub(crate) stream: TcpStream,
}

impl Upstream {
    /// Reads a request's head, to its empty line; `None` at the end of the connection.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        Some(String::from_utf8(head).unwrap().to_lowercase())
    }

    /// Closes the connection with RST instead of FIN, once it is dropped.
    pub(crate) fn reset(&self) {
        self.stream.set_zero_linger().unwrap();
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        // A gateway that has given up already is part of some tests.
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }
}

/// Shows each failure as it is: no retry, no breaker.
pub(crate) const PLAIN: Resilience =
    Resilience { retries: 0, budget: Allowance { percent: 100, reserve_per_second: 1000 }, breaker: None };

pub(crate) fn gateway_to(upstream: SocketAddr, timeouts: Timeouts) -> Running {
    gateway_with(upstream, timeouts, PLAIN)
}

pub(crate) fn gateway_with(upstream: SocketAddr, timeouts: Timeouts, resilience: Resilience) -> Running {
    start::<Frontend>(config_of(upstream, timeouts, resilience), BRIEF, WIDE)
}

/// `/proxy/...` leads to `/api/...` of `upstream`.
pub(crate) fn config_of(upstream: SocketAddr, timeouts: Timeouts, resilience: Resilience) -> Config {
    let origin = Origin::parse(&format!("http://{upstream}")).unwrap();
    let table = Table::of_one(Settings { origin, timeouts, resilience });
    let defaults = Defaults { timeouts, resilience };
    let routes = TableSource { file: None, credentials: Credentials::default(), defaults, table };
    Config { routes, ready_needs_upstream: false, trusted_proxies: Networks::default(), tunnels: Bounds::default() }
}
