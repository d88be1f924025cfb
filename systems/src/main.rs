//! The systems with state.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::program::main::<systems::Systems>()
}
