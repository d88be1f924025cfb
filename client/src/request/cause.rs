//! How a request fails, told apart as far as a client can tell.

use std::{error::Error, fmt, io};

/// A row for each kind: its name, and one line for people.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $meaning:literal,)*) => {
        /// What became of a request that was not answered as it should have been. The names are part of the ledger's format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),*];

            /// The stable name, as the ledger has it.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// One line for people.
            pub(crate) fn meaning(self) -> &'static str {
                match self { $(Self::$kind => $meaning,)* }
            }
        }
    };
}

kinds! {
    /// The host's name has no address, or the name server did not answer.
    Resolve "resolve" "the name has no address",
    ConnectRefused "connect-refused" "nothing listens there",
    ConnectTimeout "connect-timeout" "the connection was not accepted in time",
    /// The connection could not be made for another reason: no route, no local port left.
    ConnectFailed "connect-failed" "the connection could not be made",
    /// The server closed the connection (FIN) after the request was given to it, and before the head of a reply.
    Closed "closed" "closed after the request was sent, before a reply",
    /// The connection was reset (RST), or failed while the request was written, before the head of a reply.
    Reset "reset" "reset after the request was sent, before a reply",
    /// The server closed the connection before the body was complete.
    Truncated "truncated" "closed in the middle of the body",
    ResetInBody "reset-in-body" "reset in the middle of the body",
    Timeout "timeout" "no complete reply in time",
    Protocol "protocol" "the reply is not HTTP",
    Crossed "crossed" "the reply has another request's x-request-id",
    Status1xx "status-1xx" "replied with a status of 1xx",
    Status3xx "status-3xx" "replied with a status of 3xx",
    Status4xx "status-4xx" "replied with a status of 4xx",
    Status5xx "status-5xx" "replied with a status of 5xx",
    WrongBody "wrong-body" "the body lacks the text asked for, or is not the one sent",
    /// Never sent: every connection stayed busy until the timeout, or the queue was full.
    Unsent "unsent" "never sent: every connection stayed busy",
    Abandoned "abandoned" "given up on: stopped a second time",
}

impl Kind {
    /// The kind of a reply whose status was not accepted.
    pub(crate) fn of_status(status: http::StatusCode) -> Self {
        match status.as_u16() {
            100..=199 => Self::Status1xx,
            300..=399 => Self::Status3xx,
            400..=499 => Self::Status4xx,
            _ => Self::Status5xx,
        }
    }
}

/// A failed attempt: its kind, and the words of the system.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) kind: Kind,
    /// The underlying error, for people; may be empty.
    pub(crate) detail: String,
}

impl Cause {
    /// A failure of `kind`; `detail` says more, or is empty.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub(crate) fn connecting(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => Kind::ConnectRefused,
            io::ErrorKind::TimedOut => Kind::ConnectTimeout,
            _ => Kind::ConnectFailed,
        };
        Self::new(kind, error.to_string())
    }

    /// A connection that failed after a request was given to it, and before the head of the reply.
    pub(crate) fn before_head(error: &hyper::Error) -> Self {
        Self::exchanging(error, Kind::Closed, Kind::Reset)
    }

    pub(crate) fn in_body(error: &hyper::Error) -> Self {
        Self::exchanging(error, Kind::Truncated, Kind::ResetInBody)
    }

    fn exchanging(error: &hyper::Error, closed: Kind, reset: Kind) -> Self {
        let kind = match io_error(error) {
            _ if error.is_parse() => Kind::Protocol,
            Some(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => closed,
            // A chunk size that is no number: hyper's decoder says so with an I/O error.
            Some(cause) if cause.kind() == io::ErrorKind::InvalidInput => Kind::Protocol,
            Some(cause) if cause.kind() == io::ErrorKind::InvalidData => Kind::Protocol,
            Some(_) => reset,
            None => closed,
        };
        Self::new(kind, words(error))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.meaning())?;
        if self.detail.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.detail)
    }
}

/// The I/O error at the bottom of `error`, if one is there.
fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

/// An error with its causes, outermost first.
fn words(error: &hyper::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_told_from_one_that_timed_out() {
        let kind = |kind: io::ErrorKind| Cause::connecting(&kind.into()).kind;
        assert_eq!(kind(io::ErrorKind::ConnectionRefused), Kind::ConnectRefused);
        assert_eq!(kind(io::ErrorKind::TimedOut), Kind::ConnectTimeout);
        assert_eq!(kind(io::ErrorKind::AddrNotAvailable), Kind::ConnectFailed);
    }

    #[test]
    fn statuses_fall_into_their_class() {
        let of = |code| Kind::of_status(http::StatusCode::from_u16(code).unwrap());
        assert_eq!(of(101), Kind::Status1xx);
        assert_eq!(of(308), Kind::Status3xx);
        assert_eq!(of(404), Kind::Status4xx);
        assert_eq!(of(503), Kind::Status5xx);
        assert_eq!(of(799), Kind::Status5xx);
    }
}
