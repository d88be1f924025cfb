//! What a load is about to do.

use std::{path::PathBuf, time::Duration};

use http::StatusCode;

use self::schedule::Rate;
use crate::request::{message::Message, url::Url};

pub(crate) mod mix;
pub(crate) mod schedule;

#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Where to, with weights that add up to about [`mix::WHOLE`].
    pub(crate) urls: Vec<(Url, u64)>,
    pub(crate) message: Message,
    pub(crate) rate: Rate,
    /// For how long requests come due.
    pub(crate) duration: Duration,
    /// Connections to each host and port.
    pub(crate) connections: usize,
    /// A connection for each request instead of kept ones.
    pub(crate) new_connections: bool,
    /// How far away the client pretends to be: the time from here to the server and back.
    pub(crate) round_trip: Duration,
    /// From the intended start of a request; what is not complete by then is lost.
    pub(crate) timeout: Duration,
    /// Statuses that count as an answer, besides 200 to 299.
    pub(crate) accept: Vec<StatusCode>,
    /// Text that every answer's body must contain.
    pub(crate) contains: Option<String>,
    /// Each request has a body of its own, which every answer's body must be.
    pub(crate) echo: bool,
    pub(crate) output: Form,
    /// File for the ledger as JSON, in addition.
    pub(crate) ledger: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    #[default]
    Table,
    Json,
}
