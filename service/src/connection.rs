//! One HTTP/1 connection, with a bound on everything that a peer can stretch.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Limits;
use crate::correlation::random;
use crate::exchange;
use crate::lifecycle::Phase;
use crate::server::{App, Server};
use crate::stream::{Stream, Verdict};
use crate::upgrade::{Switched, Upgrade};

/// What hyper buffers of a connection, in each direction. A head must fit.
pub(crate) const BUFFER_BYTES: usize = 64 * 1024;

/// An HTTP/1 server within `limits`. HTTP/1 only: detecting HTTP/2 costs 300 KB of binary and a wait without a timeout. The
/// header timeout is also the idle timeout, because hyper starts it when a reply has ended; it does nothing without the
/// timer. hyper answers 431 to a head that is too long or has too many fields.
pub(crate) fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_header_size(limits.head_bytes)
        .max_headers(limits.headers)
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
    let verdict = &Verdict::default();
    let expires = expiry(limits, Instant::now(), random());
    let requests = AtomicU64::new(0);
    // A reply 101 is a connection's last, so there is at most one.
    let upgrade: &OnceLock<Upgrade> = &OnceLock::new();
    let close = || server.sends_away() || expires.is_some_and(|at| Instant::now() >= at);
    let service = service_fn(|request: Request<Incoming>| {
        let number = 1 + requests.fetch_add(1, Ordering::Relaxed);
        let refusal = move || verdict.on(number);
        let answer = exchange::answer(Arc::clone(&server), app.as_ref(), request, peer, (refusal, close));
        async move {
            let response = answer.await;
            if let (StatusCode::SWITCHING_PROTOCOLS, Some(begun)) = (response.status(), response.extensions().get()) {
                let _ = upgrade.set(Upgrade::clone(begun));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let stream = TokioIo::new(Stream::new(stream, &limits, verdict, &server.metrics));
    let mut connection = http1(&limits).serve_connection(stream, service);
    let leave = async {
        reached(&mut phase, |phase| !phase.is_accepting()).await;
        if requests.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(FIRST_REQUEST).await;
        }
    };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = leave => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                ended = &mut connection => ended,
                () = reached(&mut phase, |phase| matches!(phase, Phase::Stopped { .. })) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended early");
    } else if let Some(upgrade) = upgrade.get() {
        let parts = connection.into_parts();
        let socket = parts.io.into_inner().into_socket();
        let switched = Switched { socket, read: parts.read_buf, phase: phase.clone() };
        tokio::select! {
            () = upgrade.begin(switched) => {}
            () = reached(&mut phase, |phase| matches!(phase, Phase::Stopped { .. })) => {}
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_spread_by_a_tenth_either_way() {
        let limits = Limits { max_age: Some(Duration::from_secs(100)), ..Limits::default() };
        let now = Instant::now();
        let age = |random| expiry(limits, now, random).unwrap() - now;
        assert_eq!(age(0), Duration::from_secs(90));
        assert_eq!(age(1000), Duration::from_secs(100));
        assert_eq!(age(2000), Duration::from_secs(110));
        let off = Limits { max_age: None, ..limits };
        assert_eq!(expiry(off, now, 7), None);
    }
}
