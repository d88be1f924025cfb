//! SIGTERM and SIGINT.
//!
//! The first process of a container has no default action for them: without a handler it would be deaf to
//! `kubectl delete pod` until the grace period ends in SIGKILL.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives the signals that ask this process to stop.
pub(crate) struct Stop {
    term: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Starts to listen; from here on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When the handlers can't be installed.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal, and returns its number. Safe to cancel.
    pub(crate) async fn signalled(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.term.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or(u8::MAX)
    }
}
