//! `client`: asks a question, waits for an answer, or makes requests at a fixed rate and accounts for every one.
//!
//! It drives one connection at a time with [`hyper::client::conn`], has no pool and retries nothing: pools and clients
//! that retry hide the very losses that this one is here to count.
//!
//! Each module knows those below it alone: [`args`] makes a command of a command line, which one of [`get`], [`wait`], [`load`],
//! [`spread`], [`hpa`] and [`pause`] carries out; a [`ledger`] is of a [`plan`], and both are of a [`request`].

// They panic where a pipe has lost its reader: see `output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::{io, process::ExitCode};

use tokio::{runtime, task::LocalSet};

use crate::args::{Ask, Command};
use crate::stop::Stop;

mod args;
mod exit;
mod get;
mod hpa;
mod ledger;
mod load;
mod output;
mod pause;
mod plan;
mod request;
mod spread;
mod stop;
mod wait;

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Print(text)) => exit::printed(&text),
        Ok(Command::Hpa) => hpa::run(),
        Ok(Command::Spread(options)) => spread::run(&options),
        Ok(Command::Ask(ask)) => execute(ask).unwrap_or_else(|error| exit::with(exit::SYSTEM, error)),
        Err(error) => {
            let command = error.command.map(|name| format!(" {name}"));
            exit::with(
                exit::USAGE,
                format_args!("{}\n'client{} --help' says more", error.message, command.unwrap_or_default()),
            )
        }
    }
}

/// One thread: the connections of a load share its ledger without locks, and 1,000 requests a second take a tenth of a
/// core.
fn execute(ask: Ask) -> io::Result<ExitCode> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let stop = Stop::listen()?;
        Ok(match ask {
            Ask::Get(options) => until_stopped(stop, get::run(options)).await,
            Ask::Wait(options) => until_stopped(stop, wait::run(options)).await,
            Ask::Load(plan) => load::run(plan, stop).await,
            Ask::Pause => pause::run(stop).await,
        })
    })
}

/// Exits with 128 + N on signal N, as a shell would report it.
async fn until_stopped(mut stop: Stop, command: impl Future<Output = ExitCode>) -> ExitCode {
    tokio::select! {
        code = command => code,
        signal = stop.signalled() => ExitCode::from(128 + signal),
    }
}
