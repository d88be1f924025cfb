//! What every server here does the same way: configuration, listening, lifecycle, telemetry, replies.
//!
//! A program implements [`server::App`] and calls [`program::main`].

// They panic where nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod admission;
pub mod body;
mod cgroup;
mod closing;
pub mod config;
mod connection;
pub mod correlation;
pub mod environment;
pub mod exchange;
pub mod exposition;
pub mod faults;
mod framing;
pub mod identity;
pub mod incoming;
pub mod lifecycle;
pub mod listener;
pub mod memory;
pub mod metrics;
pub mod notice;
mod pace;
pub mod probe;
pub mod problem;
mod process;
pub mod program;
pub mod room;
pub mod route;
pub mod runtime;
pub mod server;
mod spelling;
mod stream;
pub mod telemetry;
pub mod upgrade;
