//! What an app and the server that it is served by know of each other; a table of own paths and its description, and the kubelet's probes.
//!
//! Knows `message` and what is below it.

pub mod docs;
pub mod own_path;
pub mod probe;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use tokio::sync::{Semaphore, watch};

use crate::message::body::Body;
use crate::message::correlation::Correlation;
use crate::message::incoming::Incoming;
use crate::message::problem::Problem;
use crate::message::room::Room;
use crate::process::faults::Faults;
use crate::process::identity::Identity;
use crate::process::lifecycle::{Phase, Timing};
use crate::process::memory::Term;
use crate::settings::environment::Environment;
use crate::settings::limits::Limits;
use crate::telemetry::metrics::{Label, Metrics, UNROUTED};
use crate::telemetry::notice::Notice;

/// Connections of a server that end in stages at a time; further ones are closed at once.
const CLOSING_AT_ONCE: usize = 256;

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
    fn memory(_config: &Self::Config, _limits: &Limits) -> Vec<Term> {
        Vec::new()
    }

    /// Names of the faults of the app itself that its settings switch on.
    fn faults(_config: &Self::Config) -> Vec<&'static str> {
        Vec::new()
    }

    /// Makes the app, inside the runtime. It may add metrics of its own.
    fn new(config: Self::Config, identity: &Identity, metrics: &mut Metrics) -> Self;

    /// What the app shows of itself at `path` of the metrics port, as JSON, besides its metrics; `None` where there is nothing.
    fn inspect(&self, _path: &str) -> Option<String> {
        None
    }

    /// The address of who sent a request with `headers` that came from `peer`: the peer, unless the app knows better.
    fn client(&self, peer: SocketAddr, _headers: &HeaderMap) -> IpAddr {
        peer.ip().to_canonical()
    }

    /// Ends when the app can serve. Until then the server is starting: it answers its liveness probe, and 503 to all else. It has to end,
    /// whatever it waits for: the startup probe gives a pod so much time and no more.
    fn begin(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
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

/// What an app may know of a request besides the request.
#[derive(Debug, Clone)]
pub struct Context {
    /// Identifiers to pass on and to log.
    pub correlation: Correlation,
    /// The other end of the connection.
    pub peer: SocketAddr,
}

/// A request, once its path is found.
pub struct Call<'a> {
    /// What the `{name}` of the path matched, still percent-encoded; empty without one.
    pub id: &'a str,
    /// Its head.
    pub head: &'a Parts,
    /// Its body, none of which has been read.
    pub body: Incoming,
    /// Who answers.
    pub server: &'a Server,
    /// What else is known of it.
    pub context: &'a Context,
}

/// What an app answers.
pub struct Reply {
    /// Label in metrics.
    pub route: Label,
    /// The response, or the problem to report.
    pub result: Result<Response<Body>, Problem>,
}

impl Reply {
    /// What a request gets that no path took.
    pub fn unrouted(problem: Problem) -> Self {
        Self { route: UNROUTED.into(), result: Err(problem) }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.result.as_ref().map_or_else(Problem::status, Response::status)
    }
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
    pub(crate) served_by: HeaderValue,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    /// Places for requests in flight.
    pub(crate) places: Arc<Semaphore>,
    /// Places for connections that end in stages.
    pub(crate) closings: Semaphore,
    /// Requests that were answered 503.
    pub(crate) unavailable: Notice,
    pub(crate) timing: Timing,
    pub(crate) phase: watch::Sender<Phase>,
}

impl Server {
    /// A server that has not started.
    pub fn new(identity: Identity, metrics: Metrics, timing: Timing, limits: Limits, faults: Faults) -> Self {
        Self {
            served_by: identity.served_by(),
            served_by_json: identity.json(),
            identity,
            room: Room::shown_by(limits.held_body_bytes, metrics.held.clone()),
            metrics,
            places: Arc::new(Semaphore::new(limits.in_flight)),
            closings: Semaphore::new(CLOSING_AT_ONCE),
            unavailable: Notice::default(),
            limits,
            faults,
            timing,
            phase: watch::Sender::new(Phase::Starting),
        }
    }

    /// The phase that the server is in.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Tells each phase as it comes.
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// `/ready` may answer 200.
    pub fn is_ready(&self) -> bool {
        self.phase().is_ready() && !self.faults.never_ready
    }

    /// Replies say `Connection: close` because the server is about to end.
    pub(crate) fn sends_away(&self) -> bool {
        self.phase().sends_away() && !self.faults.no_close_notice
    }
}
