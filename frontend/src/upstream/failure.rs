//! Why an upstream gave no reply, or no whole one.

use std::fmt;
use std::io;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use service::message::problem::Problem;

/// A try that brought no reply.
#[derive(Debug)]
pub enum Failure {
    /// The name has no address, or the name service does not answer.
    Resolve(io::Error),
    /// The name service took too long.
    ResolveTimeout,
    /// No address takes the connection.
    Connect(io::Error),
    /// Connecting took too long.
    ConnectTimeout,
    /// The connection ended before any of the request was written.
    Unsent(hyper::Error),
    /// The connection ended after some of the request may have been written.
    Broken(hyper::Error),
    /// The reply's head is no HTTP, is too long, or says in two ways where its body ends; how, for logs.
    Malformed(String),
    /// The upstream left HTTP (status 101) without having been asked to, or otherwise than it was; how, for logs.
    Switched(&'static str),
    /// No reply's head in time.
    Timeout,
    /// The client stopped sending its request's body.
    ClientStalled,
    /// The client's body was malformed, too long, or ended before its end.
    ClientBroke,
    /// Too many have failed; the breaker is open, at least for so long.
    Open(Duration),
}

/// A reply of which the client has the head already, but not the whole body.
#[derive(Debug)]
pub enum BodyFailure {
    /// The connection ended within it, or its chunks are none.
    Broken(hyper::Error),
    /// The upstream sent no more of it.
    Timeout,
}

/// Counts the failures of one upstream, by reason.
#[derive(Debug, Clone)]
pub struct Failures {
    upstream: String,
    counts: Counts,
}

/// The failures of all upstreams.
pub type Counts = Family<Reason, Counter>;

/// Labels of failures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    upstream: String,
    reason: &'static str,
}

impl Failures {
    /// Those of `upstream`, among all of them.
    #[must_use]
    pub fn of(upstream: &str, counts: &Counts) -> Self {
        Self { upstream: upstream.to_owned(), counts: counts.clone() }
    }

    /// Counts one for `reason`.
    pub fn count(&self, reason: &'static str) {
        self.counts.get_or_create(&Reason { upstream: self.upstream.clone(), reason }).inc();
    }
}

impl Failure {
    /// What became of a request of which some may have been written.
    #[must_use]
    pub fn after_sending(error: hyper::Error) -> Self {
        if error.is_parse() { Self::Malformed(with_source(&error)) } else { Self::Broken(error) }
    }

    /// It is the upstream's, and not the client's.
    #[must_use]
    pub fn is_of_the_upstream(&self) -> bool {
        !matches!(self, Self::ClientStalled | Self::ClientBroke)
    }

    /// The reason as a short label of metrics and logs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "resolve",
            Self::ResolveTimeout => "resolve_timeout",
            Self::Connect(_) => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Unsent(_) => "unsent",
            Self::Broken(_) => "broken",
            Self::Malformed(_) => "malformed",
            Self::Switched(_) => "switched",
            Self::Timeout => "timeout",
            Self::ClientStalled => "client_stalled",
            Self::ClientBroke => "client_broke",
            Self::Open(_) => "open",
        }
    }

    /// The error below, for logs only.
    #[must_use]
    pub fn source_text(&self) -> String {
        match self {
            Self::Resolve(error) | Self::Connect(error) => error.to_string(),
            Self::Unsent(error) | Self::Broken(error) => with_source(error),
            Self::Malformed(how) => how.clone(),
            Self::Switched(how) => (*how).to_owned(),
            Self::ResolveTimeout
            | Self::ConnectTimeout
            | Self::Timeout
            | Self::ClientStalled
            | Self::ClientBroke
            | Self::Open(_) => String::new(),
        }
    }

    /// The reply to the client. It names the upstream as it is configured, and nothing of what is behind that name.
    #[must_use]
    pub fn problem(&self, upstream: &str) -> Problem {
        let (status, what) = match self {
            Self::Resolve(_) => (StatusCode::BAD_GATEWAY, "has no address"),
            Self::Connect(_) => (StatusCode::BAD_GATEWAY, "takes no connection"),
            Self::Unsent(_) | Self::Broken(_) => (StatusCode::BAD_GATEWAY, "ended the connection without a reply"),
            Self::Malformed(_) => (StatusCode::BAD_GATEWAY, "sent a reply that is not valid HTTP"),
            Self::Switched(_) => (StatusCode::BAD_GATEWAY, "sent a reply that was not asked for"),
            Self::ResolveTimeout => (StatusCode::GATEWAY_TIMEOUT, "has no address that could be found in time"),
            Self::ConnectTimeout => (StatusCode::GATEWAY_TIMEOUT, "takes no connection in time"),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "does not answer in time"),
            Self::ClientStalled => {
                let detail = "the request's body stopped before its end";
                return Problem::new(StatusCode::REQUEST_TIMEOUT, detail);
            }
            Self::ClientBroke => {
                return Problem::new(StatusCode::BAD_REQUEST, "the request's body is malformed or incomplete");
            }
            Self::Open(retry_after) => {
                let detail = format!("upstream {upstream} is not asked: its last requests failed");
                // Rounded up: who comes back a moment too early is refused again.
                let seconds = retry_after.as_millis().div_ceil(1000) as u64;
                return Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                    .upstream(upstream)
                    .header(RETRY_AFTER, HeaderValue::from(seconds));
            }
        };
        Problem::new(status, format!("upstream {upstream} {what}")).upstream(upstream)
    }
}

impl BodyFailure {
    /// The reason as a short label of metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Broken(_) => "body_broken",
            Self::Timeout => "body_timeout",
        }
    }
}

impl fmt::Display for BodyFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => write!(formatter, "the upstream's reply broke off: {}", with_source(error)),
            Self::Timeout => formatter.write_str("the upstream stopped within the reply's body"),
        }
    }
}

impl std::error::Error for BodyFailure {}

fn with_source(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
