//! What every server here does the same way: configuration, listening, lifecycle, telemetry, replies.
//!
//! A program implements [`server::App`] and calls [`program::main`].
//!
//! The modules are layers, the lowest first: each may know those before it, and none behind it.

// They panic where nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod settings;

pub mod process;

pub mod telemetry;

pub mod message;

pub mod app;

pub mod exchange;

pub mod connection;

pub mod server;

pub mod program;
