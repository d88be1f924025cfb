//! A server: accepts connections, serves them, and drains when asked to stop.

pub mod exposition;
pub mod listener;

use std::future::{Future, pending};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::Request;
use hyper::header::HeaderMap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::connection::{self, closing};
use crate::exchange::{Context, Reply};
use crate::message::incoming::Incoming;
use crate::message::room::Room;
use crate::process::faults::Faults;
use crate::process::identity::Identity;
use crate::process::lifecycle::{Event, Phase, Timing};
use crate::process::memory::Term;
use crate::program::config::Limits;
use crate::settings::environment::Environment;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::notice::Notice;

/// What a server serves.
pub trait App: Sized + Send + Sync + 'static {
    /// Name of the service unless `SERVICE_NAME` says otherwise.
    const NAME: &'static str;
    /// What the program is, one line of `--help`.
    const ABOUT: &'static str;
    /// The app's own settings.
    type Config;

    /// Reads the app's own settings.
    fn configure(environment: &mut Environment) -> Self::Config;

    /// What requests within `limits` may take besides what every server holds for them, and the app itself.
    #[must_use]
    fn memory(_config: &Self::Config, _limits: &Limits) -> Vec<Term> {
        Vec::new()
    }

    /// Names of the faults of the app itself that its settings switch on.
    #[must_use]
    fn faults(_config: &Self::Config) -> Vec<&'static str> {
        Vec::new()
    }

    /// Makes the app, inside the runtime. It may add metrics of its own.
    fn new(config: Self::Config, identity: &Identity, metrics: &mut Metrics) -> Self;

    /// What the app shows of itself at `path` of the metrics port, as JSON, besides its metrics; `None` where there is nothing.
    #[must_use]
    fn inspect(&self, _path: &str) -> Option<String> {
        None
    }

    /// The address of who sent a request with `headers` that came from `peer`: the peer, unless the app knows better.
    #[must_use]
    fn client(&self, peer: SocketAddr, _headers: &HeaderMap) -> IpAddr {
        peer.ip().to_canonical()
    }

    /// Works that no request asks for. A drain waits for its end as for a request in flight, and cuts it at the same deadline;
    /// [`Server::phases`] tells it when to end.
    fn work(self: Arc<Self>, _server: Arc<Server>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Answers a request whose head has been checked.
    fn answer(
        &self,
        server: &Server,
        request: Request<Incoming>,
        context: &Context,
    ) -> impl Future<Output = Reply> + Send;
}

/// What all connections of a server share.
pub struct Server {
    /// Who answers.
    pub identity: Identity,
    /// The `served_by` object of JSON bodies.
    pub served_by_json: String,
    /// Metrics of the server and its app.
    pub metrics: Metrics,
    /// Room for the bodies of requests that are kept whole.
    pub room: Room,
    pub(crate) served_by: hyper::header::HeaderValue,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    /// Places for requests in flight.
    pub(crate) places: Arc<Semaphore>,
    /// Places for connections that end in stages.
    pub(crate) closings: Semaphore,
    /// Requests that were answered 503.
    pub(crate) unavailable: Notice,
    timing: Timing,
    phase: watch::Sender<Phase>,
}

/// Asks a server to stop. The first request starts the drain, the second ends its quiet period.
#[derive(Debug, Clone)]
pub struct Stop(mpsc::Sender<()>);

/// The server's end of [`Stop`].
#[derive(Debug)]
pub struct Stopping(mpsc::Receiver<()>);

/// A handle to stop a server with, and what to give the server.
#[must_use]
pub fn stop() -> (Stop, Stopping) {
    // Two requests mean all that any number of them could.
    let (sender, receiver) = mpsc::channel(2);
    (Stop(sender), Stopping(receiver))
}

impl Stop {
    /// Asks once.
    pub fn ask(&self) {
        // A full channel holds both requests already; a closed one belongs to a server that has stopped.
        let _ = self.0.try_send(());
    }
}

impl Stopping {
    async fn asked(&mut self) {
        if self.0.recv().await.is_none() {
            pending::<()>().await;
        }
    }
}

impl Server {
    /// A server that has not started.
    #[must_use]
    pub fn new(identity: Identity, metrics: Metrics, timing: Timing, limits: Limits, faults: Faults) -> Self {
        Self {
            served_by: identity.served_by(),
            served_by_json: identity.json(),
            identity,
            room: Room::shown_by(limits.held_body_bytes, metrics.held.clone()),
            metrics,
            places: Arc::new(Semaphore::new(limits.in_flight)),
            closings: Semaphore::new(closing::AT_ONCE),
            unavailable: Notice::default(),
            limits,
            faults,
            timing,
            phase: watch::Sender::new(Phase::Starting),
        }
    }

    /// The phase that the server is in.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Tells each phase as it comes.
    #[must_use]
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// `/ready` may answer 200.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase().is_ready() && !self.faults.never_ready
    }

    /// Replies say `Connection: close` because the server is about to end.
    pub(crate) fn sends_away(&self) -> bool {
        self.phase().sends_away() && !self.faults.no_close_notice
    }

    /// Serves `app` on `listener` until asked to stop, then drains. True if every request in flight had ended.
    pub async fn run<A: App>(self: Arc<Self>, listener: TcpListener, app: Arc<A>, mut stopping: Stopping) -> bool {
        let slots = Arc::new(Semaphore::new(self.limits.connections));
        // Each connection holds a receiver, and so does the app's own work; the channel is closed when the last one has ended.
        let (open, connection) = watch::channel(());
        let work = Arc::clone(&app).work(Arc::clone(&self));
        tokio::spawn(async move {
            work.await;
            drop(connection);
        });
        let mut listener = Some(listener);
        let starts = Instant::now() + self.faults.start;
        if self.faults.start.is_zero() {
            self.happens(Event::Started);
        }
        loop {
            let phase = self.phase();
            if !phase.is_accepting()
                && let Some(listener) = listener.take()
            {
                for (stream, peer) in listener::take_waiting(listener) {
                    let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { break };
                    self.spawn(&app, stream, peer, (slot, open.subscribe()));
                }
            }
            let event = tokio::select! {
                () = stopping.asked() => Event::Terminate,
                () = passed(phase.deadline()) => Event::Tick,
                () = tokio::time::sleep_until(starts), if phase == Phase::Starting => Event::Started,
                () = open.closed(), if listener.is_none() => Event::Idle,
                (stream, peer, slot) = next(listener.as_ref(), &slots) => {
                    self.spawn(&app, stream, peer, (slot, open.subscribe()));
                    continue;
                }
            };
            self.happens(event);
            if let Phase::Stopped { clean } = self.phase() {
                return clean;
            }
        }
    }

    fn spawn<A: App>(
        self: &Arc<Self>,
        app: &Arc<A>,
        stream: TcpStream,
        peer: SocketAddr,
        held: (OwnedSemaphorePermit, watch::Receiver<()>),
    ) {
        let (server, app) = (Arc::clone(self), Arc::clone(app));
        let phase = self.phase.subscribe();
        self.metrics.accepted.inc();
        self.metrics.connections.inc();
        tokio::spawn(async move {
            connection::serve(Arc::clone(&server), app, stream, peer, phase).await;
            server.metrics.connections.dec();
            drop(held);
        });
    }

    /// Moves to the phase after `event`, and logs the move.
    fn happens(&self, event: Event) {
        let before = self.phase();
        let phase = before.next(event, Instant::now().into_std(), self.timing);
        if phase == before {
            return;
        }
        self.phase.send_replace(phase);
        let in_flight = self.metrics.requests_in_flight();
        let connections = self.metrics.connections_open();
        match phase {
            Phase::Starting => {}
            Phase::Serving => tracing::info!("ready"),
            Phase::Draining { .. } => tracing::info!(
                in_flight,
                connections,
                seconds = self.timing.quiet.as_secs_f64(),
                close_notice = !self.faults.no_close_notice,
                "draining: asked to stop; replies say Connection: close where close_notice is true"
            ),
            Phase::Closing { .. } => tracing::info!(
                in_flight,
                connections,
                seconds = self.timing.longest_request.as_secs_f64(),
                "closing: nothing is accepted, requests in flight may end"
            ),
            Phase::Stopped { clean: true } => tracing::info!(in_flight, connections, "drained"),
            Phase::Stopped { clean: false } => tracing::warn!(
                in_flight,
                connections,
                "the deadline has passed, what is left is cut: raise LONGEST_REQUEST_SECONDS if requests take longer"
            ),
        }
    }
}

async fn passed(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

/// The next connection, once there is room for one: beyond the limit, connections wait in the kernel's backlog.
async fn next(listener: Option<&TcpListener>, slots: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let Some(listener) = listener else {
        return pending().await;
    };
    let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
        return pending().await; // Only a closed semaphore fails, and nobody closes it.
    };
    let (stream, peer) = listener::accept(listener).await;
    (stream, peer, slot)
}
