//! What a command line asks for.

use crate::{get, plan::Plan, spread, wait};

#[expect(clippy::large_enum_variant, reason = "there is one, and it is moved twice")]
#[derive(Debug)]
pub(crate) enum Command {
    Print(String),
    /// Read a ledger.
    Spread(spread::Options),
    /// Read the state of an autoscaler from standard input.
    Hpa,
    /// Something that waits for others, until a signal comes.
    Ask(Ask),
}

#[derive(Debug)]
pub(crate) enum Ask {
    Get(get::Options),
    Load(Plan),
    Wait(wait::Options),
    Pause,
}
