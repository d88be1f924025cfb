//! What the process tells of itself: log lines and metrics.
//!
//! Knows `process` and what is below it.

pub(crate) mod log;
pub mod metrics;
pub mod notice;
