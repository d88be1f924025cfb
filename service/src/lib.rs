//! What every server here does the same way: configuration, listening, lifecycle, telemetry, replies.
//!
//! A program implements [`app::App`] and calls [`program::main`].
//!
//! The modules are layers, the lowest first: each may know those before it in this list, and none behind it.

// They panic where nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod settings; // what a person sets

pub mod calls; // asking another service

pub mod process; // the process in its container: identity, lifecycle, memory

pub mod telemetry; // what it tells: log lines, metrics

pub mod message; // bodies, identifiers, problems

pub mod app; // what an app and its server know of each other

mod exchange; // one request and its reply

pub mod connection; // one connection, and what a client may stretch of it

pub mod server; // accepts, serves, drains

pub mod program; // arguments, settings, signals, exit code
