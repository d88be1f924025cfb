//! One request and its reply: what every exchange gets, whatever answers it.

mod admission;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::body::Body as _;
use hyper::header::{CONNECTION, EXPECT, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::app::probe::Probe;
use crate::app::route::{self, Label};
use crate::connection::stream::Traffic;
use crate::message::body::{Body, BodyError};
use crate::message::correlation::{Correlation, REQUEST_ID};
use crate::message::framing::Refusal;
use crate::message::incoming::{Incoming, MOST_READ_ON, Rest};
use crate::message::problem::Problem;
use crate::process::identity::SERVED_BY;
use crate::server::{App, Server};

/// What an app may know of a request besides the request.
#[derive(Debug, Clone)]
pub struct Context {
    /// Identifiers to pass on and to log.
    pub correlation: Correlation,
    /// The other end of the connection.
    pub peer: SocketAddr,
}

/// What an app answers.
pub struct Reply {
    /// Label in metrics.
    pub route: Label,
    /// The response, or the problem to report.
    pub result: Result<Response<Body>, Problem>,
}

impl Reply {
    fn status(&self) -> StatusCode {
        self.result.as_ref().map_or_else(Problem::status, Response::status)
    }
}

/// Accounts for one exchange. Lives in the reply's body, so that its end is the end of the body.
pub(crate) struct Exchange {
    server: Arc<Server>,
    started: Instant,
    method: Method,
    uri: Uri,
    correlation: Correlation,
    client: IpAddr,
    outcome: Option<(Label, StatusCode)>,
    /// Its place among the requests in flight, which its body keeps as well.
    place: Option<Arc<OwnedSemaphorePermit>>,
    /// Where the connection waits for the end of the request's body, if it has one; and the request's number.
    body: Option<(Arc<Rest>, u64)>,
}

/// A request's turn on its connection.
pub(crate) struct Turn<'a, C> {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
    /// What has passed over the connection.
    pub(crate) traffic: &'a Traffic,
    /// What is left of the request's body.
    pub(crate) rest: &'a Arc<Rest>,
    /// Whether the connection is to end with the next reply, whatever the request is.
    pub(crate) close: C,
}

/// Has `app` answer `request`, and completes the reply.
pub(crate) async fn answer<A: App>(
    server: Arc<Server>,
    app: &A,
    request: Request<hyper::body::Incoming>,
    turn: Turn<'_, impl Fn() -> bool>,
) -> Response<Body> {
    let mut exchange = Exchange::begin(server, &request, app.client(turn.peer, request.headers()));
    if !request.body().is_end_stream() {
        exchange.body = Some((Arc::clone(turn.rest), turn.number));
    }
    let asks_first = exchange.body.is_some() && request.headers().contains_key(EXPECT);
    let mut request = request.map(|body| Incoming::new(body, turn.number, turn.rest));
    let context = Context { correlation: exchange.correlation.clone(), peer: turn.peer };
    let refusal = || turn.traffic.refusal_of(turn.number);
    let admitted = match refusal() {
        Some(refusal) => Err(refusal.into()),
        None => exchange.admit(&mut request),
    };
    let reply = match admitted {
        Ok(()) => app.answer(&exchange.server, request, &context).await,
        Err(problem) => {
            drop(request);
            unrouted(problem)
        }
    };
    // Asked only now: a body may have gone wrong, and a drain that began meanwhile must reach this reply.
    if let Some(refusal) = refusal() {
        return exchange.complete(unrouted(refusal.into()), true);
    }
    let waits = || reply.status() != StatusCode::REQUEST_TIMEOUT && turn.body_ends_soon(asks_first);
    let goes_on = !(turn.close)() && (exchange.body.is_none() || waits());
    exchange.complete(reply, !goes_on)
}

impl<C> Turn<'_, C> {
    /// Whether the request's body has come, or so little of it is to come that it may be read whoever wants it. A client that
    /// `asks_first` whether it should send it, and has not been told to, may never do so.
    fn body_ends_soon(&self, asks_first: bool) -> bool {
        let left = self.traffic.left_of(self.number);
        left == 0 || left <= MOST_READ_ON && (!asks_first || self.rest.is_begun(self.number))
    }
}

fn unrouted(problem: Problem) -> Reply {
    Reply { route: route::UNKNOWN.into(), result: Err(problem) }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status, refusal.detail)
    }
}

/// A server that has not started answers its probes, and nothing else.
fn started(server: &Server, path: &str) -> Result<(), Problem> {
    if server.phase().is_started() || Probe::is_at(path) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is starting"))
}

impl Exchange {
    fn begin<B>(server: Arc<Server>, request: &Request<B>, client: IpAddr) -> Self {
        server.metrics.in_flight.inc();
        Self {
            server,
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            correlation: Correlation::of(request.headers()),
            client,
            outcome: None,
            place: None,
            body: None,
        }
    }

    /// Whether `request` goes on to the app. One too many does not, before anything is done for it; a probe always does: a
    /// busy server that is restarted for it would leave its load to the others.
    fn admit(&mut self, request: &mut Request<Incoming>) -> Result<(), Problem> {
        if !Probe::is_at(request.uri().path()) {
            let place = Arc::clone(&self.server.places).try_acquire_owned().map_err(|_| self.shed())?;
            request.body_mut().hold(self.place.insert(Arc::new(place)));
        }
        admission::check(request, self.server.limits.target_bytes)?;
        started(&self.server, request.uri().path())
    }

    fn shed(&self) -> Problem {
        self.server.metrics.shed.inc();
        let detail = "too many requests are being answered: try again later";
        // After a second, a request in flight has usually ended.
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    fn complete(mut self, reply: Reply, close: bool) -> Response<Body> {
        let mut response = match reply.result {
            Ok(response) => response,
            Err(problem) => problem.into_response(self.uri.path(), self.correlation.request_id()),
        };
        self.outcome = Some((reply.route, response.status()));
        if let Some((rest, number)) = &self.body {
            rest.decide(*number, !close);
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, self.correlation.request_id.clone());
        let served_by = match headers.get(SERVED_BY) {
            Some(before) => append(before, &self.server.served_by),
            None => self.server.served_by.clone(),
        };
        headers.insert(HeaderName::from_static(SERVED_BY), served_by);
        // A reply 101 ends HTTP on the connection by itself.
        if close && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| body.ends(self))
    }
}

impl Exchange {
    /// The reply ends before its body does, after its status was sent: nothing but this line tells why.
    pub(crate) fn breaks_off(&self, error: &BodyError) {
        tracing::warn!(
            request_id = self.correlation.request_id(),
            trace_id = self.correlation.trace_id(),
            %error,
            "the reply was cut short"
        );
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some((rest, number)) = &self.body {
            rest.replied(*number);
        }
        let metrics = &self.server.metrics;
        metrics.in_flight.dec();
        let Some((route, status)) = self.outcome.take() else {
            metrics.abandoned.inc();
            return;
        };
        let took = self.started.elapsed();
        metrics.ended(&self.method, &route, status, took);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = self.correlation.request_id(),
                    trace_id = self.correlation.trace_id(),
                    client = %self.client,
                    method = %self.method,
                    path = self.uri.path(),
                    route = &*route,
                    status = status.as_u16(),
                    took_us = took.as_micros() as u64,
                    "request"
                )
            };
        }
        let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
        if status.is_server_error() && !unavailable {
            line!(warn);
        } else {
            line!(debug);
        }
        // A probe's is no failure, but what a server that starts or drains has to say.
        if unavailable && !Probe::is_at(self.uri.path()) {
            self.server.unavailable.happens(move |requests| {
                tracing::warn!(requests, route = &*route, "answered 503; each of them is a line of LOG_LEVEL=debug");
            });
        }
    }
}

/// `before, own`: the hops in the order in which the reply passed them.
fn append(before: &HeaderValue, own: &HeaderValue) -> HeaderValue {
    let joined = [before.as_bytes(), b", ", own.as_bytes()].concat();
    HeaderValue::from_maybe_shared(hyper::body::Bytes::from(joined)).unwrap_or_else(|_| own.clone())
}
