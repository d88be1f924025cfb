//! The end of a connection whose client may still be sending: in stages, so that it gets the last reply (RFC 9112, section 9.6).
//!
//! A socket that is closed with bytes unread, or that gets bytes after it was closed, is reset, and the reset discards what its
//! client has not read yet: the reply that would have told it why. So the server ends its own direction first, which is the end
//! of the reply for the client, then reads on for a while and throws away what comes, and closes after that.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::pace::{Demand, Pace};
use crate::process::lifecycle::Phase;

/// How long a client is waited for, and how much longer for what it sends: a silent one has the reply by then, so that a reset
/// does no more harm, and one that drips gains nothing by it.
const DEMAND: Demand = Demand { patience: Duration::from_secs(2), bytes_per_second: 16 * 1024 };
/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(30);
/// The most that is read, in bytes.
const MOST_BYTES: usize = 256 << 20;
/// What is read at a time, in bytes; on the stack, so that a connection that ends has no buffer.
const PART: usize = 16 * 1024;

/// Reads on from `socket`, whose own direction has been ended, until its client has ended the other or a bound is reached.
/// A drain ends it in time for itself: what is thrown away must not make the drain's deadline pass.
pub(crate) async fn read_on(socket: &TcpStream, mut phase: watch::Receiver<Phase>) {
    tokio::select! {
        () = discard(socket) => {}
        () = sleep_until(Instant::now() + LONGEST) => {}
        () = drained(&mut phase) => {}
    }
}

async fn discard(socket: &TcpStream) {
    let mut left = MOST_BYTES;
    let mut pace = Pace::new(DEMAND);
    while left > 0 {
        let late = pace.waits(Instant::now().into_std());
        let Ok(Ok(())) = timeout_at(late.into(), socket.readable()).await else { return };
        match part(socket) {
            Ok(length @ 1..) => {
                left = left.saturating_sub(length);
                pace.moved(length as u64, || Instant::now().into_std());
            }
            Err(ErrorKind::WouldBlock) => {}
            Ok(0) | Err(_) => return,
        }
        // A client that sends without a pause would keep all others waiting.
        tokio::task::yield_now().await;
    }
}

fn part(socket: &TcpStream) -> Result<usize, ErrorKind> {
    socket.try_read(&mut [0; PART]).map_err(|error: io::Error| error.kind())
}

/// Whether its client has sent something that nobody has read; not the end of its direction.
pub(crate) fn has_unread(socket: &TcpStream) -> bool {
    matches!(socket.try_read(&mut [0]), Ok(1..))
}

/// Ends half-way between the moment at which a drain stops waiting for requests, and the one at which it cuts what is left.
async fn drained(phase: &mut watch::Receiver<Phase>) {
    let closing = phase.wait_for(|phase| !phase.is_accepting()).await.map(|phase| *phase);
    if let Ok(Phase::Closing { until }) = closing {
        let now = Instant::now();
        sleep_until(now + Instant::from_std(until).saturating_duration_since(now) / 2).await;
    }
}
