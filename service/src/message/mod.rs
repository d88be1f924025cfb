//! What a message consists of: where it ends, the identifiers in its head, its body, and a reply that reports a problem.
//!
//! Knows `telemetry` and what is below it. No request is answered here, and no server is known.

pub mod body;
pub mod correlation;
pub(crate) mod framing;
pub mod incoming;
pub mod json;
pub mod problem;
pub mod query;
pub mod room;
pub mod upload;
