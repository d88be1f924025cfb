//! The gateway in front of upstreams that do exactly what each test says: in the test's own process, and the real program.

mod aggregate;
mod auth;
mod bulkhead;
mod correlation;
mod docs;
mod failures;
mod faults;
mod forwarded;
mod gateway;
mod gateways;
mod ipv6;
mod log;
mod paths;
mod program;
mod refusals;
mod retries;
mod routes;
mod shared_limit;
mod streaming;
mod websocket;

const GATEWAY: &str = env!("CARGO_BIN_EXE_frontend");
