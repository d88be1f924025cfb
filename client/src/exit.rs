//! How this program ends: its exit statuses, and the word that goes with one that is no success.

use std::{fmt::Display, io, process::ExitCode};

use crate::output::{print, tell};

/// A reply that is an error, a lost request, or a share that is too uneven.
pub(crate) const NOT_AS_ASKED: u8 = 1;
/// No reply, nothing to read, or nowhere to write the ledger to.
pub(crate) const NOTHING: u8 = 2;
/// A command line that is not understood, or asks for what this process may not do (`EX_USAGE` of sysexits.h).
pub(crate) const USAGE: u8 = 64;
/// This process can't do what it needs to (`EX_OSERR` of sysexits.h).
pub(crate) const SYSTEM: u8 = 71;
/// Standard output can't be written (`EX_IOERR` of sysexits.h).
const OUTPUT: u8 = 74;

pub(crate) fn with(status: u8, why: impl Display) -> ExitCode {
    tell(format_args!("client: {why}"));
    ExitCode::from(status)
}

pub(crate) fn not_printed(error: &io::Error) -> ExitCode {
    with(OUTPUT, format_args!("standard output: {error}"))
}

/// Prints `text`, which is all that there is to do.
pub(crate) fn printed(text: &str) -> ExitCode {
    print(text).map_or_else(|error| not_printed(&error), |()| ExitCode::SUCCESS)
}
