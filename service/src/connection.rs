//! One HTTP/1 connection, with a bound on everything that a peer can stretch.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::config::Limits;
use crate::correlation::random;
use crate::exchange;
use crate::lifecycle::Phase;
use crate::server::{App, Server};

/// The longest request head in bytes, request line included; hyper answers 431 to a longer one.
const HEAD_BYTES: usize = 32 * 1024;
/// The most header fields of a request; hyper answers 431 to more.
const HEADERS: usize = 100;
/// What hyper buffers of a connection, in each direction.
const BUFFER_BYTES: usize = 64 * 1024;

/// An HTTP/1 server within the bounds above. HTTP/1 only: detecting HTTP/2 costs 300 KB of binary and a wait without a
/// timeout. The header timeout is also the idle timeout, because hyper starts it when a reply has ended; it does nothing
/// without the timer.
pub(crate) fn http1(idle: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .max_buf_size(BUFFER_BYTES);
    builder
}

/// How long the first request of a connection is waited for once the server accepts no more: the client of a connection that
/// is this new has sent it, or is about to.
const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// Serves a connection until it ends, or the server's phase ends it.
pub(crate) async fn serve<A: App>(
    server: Arc<Server>,
    app: Arc<A>,
    stream: TcpStream,
    peer: SocketAddr,
    mut phase: watch::Receiver<Phase>,
) {
    let limits = server.limits;
    let expires = expiry(limits, Instant::now(), random());
    let used = AtomicBool::new(false);
    let close = || server.sends_away() || expires.is_some_and(|at| Instant::now() >= at);
    let service = service_fn(|request: Request<Incoming>| {
        used.store(true, Ordering::Relaxed);
        let answer = exchange::answer(Arc::clone(&server), app.as_ref(), request, peer, close);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let stream = Bounded::new(TokioIo::new(stream), limits.idle);
    let mut connection = pin!(http1(limits.idle).serve_connection(stream, service));
    let leave = async {
        reached(&mut phase, |phase| !phase.is_accepting()).await;
        if !used.load(Ordering::Relaxed) {
            tokio::time::sleep(FIRST_REQUEST).await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = leave => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = reached(&mut phase, |phase| matches!(phase, Phase::Stopped { .. })) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

/// When a connection that begins at `now` is old enough to be sent away; `random` spreads the ages by 10 % either way, or
/// connections that were opened together would all come back together.
///
/// Age only makes the next reply say `Connection: close`. The server never closes an old connection by itself: that would
/// lose a request that is on its way. One that carries no request at all ends by the idle timeout.
fn expiry(limits: Limits, now: Instant, random: u64) -> Option<Instant> {
    let share = (random % 2001) as f64 / 10_000.0; // 0 to 0.2
    limits.max_age.map(|age| now + age.mul_f64(0.9 + share))
}

async fn reached(phase: &mut watch::Receiver<Phase>, condition: impl FnMut(&Phase) -> bool) {
    // An error means that the server is gone, which ends every phase.
    let _ = phase.wait_for(condition).await;
}

/// A stream whose writes fail when the peer takes nothing for a while. Reads are bounded elsewhere: heads by hyper's timeout,
/// bodies by who reads them.
struct Bounded<T> {
    stream: T,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T: Unpin> Bounded<T> {
    fn new(stream: T, patience: Duration) -> Self {
        Self { stream, patience, stalled: None }
    }

    fn bound<R>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: Read + Unpin> Read for Bounded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for Bounded<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bound(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.bound(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bound(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_spread_by_a_tenth_either_way() {
        let limits = Limits { idle: Duration::from_secs(75), max_age: Some(Duration::from_secs(100)), connections: 1 };
        let now = Instant::now();
        let age = |random| expiry(limits, now, random).unwrap() - now;
        assert_eq!(age(0), Duration::from_secs(90));
        assert_eq!(age(1000), Duration::from_secs(100));
        assert_eq!(age(2000), Duration::from_secs(110));
        let off = Limits { max_age: None, ..limits };
        assert_eq!(expiry(off, now, 7), None);
    }
}
