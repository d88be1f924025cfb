//! The gateway as the runner starts it: the very program that `frontend` is, beside the runner's own.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::program::main::<frontend::Frontend>()
}
