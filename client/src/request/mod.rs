//! One request: where it goes, what it says, the connection that carries it, and how it fails.

pub(crate) mod addresses;
pub(crate) mod cause;
pub(crate) mod connection;
pub(crate) mod deadline;
mod dial;
mod distance;
pub(crate) mod message;
mod source_port;
pub(crate) mod url;
