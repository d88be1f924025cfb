//! SIGTERM, SIGINT, SIGQUIT and SIGHUP.
//!
//! The first process of a container has no default action for them: without a handler it would be deaf to
//! `kubectl delete pod` until the grace period ends in SIGKILL. Elsewhere the default action ends the process at once, with all
//! that it has counted: SIGHUP does when the terminal is closed, and SIGQUIT is a key beside ctrl-C.

use std::{fs, future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives the signals that ask this process to stop.
pub(crate) struct Stop {
    term: Signal,
    interrupt: Signal,
    quit: Signal,
    /// None where it was ignored when this process started: nohup(1) is there to let it outlive the terminal.
    hangup: Option<Signal>,
    /// Never looked at: with a handler, a file that may not grow (`ulimit -f`) is an error of its write, and does not end the
    /// process.
    _file_size: Signal,
}

/// SIGXFSZ, which has one number on every Linux that this is built for.
const FILE_SIZE: i32 = 25;

impl Stop {
    /// Starts to listen; from here on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangup = SignalKind::hangup();
        let hears = !ignores(&status, hangup);
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: hears.then(|| signal(hangup)).transpose()?,
            _file_size: signal(SignalKind::from_raw(FILE_SIZE))?,
        })
    }

    /// Waits for the next signal, and returns its number. Safe to cancel.
    pub(crate) async fn signalled(&mut self) -> u8 {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => future::pending().await,
            }
        };
        let kind = tokio::select! {
            _ = self.term.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.quit.recv() => SignalKind::quit(),
            _ = hangup => SignalKind::hangup(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or(u8::MAX)
    }
}

/// Whether a process with this status (proc(5)) ignores a signal; no if that can't be read.
fn ignores(status: &str, kind: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (kind.as_raw_value() - 1)) != 0)
}
