//! Why an upstream gave no reply, or no whole one: one row a kind, which says all that follows from it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
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

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The name has no address, or the name service does not answer.
    Resolve,
    /// The name service took too long.
    ResolveTimeout,
    /// No address takes the connection.
    Connect,
    /// Connecting took too long.
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
    /// The connection ended within the reply's body, or its chunks are none. The client has the head already.
    BodyBroken,
    /// The upstream sent no more of the reply's body.
    BodyTimeout,
}

/// Whose doing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The upstream's.
    Upstream,
    /// The name service's: nobody was asked.
    NameService,
    /// The client's: the upstream could not have answered.
    Client,
    /// The breaker's: nobody was asked.
    Breaker,
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
    fn row(self) -> Row {
        use Again::{IfRepeatable, Never, Safe};
        use Source::{Breaker, Client, NameService, Upstream};
        let bad = StatusCode::BAD_GATEWAY;
        let late = StatusCode::GATEWAY_TIMEOUT;
        let (label, source, again, status, text) = match self {
            Self::Resolve => ("resolve", NameService, Safe, bad, "has no address"),
            Self::ResolveTimeout => {
                ("resolve_timeout", NameService, Safe, late, "has no address that could be found in time")
            }
            Self::Connect => ("connect", Upstream, Safe, bad, "takes no connection"),
            Self::ConnectTimeout => ("connect_timeout", Upstream, Safe, late, "takes no connection in time"),
            Self::Unsent => ("unsent", Upstream, Safe, bad, "ended the connection without a reply"),
            Self::Broken => ("broken", Upstream, IfRepeatable, bad, "ended the connection without a reply"),
            Self::Malformed => ("malformed", Upstream, IfRepeatable, bad, "sent a reply that is not valid HTTP"),
            Self::Switched => ("switched", Upstream, Never, bad, "sent a reply that was not asked for"),
            Self::Timeout => ("timeout", Upstream, IfRepeatable, late, "does not answer in time"),
            Self::ClientStalled => {
                let text = "the request's body stopped before its end";
                ("client_stalled", Client, Never, StatusCode::REQUEST_TIMEOUT, text)
            }
            Self::ClientBroke => {
                let text = "the request's body is malformed or incomplete";
                ("client_broke", Client, Never, StatusCode::BAD_REQUEST, text)
            }
            Self::Open(_) => {
                let text = "is not asked: its last requests failed";
                ("open", Breaker, Never, StatusCode::SERVICE_UNAVAILABLE, text)
            }
            Self::BodyBroken => ("body_broken", Upstream, Never, bad, "the upstream's reply broke off"),
            Self::BodyTimeout => {
                ("body_timeout", Upstream, Never, late, "the upstream stopped within the reply's body")
            }
        };
        Row { label, source, again, status, text }
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

    /// Whose doing it is.
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

    /// The error below, for logs only.
    pub(crate) fn cause(&self) -> String {
        let Some(cause) = &self.cause else { return String::new() };
        match cause.source() {
            Some(source) => format!("{cause}: {source}"),
            None => cause.to_string(),
        }
    }

    /// The reply to the client. It names the upstream as it is configured, and nothing of what is behind that name.
    pub(crate) fn problem(&self, upstream: &str) -> Problem {
        let Row { source, status, text, .. } = self.kind.row();
        if source == Source::Client {
            return Problem::new(status, text);
        }
        let problem = Problem::new(status, format!("upstream {upstream} {text}")).upstream(upstream);
        match self.kind {
            Kind::Open(retry_after) => problem.header(RETRY_AFTER, headers::seconds(retry_after)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_tried_again_and_whose_doing_it_is() {
        use Source::{Breaker, Client, NameService, Upstream};
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
            (Kind::Open(Duration::ZERO), Breaker, false, false),
        ] {
            let failure = Failure::from(kind);
            assert_eq!(failure.source(), source, "{kind:?}");
            assert_eq!(failure.may_be_tried_again(|| false), always, "{kind:?}");
            assert_eq!(failure.may_be_tried_again(|| true), if_repeatable, "{kind:?}");
        }
    }
}
