//! One HTTP/1 connection, with a bound on everything that a peer can stretch: its pace, its end, and what it switches to.
//!
//! Knows `exchange` and what is below it.

pub(crate) mod closing;
mod pace;
pub(crate) mod stream;
pub mod upgrade;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::app::{App, Server};
use crate::exchange::traffic::Traffic;
use crate::exchange::{self, Turn};
use crate::message::correlation::random;
use crate::message::incoming::Rest;
use crate::message::problem::Problem;
use crate::process::lifecycle::Phase;
use crate::settings::limits::Limits;
use stream::Stream;
use upgrade::{Switched, Upgrade};

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
        .max_buf_size(limits.buffer_bytes());
    builder
}

/// How long the first request of a connection is waited for once the server accepts no more: the client of a connection that
/// is this new has sent it, or is about to.
const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// How a conversation came to its end.
enum End {
    /// hyper has ended it.
    Over,
    /// It has left HTTP, and the client has sent this behind its last request.
    Switched(Upgrade, Bytes),
    /// The app kept a request's body and did not read on.
    Kept,
    /// The drain's deadline has passed.
    Cut,
}

/// Serves a connection until it ends, or the server's phase ends it.
pub(crate) async fn serve<A: App>(
    server: Arc<Server>,
    app: Arc<A>,
    mut socket: TcpStream,
    peer: SocketAddr,
    phase: watch::Receiver<Phase>,
) {
    let traffic = Traffic::default();
    let requests = AtomicU64::new(0);
    // In a box, whose memory and that of all buffers is given back before the rest is read on.
    let conversation = converse(&server, &app, (&mut socket, peer), phase.clone(), (&traffic, &requests));
    match Box::pin(conversation).await {
        End::Switched(upgrade, read) => return switch(socket, upgrade, read, phase).await,
        End::Over if traffic.waits_for_a_head() => refuse_late_head(&mut socket, &server).await,
        End::Over if traffic.ends_early(requests.into_inner()) => {}
        // A request that nobody will answer, sent before its client knew.
        End::Over if traffic.is_half_closed() && closing::has_unread(&socket) => {}
        End::Kept => drop(socket.shutdown().await),
        End::Over | End::Cut => return,
    }
    // Of those that are too many, some may not get their last reply; what they could take from the others is worth more.
    if let Ok(_place) = server.closings.try_acquire() {
        server.metrics.closing.inc();
        closing::read_on(&socket, phase).await;
        server.metrics.closing.dec();
    }
}

/// Answers requests with `app` until the connection is over.
async fn converse<A: App>(
    server: &Arc<Server>,
    app: &Arc<A>,
    (socket, peer): (&mut TcpStream, SocketAddr),
    mut phase: watch::Receiver<Phase>,
    (traffic, requests): (&Traffic, &AtomicU64),
) -> End {
    let limits = server.limits;
    let rest = Arc::new(Rest::default());
    // A reply 101 is a connection's last, so there is at most one.
    let upgrade: &OnceLock<Upgrade> = &OnceLock::new();
    let expires = expiry(limits, Instant::now(), random());
    let close = || server.sends_away() || expires.is_some_and(|at| Instant::now() >= at);
    let service = service_fn(|request: Request<Incoming>| {
        let number = 1 + requests.fetch_add(1, Ordering::Relaxed);
        let turn = Turn { number, peer, traffic, rest: &rest, close: &close };
        let answer = exchange::answer(Arc::clone(server), app.as_ref(), request, turn);
        async move {
            let response = answer.await;
            if let (StatusCode::SWITCHING_PROTOCOLS, Some(begun)) = (response.status(), response.extensions().get()) {
                let _ = upgrade.set(Upgrade::clone(begun));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let stream = TokioIo::new(Stream::new(socket, &limits, traffic, Some(&server.metrics)));
    let mut connection = http1(&limits).serve_connection(stream, service);
    let leave = async {
        reached(&mut phase, |phase| !phase.is_accepting()).await;
        if requests.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(FIRST_REQUEST).await;
        }
    };
    let mut attended = pin!(rest.attend(limits.body));
    let switches = || upgrade.get().is_some();
    let ended = tokio::select! {
        ended = to_its_end(&mut connection, traffic, switches) => ended,
        () = attended.as_mut() => return End::Kept,
        () = leave => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                ended = to_its_end(&mut connection, traffic, switches) => ended,
                () = attended => return End::Kept,
                () = reached(&mut phase, |phase| matches!(phase, Phase::Stopped { .. })) => return End::Cut,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended early");
    } else if let Some(upgrade) = upgrade.get() {
        return End::Switched(upgrade.clone(), connection.into_parts().read_buf);
    }
    End::Over
}

/// Drives `connection` until it is over and, unless it `switches`, until its own direction has ended.
///
/// hyper does the latter for most, but not for one on which a request has asked for an upgrade or was CONNECT: it leaves that to
/// whoever goes on with it. Nobody does where the request was answered as any other; driven again, it ends as any other.
pub(crate) async fn to_its_end<C>(
    connection: &mut C,
    traffic: &Traffic,
    switches: impl Fn() -> bool,
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>> + Unpin,
{
    (&mut *connection).await?;
    if switches() || traffic.has_said_all() { Ok(()) } else { connection.await }
}

/// Goes on with a connection that has left HTTP.
async fn switch(socket: TcpStream, upgrade: Upgrade, read: Bytes, mut phase: watch::Receiver<Phase>) {
    let switched = Switched { socket, read, phase: phase.clone() };
    tokio::select! {
        () = upgrade.begin(switched) => {}
        () = reached(&mut phase, |phase| matches!(phase, Phase::Stopped { .. })) => {}
    }
}

/// Tells a client that it took too long with a request's head (RFC 9110, section 15.5.9). hyper ends such a connection without
/// a word.
async fn refuse_late_head(socket: &mut TcpStream, server: &Server) {
    let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "the request's head came too slowly");
    // It fits into the empty buffer of a connection that is alive.
    let _ = socket.try_write(&problem.into_last_bytes(&server.served_by));
    let _ = socket.shutdown().await;
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
