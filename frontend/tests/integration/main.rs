//! The gateway against upstreams that do exactly what each test says, and the real program.

mod auth;
mod failures;
mod faults;
mod forwarded;
mod gateway;
mod ipv6;
mod paths;
mod program;
mod refusals;
mod retries;
mod routed;
mod routes;
mod scripted;
mod websocket;
