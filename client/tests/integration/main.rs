//! The client against a server that does exactly what each test says.

mod commands;
mod connections;
mod losses;
mod outputs;
mod pauses;
mod run;
mod server;
mod stopping;
