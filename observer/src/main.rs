//! The observer of the practice.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::program::main::<observer::Observer>()
}
