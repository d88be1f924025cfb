//! Hostile requests, byte by byte: a corpus of cases, and a runner that sends each through a proxy and watches both sides.
//!
//! Behind the proxy is a [`recorder`] that parses what it gets as strictly as RFC 9112 has it. Whatever the proxy makes of a
//! case, the two must agree about how many requests there were and where each ended: see [`judge`].

// Its errors are those of what it starts and reads, told as they come.
#![allow(clippy::missing_errors_doc)]

pub mod client;
pub mod corpus;
pub mod guard;
pub mod judge;
pub mod lanes;
pub mod proxy;
pub mod recorder;
pub mod report;
