//! Tunnels: two connections that have left HTTP for a WebSocket, copied both ways.
//!
//! What is in them is the two ends' own, the closing handshake too. The gateway bounds them: how many there are, how long
//! nothing may pass, how long they last, and how much of what passes is kept, a buffer for each direction. At a drain they stay
//! for its quiet period, in which either end may close. A tunnel that has to end is ended as TCP has it: each side is told
//! that no more comes, what it still sends is read for a moment, and then the connections are closed.
//!
//! Knows nothing of routes and upstreams: it is given the two connections.

mod handshake;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use service::connection::upgrade::{Switched, Upgrade};
use service::process::lifecycle::Phase;
use service::telemetry::metrics::Metrics;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::random::Random;
pub(crate) use handshake::{Handshake, switch};

/// What is read at once in one direction.
const BUFFER_BYTES: usize = 8 * 1024;
/// What one tunnel takes at most, in bytes: what it keeps of what passes, in both directions, and the connection to the upstream.
pub(crate) const BYTES_OF_A_TUNNEL: usize = 2 * BUFFER_BYTES + 8 * 1024;
/// How long the ends have to close once they were told that the tunnel ends.
const GRACE: Duration = Duration::from_secs(1);
/// How long nothing may pass once one end has closed its direction. Who closes a WebSocket closes both.
const HALF_CLOSED: Duration = Duration::from_secs(10);

/// The shortest time that a tunnel can be given.
const SHORTEST: Duration = Duration::from_millis(10);

service::settings! {
    /// What tunnels may cost. Each ends up to a tenth earlier than its longest, or those that began together would all come back
    /// together.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Bounds {
        /// WebSockets open at once; further ones get 503 and Retry-After
        most: usize = number("MAX_TUNNELS", "1000", 1, 100_000);
        /// how long nothing may pass through a WebSocket, pings included; it is ended then
        idle: Duration = seconds("TUNNEL_IDLE_SECONDS", "300", SHORTEST);
        /// how long a WebSocket may last, -10 %; it is ended then
        longest: Duration = seconds("TUNNEL_SECONDS", "3600", SHORTEST);
    }
}

/// All tunnels of a gateway.
pub(crate) struct Tunnels {
    bounds: Bounds,
    places: Arc<Semaphore>,
    random: Random,
    open: Gauge,
    opened: Counter,
    ended: Family<[(&'static str, &'static str); 1], Counter>,
}

pub(crate) type Place = OwnedSemaphorePermit;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Both ends have closed.
    Closed,
    /// One of the connections broke.
    Broken,
    /// Nothing passed for too long.
    Idle,
    /// It has lasted as long as it may.
    Expired,
    /// The gateway stops.
    Drained,
}

impl Reason {
    /// The reason as a label of metrics and logs.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::Drained => "drained",
        }
    }
}

/// One of the two connections.
pub(crate) struct End<S> {
    pub(crate) socket: S,
    /// What has been read from it already.
    pub(crate) read: Bytes,
}

/// What has passed through a tunnel, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// From the client to the upstream.
    pub(crate) up: u64,
    /// From the upstream to the client.
    pub(crate) down: u64,
}

impl Tunnels {
    pub(crate) fn new(bounds: Bounds, metrics: &mut Metrics) -> Arc<Self> {
        let ended = "WebSockets that have ended: closed by their ends, broken, idle, expired, or drained";
        Arc::new(Self {
            bounds,
            places: Arc::new(Semaphore::new(bounds.most)),
            random: Random::seeded(),
            open: metrics.add("tunnels", "WebSockets open"),
            opened: metrics.add("tunnels_opened", "WebSockets that were opened"),
            ended: metrics.add("tunnels_ended", ended),
        })
    }

    /// How many are open.
    pub(crate) fn open(&self) -> i64 {
        self.open.get()
    }

    pub(crate) fn place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// The tunnel from a client's connection to that on which the upstream has switched. `held` is kept as long as it lasts;
    /// `done` is told how it ended.
    pub(crate) fn to(
        self: &Arc<Self>,
        upstream: impl Future<Output = Option<End<TcpStream>>> + Send + 'static,
        place: Place,
        held: impl Send + 'static,
        done: impl FnOnce(Reason, Passed) + Send + 'static,
    ) -> Upgrade {
        let tunnels = Arc::clone(self);
        Upgrade::new(move |client| async move {
            tunnels.opened.inc();
            let open = Open::one_of(&tunnels.open);
            let (reason, passed) = tunnels.carry(client, upstream).await;
            tunnels.ended.get_or_create(&[("reason", reason.label())]).inc();
            done(reason, passed);
            // In this order, so that where none is open all places are free.
            drop((held, place));
            drop(open);
        })
    }

    async fn carry(
        &self,
        client: Switched,
        upstream: impl Future<Output = Option<End<TcpStream>>>,
    ) -> (Reason, Passed) {
        // It has answered, so this is a matter of its task's next turn.
        let Ok(Some(upstream)) = tokio::time::timeout(GRACE, upstream).await else {
            return (Reason::Broken, Passed::default());
        };
        let bounds = Bounds { longest: spread(self.bounds.longest, self.random.next()), ..self.bounds };
        let Switched { socket, read, phase } = client;
        join(End { socket, read }, upstream, bounds, drained(phase)).await
    }
}

struct Open(Gauge);

impl Open {
    fn one_of(all: &Gauge) -> Self {
        all.inc();
        Self(all.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// `longest`, or less by up to a tenth; every value of `random` is as likely as any other.
fn spread(longest: Duration, random: u64) -> Duration {
    longest.mul_f64(1.0 - (random % 1001) as f64 / 10_000.0)
}

/// Comes when tunnels have to end because the server does, with the time that is left to them: at most half of what is left to
/// the server, so that they are gone before it cuts what is there.
async fn drained(mut phase: watch::Receiver<Phase>) -> Duration {
    match phase.wait_for(|phase| !phase.is_accepting()).await.map(|phase| *phase) {
        Ok(Phase::Closing { until }) => GRACE.min(until.saturating_duration_since(Instant::now().into_std()) / 2),
        _ => Duration::ZERO,
    }
}

/// Copies both ways between `client` and `upstream` until both have closed, or the tunnel has to end: by `bounds`, or because
/// `ends` comes, with the time that the two then have.
async fn join<C, U>(
    client: End<C>,
    upstream: End<U>,
    bounds: Bounds,
    ends: impl Future<Output = Duration>,
) -> (Reason, Passed)
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let pulse = Pulse::now();
    let (stop, stopped) = watch::channel(false);
    let (from_client, to_client) = tokio::io::split(client.socket);
    let (from_upstream, to_upstream) = tokio::io::split(upstream.socket);
    let up = Lane { pulse: &pulse, passed: AtomicU64::new(0) };
    let down = Lane { pulse: &pulse, passed: AtomicU64::new(0) };
    let mut both = std::pin::pin!(async {
        tokio::try_join!(
            up.copy(client.read, from_client, to_upstream, stopped.clone()),
            down.copy(upstream.read, from_upstream, to_client, stopped.clone()),
        )
    });
    let reason = tokio::select! {
        copied = both.as_mut() => if copied.is_ok() { Reason::Closed } else { Reason::Broken },
        (reason, grace) = until_it_ends(&pulse, bounds, ends) => {
            stop.send_replace(true);
            // Whoever has not closed by then is closed.
            let _ = tokio::time::timeout(grace, both.as_mut()).await;
            reason
        }
    };
    let passed = |lane: &Lane| lane.passed.load(Ordering::Relaxed);
    (reason, Passed { up: passed(&up), down: passed(&down) })
}

/// Comes when a tunnel has to end, with the reason and the time that its ends have.
async fn until_it_ends(pulse: &Pulse, bounds: Bounds, ends: impl Future<Output = Duration>) -> (Reason, Duration) {
    tokio::select! {
        () = pulse.is_silent(bounds.idle) => (Reason::Idle, GRACE),
        () = tokio::time::sleep(bounds.longest) => (Reason::Expired, GRACE),
        grace = ends => (Reason::Drained, grace),
    }
}

/// When something last passed through a tunnel.
struct Pulse {
    begun: Instant,
    /// Milliseconds after that.
    last: AtomicU64,
    half_closed: AtomicBool,
    changed: Notify,
}

impl Pulse {
    fn now() -> Self {
        Self {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            half_closed: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    fn beat(&self) {
        self.last.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn half_closes(&self) {
        self.beat();
        self.half_closed.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Comes when nothing has passed for `idle`, or for less if one direction is closed.
    async fn is_silent(&self, idle: Duration) {
        loop {
            let patience = if self.half_closed.load(Ordering::Relaxed) { idle.min(HALF_CLOSED) } else { idle };
            let until = self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed)) + patience;
            if Instant::now() >= until {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = self.changed.notified() => {}
            }
        }
    }
}

/// One direction of a tunnel.
struct Lane<'a> {
    pulse: &'a Pulse,
    passed: AtomicU64,
}

impl Lane<'_> {
    /// Copies `first` and what comes `from` there until that has ended, then says so where it goes `to`. Once it is `stopped`,
    /// that is said at once, and what still comes goes nowhere: closing over unread bytes would be a reset, which can overtake
    /// what the other side has yet to read.
    async fn copy(
        &self,
        first: Bytes,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        mut stopped: watch::Receiver<bool>,
    ) -> io::Result<()> {
        self.write(&first, &mut to).await?;
        drop(first);
        let mut buffer = vec![0; BUFFER_BYTES];
        let ended = loop {
            let read = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => break false,
                read = from.read(&mut buffer) => read?,
            };
            if read == 0 {
                break true;
            }
            self.pulse.beat();
            self.write(&buffer[..read], &mut to).await?;
        };
        // It fails where the other side has gone altogether, which its own direction shows.
        let _ = to.shutdown().await;
        self.pulse.half_closes();
        if !ended {
            while from.read(&mut buffer).await? > 0 {}
        }
        Ok(())
    }

    async fn write(&self, mut bytes: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = to.write(bytes).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.pulse.beat();
            self.passed.fetch_add(written as u64, Ordering::Relaxed);
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;

    const BOUNDS: Bounds = Bounds { most: 1, idle: Duration::from_secs(60), longest: Duration::from_secs(3600) };

    /// A tunnel, and the far ends of its two connections: the client's and the upstream's.
    fn tunnel(
        bounds: Bounds,
        ends: impl Future<Output = Duration> + Send + 'static,
    ) -> (DuplexStream, DuplexStream, JoinHandle<(Reason, Passed)>) {
        let (client, near_client) = duplex(64);
        let (upstream, near_upstream) = duplex(64);
        let end = |socket, read: &'static [u8]| End { socket, read: Bytes::from_static(read) };
        let tunnel = tokio::spawn(join(end(near_client, b"early "), end(near_upstream, b""), bounds, ends));
        (client, upstream, tunnel)
    }

    async fn read(end: &mut DuplexStream, length: usize) -> String {
        let mut bytes = vec![0; length];
        end.read_exact(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn it_copies_both_ways_and_ends_with_both_ends() {
        let (mut client, mut upstream, tunnel) = tunnel(BOUNDS, pending());
        client.write_all(b"hello").await.unwrap();
        assert_eq!(read(&mut upstream, 11).await, "early hello");
        // More than all buffers between them take.
        let long = vec![b'x'; 1 << 20];
        let (sent, ()) = tokio::join!(client.write_all(&long), async {
            let mut got = vec![0; 1 << 20];
            upstream.read_exact(&mut got).await.unwrap();
            assert!(got.iter().all(|byte| *byte == b'x'));
        });
        sent.unwrap();
        // One direction closes, the other goes on.
        client.shutdown().await.unwrap();
        assert_eq!(upstream.read(&mut [0; 9]).await.unwrap(), 0);
        upstream.write_all(b"bye").await.unwrap();
        assert_eq!(read(&mut client, 3).await, "bye");
        upstream.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(tunnel.await.unwrap(), (Reason::Closed, Passed { up: 11 + (1 << 20), down: 3 }));
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_in_either_direction_keeps_it() {
        let begun = Instant::now();
        let (mut client, mut upstream, tunnel) = tunnel(BOUNDS, pending());
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(59)).await;
            client.write_all(b"x").await.unwrap();
            tokio::time::sleep(Duration::from_secs(59)).await;
            upstream.write_all(b"x").await.unwrap();
        }
        assert_eq!(read(&mut upstream, 9).await, "early xxx");
        assert_eq!(read(&mut client, 3).await, "xxx");
        // Both are told, and answer: the tunnel needs none of its grace.
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(upstream.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(begun.elapsed().as_secs(), 6 * 59 + 60);
        drop((client, upstream));
        assert_eq!(tunnel.await.unwrap().0, Reason::Idle);
        assert_eq!(begun.elapsed().as_secs(), 6 * 59 + 60);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_to_end_waits_for_nobody_longer_than_its_grace() {
        let hour = Duration::from_secs(3600);
        for (bounds, ends, expected, after) in [
            (BOUNDS, hour, Reason::Idle, Duration::from_secs(60) + GRACE),
            (
                Bounds { idle: hour, longest: Duration::from_secs(90), ..BOUNDS },
                hour,
                Reason::Expired,
                Duration::from_secs(90) + GRACE,
            ),
            (BOUNDS, Duration::from_secs(5), Reason::Drained, Duration::from_millis(5200)),
        ] {
            let begun = Instant::now();
            let (client, upstream, tunnel) = tunnel(bounds, async move {
                tokio::time::sleep(ends).await;
                Duration::from_millis(200)
            });
            // Neither end reads, writes or closes.
            assert_eq!(tunnel.await.unwrap().0, expected);
            assert_eq!(begun.elapsed(), after, "{expected:?}");
            drop((client, upstream));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_takes_nothing_holds_it_no_longer_than_it_may_last() {
        let begun = Instant::now();
        let bounds = Bounds { longest: Duration::from_secs(90), ..BOUNDS };
        let (client, upstream, tunnel) = tunnel(bounds, pending());
        let (mut from_client, mut to_tunnel) = tokio::io::split(client);
        let taken_up = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&taken_up);
        let flood = tokio::spawn(async move {
            while to_tunnel.write_all(b"x").await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        // The other direction beats on, so that it is not idle.
        let (_unread, mut to_client) = tokio::io::split(upstream);
        let beat = tokio::spawn(async move {
            while to_client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let taken =
            tokio::spawn(async move { while from_client.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {} });
        assert_eq!(tunnel.await.unwrap().0, Reason::Expired);
        assert_eq!(begun.elapsed(), bounds.longest + GRACE);
        // The pipes of this test take 64 bytes each.
        let taken_up = taken_up.load(Ordering::Relaxed);
        assert!(taken_up <= (BUFFER_BYTES + 2 * 64) as u64, "{taken_up} bytes were taken for one that takes nothing");
        for task in [flood, beat, taken] {
            task.abort();
        }
    }

    #[test]
    fn those_of_one_moment_end_up_to_a_tenth_apart() {
        let spread = |random| super::spread(Duration::from_secs(100), random);
        assert_eq!([spread(0), spread(500), spread(1000)].map(|time| time.as_secs()), [100, 95, 90]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_closed_one_is_not_kept_for_long() {
        let begun = Instant::now();
        let (mut client, mut upstream, tunnel) = tunnel(BOUNDS, pending());
        tokio::time::sleep(Duration::from_secs(5)).await;
        client.shutdown().await.unwrap();
        assert_eq!(read(&mut upstream, 6).await, "early ");
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(9)).await;
            upstream.write_all(b"x").await.unwrap();
        }
        assert_eq!(tunnel.await.unwrap().0, Reason::Idle);
        assert_eq!(begun.elapsed(), Duration::from_secs(5 + 27) + HALF_CLOSED + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn one_end_that_breaks_ends_it() {
        let (client, mut upstream, tunnel) = tunnel(BOUNDS, pending());
        drop(client);
        assert_eq!(read(&mut upstream, 6).await, "early ");
        assert_eq!(upstream.read(&mut [0; 9]).await.unwrap(), 0);
        upstream.write_all(b"to nobody").await.unwrap();
        assert_eq!(tunnel.await.unwrap().0, Reason::Broken);
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_drain_it_stays_for_the_quiet_period_and_has_half_of_what_is_left() {
        let now = Instant::now().into_std();
        let (phase, receiver) = watch::channel(Phase::Draining { until: now + Duration::from_secs(3) });
        let begun = Instant::now();
        let ends = tokio::spawn(drained(receiver));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!ends.is_finished());
        phase.send_replace(Phase::Closing { until: Instant::now().into_std() + Duration::from_millis(500) });
        assert_eq!(ends.await.unwrap(), Duration::from_millis(250));
        assert_eq!(begun.elapsed(), Duration::from_secs(3));
        phase.send_replace(Phase::Closing { until: Instant::now().into_std() + Duration::from_secs(10) });
        assert_eq!(drained(phase.subscribe()).await, GRACE);
        phase.send_replace(Phase::Stopped { clean: false });
        assert_eq!(drained(phase.subscribe()).await, Duration::ZERO);
    }
}
