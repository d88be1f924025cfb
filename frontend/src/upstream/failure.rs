//! Why an upstream gave no reply, or no whole one: one row a kind, which says all that follows from it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use service::calls::breaker::Outcome;
use service::message::problem::Problem;

use crate::body::Late;
use crate::headers;

/// A request, or one try of it, that brought no reply, or no whole one.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    /// The error below, for logs only.
    cause: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The name has no address, or the name service does not answer.
    Resolve,
    ResolveTimeout,
    /// No address takes the connection.
    Connect,
    ConnectTimeout,
    /// The connection ended before any of the request was written.
    Unsent,
    /// The connection ended after some of the request may have been written.
    Broken,
    /// The reply's head is no HTTP, is too long, or says in two ways where its body ends.
    Malformed,
    /// The upstream left HTTP (status 101) without having been asked to, or otherwise than it was.
    Switched,
    /// No reply's head in time.
    Timeout,
    /// The client stopped sending its request's body.
    ClientStalled,
    /// The client's body was malformed, too long, or ended before its end.
    ClientBroke,
    /// Too many have failed; the breaker is open, at least for so long.
    Open(Duration),
    /// It has as many requests as it may.
    Full,
    /// The connection ended within the reply's body, or its chunks are none. The client has the head already.
    BodyBroken,
    /// The upstream sent no more of the reply's body.
    BodyTimeout,
}

/// Whose doing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Upstream,
    /// The name service's: nobody was asked.
    NameService,
    /// The client's: the upstream could not have answered.
    Client,
    /// The gateway's own, which has asked nobody: its breaker is open, or its bulkhead full.
    Gateway,
}

/// Whether another try can do harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Nothing of the first reached the upstream.
    Safe,
    /// Some of it may have: only where twice is as good as once.
    IfRepeatable,
    /// It would harm, or not help.
    Never,
}

/// What follows from a kind.
struct Row {
    /// In metrics and logs.
    label: &'static str,
    source: Source,
    again: Again,
    status: StatusCode,
    /// What the upstream does; of the client's doing, and of a reply that has begun, the whole of it.
    text: &'static str,
}

impl Kind {
    /// One of a table that is there once: made anew at each call, it was 15 rows of code wherever somebody asks.
    fn row(self) -> &'static Row {
        use Again::{IfRepeatable, Never, Safe};
        use Source::{Client, Gateway, NameService, Upstream};
        const BAD: StatusCode = StatusCode::BAD_GATEWAY;
        const LATE: StatusCode = StatusCode::GATEWAY_TIMEOUT;
        const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        macro_rules! row {
            ($label:expr, $source:expr, $again:expr, $status:expr, $text:expr) => {
                const { &Row { label: $label, source: $source, again: $again, status: $status, text: $text } }
            };
        }
        match self {
            Self::Resolve => row!("resolve", NameService, Safe, BAD, "has no address"),
            Self::ResolveTimeout => {
                row!("resolve_timeout", NameService, Safe, LATE, "has no address that could be found in time")
            }
            Self::Connect => row!("connect", Upstream, Safe, BAD, "takes no connection"),
            Self::ConnectTimeout => row!("connect_timeout", Upstream, Safe, LATE, "takes no connection in time"),
            Self::Unsent => row!("unsent", Upstream, Safe, BAD, "ended the connection without a reply"),
            Self::Broken => row!("broken", Upstream, IfRepeatable, BAD, "ended the connection without a reply"),
            Self::Malformed => row!("malformed", Upstream, IfRepeatable, BAD, "sent a reply that is not valid HTTP"),
            Self::Switched => row!("switched", Upstream, Never, BAD, "sent a reply that was not asked for"),
            Self::Timeout => row!("timeout", Upstream, IfRepeatable, LATE, "does not answer in time"),
            Self::ClientStalled => {
                const STATUS: StatusCode = StatusCode::REQUEST_TIMEOUT;
                row!("client_stalled", Client, Never, STATUS, "the request's body stopped before its end")
            }
            Self::ClientBroke => {
                const STATUS: StatusCode = StatusCode::BAD_REQUEST;
                row!("client_broke", Client, Never, STATUS, "the request's body is malformed or incomplete")
            }
            Self::Open(_) => {
                row!("open", Gateway, Never, BUSY, "is not asked: its last requests failed")
            }
            Self::Full => row!("full", Gateway, Never, BUSY, "has as many requests as it may: try again later"),
            Self::BodyBroken => row!("body_broken", Upstream, Never, BAD, "the upstream's reply broke off"),
            Self::BodyTimeout => {
                row!("body_timeout", Upstream, Never, LATE, "the upstream stopped within the reply's body")
            }
        }
    }

    /// A failure of this kind, which `cause` explains.
    pub(crate) fn by(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure { kind: self, cause: Some(cause.into()) }
    }
}

impl From<Kind> for Failure {
    fn from(kind: Kind) -> Self {
        Self { kind, cause: None }
    }
}

impl From<Late> for Failure {
    fn from(late: Late) -> Self {
        match late {
            Late::Upstream => Kind::Timeout.into(),
            Late::Client => Kind::ClientStalled.into(),
        }
    }
}

impl Failure {
    /// What became of a request of which some may have been written.
    pub(super) fn after_sending(error: hyper::Error) -> Self {
        if error.is_parse() { Kind::Malformed.by(error) } else { Kind::Broken.by(error) }
    }

    pub(crate) fn source(&self) -> Source {
        self.kind.row().source
    }

    /// Whether another try can do no harm, of a request that is `repeatable` if twice is as good as once.
    pub(super) fn may_be_tried_again(&self, repeatable: impl FnOnce() -> bool) -> bool {
        match self.kind.row().again {
            Again::Safe => true,
            Again::IfRepeatable => repeatable(),
            Again::Never => false,
        }
    }

    /// The kind as a short label of metrics and logs.
    pub(crate) fn label(&self) -> &'static str {
        self.kind.row().label
    }

    pub(crate) fn cause(&self) -> String {
        let Some(cause) = &self.cause else { return String::new() };
        match cause.source() {
            Some(source) => format!("{cause}: {source}"),
            None => cause.to_string(),
        }
    }

    /// The reply to the client. It names the upstream as it is configured, and nothing of what is behind that name.
    pub(crate) fn problem(&self, upstream: &str) -> Problem {
        let Row { source, status, text, .. } = *self.kind.row();
        if source == Source::Client {
            return Problem::new(status, text);
        }
        let problem = Problem::new(status, format!("upstream {upstream} {text}")).upstream(upstream);
        match self.kind {
            Kind::Open(retry_after) => problem.header(RETRY_AFTER, headers::seconds(retry_after)),
            // After a second, a request in flight has usually ended.
            Kind::Full => problem.header(RETRY_AFTER, headers::seconds(Duration::from_secs(1))),
            _ => problem,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.row().text)?;
        if self.cause.is_some() { write!(formatter, ": {}", self.cause()) } else { Ok(()) }
    }
}

impl Error for Failure {}

impl From<&Failure> for Outcome {
    fn from(failure: &Failure) -> Self {
        if failure.source() == Source::Upstream { Self::Failure } else { Self::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_tried_again_and_whose_doing_it_is() {
        use Source::{Client, Gateway, NameService, Upstream};
        for (kind, source, always, if_repeatable) in [
            (Kind::Resolve, NameService, true, true),
            (Kind::ResolveTimeout, NameService, true, true),
            (Kind::Connect, Upstream, true, true),
            (Kind::ConnectTimeout, Upstream, true, true),
            (Kind::Unsent, Upstream, true, true),
            (Kind::Broken, Upstream, false, true),
            (Kind::Malformed, Upstream, false, true),
            (Kind::Timeout, Upstream, false, true),
            (Kind::Switched, Upstream, false, false),
            (Kind::ClientStalled, Client, false, false),
            (Kind::ClientBroke, Client, false, false),
            (Kind::Open(Duration::ZERO), Gateway, false, false),
            (Kind::Full, Gateway, false, false),
        ] {
            let failure = Failure::from(kind);
            assert_eq!(failure.source(), source, "{kind:?}");
            assert_eq!(failure.may_be_tried_again(|| false), always, "{kind:?}");
            assert_eq!(failure.may_be_tried_again(|| true), if_repeatable, "{kind:?}");
        }
    }

    #[test]
    fn what_counts_and_what_does_not() {
        for (failure, outcome) in [
            (Kind::Connect.by("any"), Outcome::Failure),
            (Kind::ConnectTimeout.into(), Outcome::Failure),
            (Kind::Malformed.by("any"), Outcome::Failure),
            (Kind::Switched.by("any"), Outcome::Failure),
            (Kind::Timeout.into(), Outcome::Failure),
            (Kind::Resolve.by("any"), Outcome::Unknown),
            (Kind::ResolveTimeout.into(), Outcome::Unknown),
            (Kind::ClientStalled.into(), Outcome::Unknown),
            (Kind::ClientBroke.into(), Outcome::Unknown),
        ] {
            assert_eq!(Outcome::from(&failure), outcome, "{failure:?}");
        }
    }
}
