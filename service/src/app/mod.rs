//! What an app and the server that it is served by know of each other: a table of routes, and the kubelet's probes.
//!
//! Knows `message` and what is below it.

pub mod probe;
pub mod route;
