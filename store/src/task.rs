//! The tasks of the store: of one type, so that the runtime's code for a task is there once.

use std::pin::Pin;

/// Spawns one. Needs a runtime.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    let task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(task);
    tokio::spawn(task);
}
