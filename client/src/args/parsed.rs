//! What a command line asks for.

use crate::{get, plan::Plan, spread, wait};

/// What a command line asks for.
#[expect(clippy::large_enum_variant, reason = "there is one, and it is moved twice")]
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Print this text.
    Print(String),
    /// Run a command.
    Run(Command),
}

/// What to do.
#[expect(clippy::large_enum_variant, reason = "there is one, and it is moved twice")]
#[derive(Debug)]
pub(crate) enum Command {
    /// Something that waits for others, until a signal comes.
    Ask(Ask),
    /// Read the state of an autoscaler from standard input.
    Hpa,
    /// Read a ledger.
    Spread(spread::Options),
}

/// What to wait for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// One request.
    Get(get::Options),
    /// Many requests.
    Load(Plan),
    /// Requests until one is answered.
    Wait(wait::Options),
    /// Nothing.
    Pause,
}
