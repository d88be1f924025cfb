//! One request and its reply: what every exchange gets, whatever answers it.
//!
//! Knows `app` and what is below it.

mod admission;
pub(crate) mod traffic;

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use hyper::body::{Body as _, Bytes, Frame, SizeHint};
use hyper::header::{CONNECTION, EXPECT, Entry, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::app::probe::Probe;
use crate::app::{App, Context, Reply, Server};
use crate::message::body::{Body, BodyError};
use crate::message::correlation::{Correlation, REQUEST_ID};
use crate::message::incoming::{Incoming, MOST_READ_ON, Rest};
use crate::message::problem::Problem;
use crate::process::identity::SERVED_BY;
use crate::telemetry::metrics::Label;
use traffic::Traffic;

/// Accounts for one exchange.
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
) -> Response<Accounted> {
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
            Reply::unrouted(problem)
        }
    };
    // Asked only now: a body may have gone wrong, and a drain that began meanwhile must reach this reply.
    if let Some(refusal) = refusal() {
        return exchange.complete(Reply::unrouted(refusal.into()), true);
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
        Problem::busy(detail, 1)
    }

    fn complete(mut self, reply: Reply, close: bool) -> Response<Accounted> {
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
        match headers.entry(SERVED_BY) {
            Entry::Occupied(mut hops) => {
                hops.insert(append(hops.get(), &self.server.served_by));
            }
            Entry::Vacant(none) => {
                none.insert(self.server.served_by.clone());
            }
        }
        // A reply 101 ends HTTP on the connection by itself.
        if close && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| Accounted { body, exchange: self })
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

/// The body of a reply, with which its exchange ends: once it has been sent, or was given up.
pub(crate) struct Accounted {
    body: Body,
    exchange: Exchange,
}

impl hyper::body::Body for Accounted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Err(error))) = &frame {
            // Its status has been sent: nothing but this line tells why it ends.
            let correlation = &self.exchange.correlation;
            tracing::warn!(
                request_id = correlation.request_id(),
                trace_id = correlation.trace_id(),
                %error,
                "the reply was cut short"
            );
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// `before, own`: the hops in the order in which the reply passed them.
fn append(before: &HeaderValue, own: &HeaderValue) -> HeaderValue {
    let joined = [before.as_bytes(), b", ", own.as_bytes()].concat();
    HeaderValue::from_maybe_shared(Bytes::from(joined)).unwrap_or_else(|_| own.clone())
}
