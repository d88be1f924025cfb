//! `client pause`: does nothing until it is asked to stop.
//!
//! As the first process of a pod's sandbox it holds the network namespace open. It starts no process and adopts none:
//! a pod that shares its process namespace needs a sandbox that reaps.

use std::process::ExitCode;

use crate::stop::Stop;

pub(crate) async fn run(mut stop: Stop) -> ExitCode {
    stop.signalled().await;
    ExitCode::SUCCESS
}
