//! One upstream: where it is, its connections, and one try to have a request answered.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use service::metrics::Metrics;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::pool::{Connection, Pool};
use crate::resolve::Resolver;
use crate::transfer::{Download, Late, Pace, Upload};

/// What hyper buffers of an upstream's connection, in each direction. A reply's head that needs more than twice as much is
/// refused.
const BUFFER_BYTES: usize = 64 * 1024;
/// The most header fields of a reply.
const HEADERS: usize = 100;

/// Where an upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name or IP address, an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `host:port` as configured: the Host of requests, and the upstream's name in replies and logs.
    pub authority: String,
}

/// How long to wait for an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To resolve and connect.
    pub connect: Duration,
    /// For one try, until the reply's head; also between parts of its body.
    pub attempt: Duration,
    /// For all tries.
    pub overall: Duration,
    /// How long an idle connection is kept.
    pub idle: Duration,
    /// Age after which a connection is not used again.
    pub max_age: Option<Duration>,
}

/// An upstream.
pub struct Upstream {
    origin: Origin,
    authority: HeaderValue,
    timeouts: Timeouts,
    resolver: Arc<Resolver>,
    pool: Arc<Pool>,
    connections: Counter,
    failures: Family<FailureLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    reason: &'static str,
}

impl Origin {
    /// Reads `http://host[:port]`, with at most a slash behind it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let bare = uri.scheme_str() == Some("http")
            && uri.path_and_query().is_none_or(|path| path == "/")
            && !authority.as_str().contains('@')
            && !text.contains('#');
        let port = match authority.as_str().strip_prefix(authority.host())?.strip_prefix(':') {
            Some(_) => authority.port_u16().filter(|port| *port > 0)?,
            None => 80,
        };
        let host = authority.host().trim_matches(['[', ']']);
        (bare && !host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
        })
    }
}

impl Upstream {
    /// An upstream without connections. Needs a runtime.
    ///
    /// # Panics
    /// Never: an authority that was parsed from a URI is visible ASCII.
    #[must_use]
    pub fn new(origin: Origin, timeouts: Timeouts, metrics: &mut Metrics) -> Self {
        let connections = Counter::default();
        let failures = Family::default();
        metrics.registry().register("upstream_connections", "Connections opened to the upstream", connections.clone());
        metrics.registry().register(
            "upstream_failures",
            "Requests that the upstream gave no reply to, by reason",
            failures.clone(),
        );
        let resolver = Arc::new(Resolver::new(origin.host.clone(), origin.port));
        // Before the first request needs it: a new pod gets its share of the traffic at once.
        resolver.look_up();
        Self {
            authority: HeaderValue::try_from(&origin.authority).expect("an authority is ASCII"),
            resolver,
            pool: Pool::new(timeouts.idle),
            origin,
            timeouts,
            connections,
            failures,
        }
    }

    /// The upstream's name: its authority as configured.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.origin.authority
    }

    /// The Host of requests to it.
    #[must_use]
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Has `request`, whose target is in origin form, answered within the timeouts.
    ///
    /// # Errors
    /// Why there is no reply.
    pub async fn send(&self, request: Request<Upload>, pace: &Pace) -> Result<Response<Download>, Failure> {
        let attempt = pace.within(self.timeouts.attempt, self.attempt(request));
        let overall = pace.within(self.timeouts.overall, attempt).await;
        let outcome = match overall {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(late)) | Err(late) => Err(match late {
                Late::Upstream => Failure::Timeout,
                Late::Client => Failure::ClientStalled,
            }),
        };
        if let Err(failure) = &outcome {
            let reason = failure.label();
            self.failures.get_or_create(&FailureLabels { reason }).inc();
        }
        outcome
    }

    /// One try. A pooled connection that turns out closed before anything was written costs no try: the request comes back
    /// whole and goes to the next connection, in the end to a new one. That is what happens while an upstream drains.
    async fn attempt(&self, mut request: Request<Upload>) -> Result<Response<Download>, Failure> {
        while let Some(mut connection) = self.pool.take(Instant::now()) {
            match connection.sender.try_send_request(request).await {
                Ok(response) => return self.receive(response, connection),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::Broken(error.into_error())),
                },
            }
        }
        let connecting = tokio::time::timeout(self.timeouts.connect, self.connect());
        let mut connection = connecting.await.map_err(|_| Failure::ConnectTimeout)??;
        match connection.sender.try_send_request(request).await {
            Ok(response) => self.receive(response, connection),
            Err(error) if error.message().is_some() => Err(Failure::Unsent(error.into_error())),
            Err(error) => Err(Failure::Broken(error.into_error())),
        }
    }

    fn receive(&self, response: Response<Incoming>, connection: Connection) -> Result<Response<Download>, Failure> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::Switched);
        }
        let (pool, patience) = (Arc::clone(&self.pool), self.timeouts.attempt);
        Ok(response.map(|body| Download::new(body, connection, pool, patience)))
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let addresses = self.resolver.addresses().await.map_err(Failure::Resolve)?;
        let mut refused = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses.iter() {
            match TcpStream::connect(address).await {
                Ok(stream) => return self.handshake(stream).await,
                Err(error) => refused = error,
            }
        }
        Err(Failure::Connect(refused))
    }

    async fn handshake(&self, stream: TcpStream) -> Result<Connection, Failure> {
        // A head and a small body are two writes; Nagle's algorithm would hold the second back.
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        self.connections.inc();
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .max_headers(HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Unsent)?;
        tokio::spawn(async move {
            // Whoever waits for a reply gets the error; between exchanges nobody needs it.
            let _ = driver.await;
        });
        Ok(Connection { sender, expires: self.timeouts.max_age.map(|age| Instant::now() + age) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_by_the_table() {
        let parsed = |text| Origin::parse(text).map(|o| format!("{} {} {}", o.host, o.port, o.authority));
        let good = [
            ("http://backend:8000", "backend 8000 backend:8000"),
            ("http://backend:8000/", "backend 8000 backend:8000"),
            ("http://backend", "backend 80 backend"),
            ("http://10.0.0.1:1", "10.0.0.1 1 10.0.0.1:1"),
            ("http://[::1]:8000", "::1 8000 [::1]:8000"),
        ];
        for (text, expected) in good {
            assert_eq!(parsed(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "backend",
            "backend:8000",
            "https://backend",
            "http://",
            "http://a/path",
            "http://a?x",
            "http://u@a",
            "http://a:99999",
            "http://a:0",
            "http://a:x",
            "http://a b",
            "http://a#f",
            "/x",
            "*",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
