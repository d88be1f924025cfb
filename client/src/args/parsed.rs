//! What a command line asks for.

use crate::{get, plan::Plan, spread, wait};

/// What a command line asks for.
#[expect(clippy::large_enum_variant, reason = "there is one, and it is moved twice")]
#[derive(Debug)]
pub(crate) enum Command {
    /// Print this text.
    Print(String),
    /// Read a ledger.
    Spread(spread::Options),
    /// Read the state of an autoscaler from standard input.
    Hpa,
    /// Something that waits for others, until a signal comes.
    Ask(Ask),
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
