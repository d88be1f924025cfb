//! What the tests of several crates share: a client and an upstream of bytes, a server in the test's own process, programs as
//! processes of their own, their memory, a browser, what an API says of itself, ports, a real Redis and a real PostgreSQL. It is a part of tests alone: no program depends on it.

// What goes wrong here is the failure of a test: it panics where that is, and a test reads no section about it.
#![allow(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod browser;
pub mod built;
pub mod description;
pub mod memory;
pub mod port;
pub mod postgres;
pub mod program;
pub mod redis;
pub mod running;
pub mod sample;
pub mod scripted;
pub mod websocket;
pub mod wire;
