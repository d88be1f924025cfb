//! Upstreams: where requests go, and the tries to have one answered.
//!
//! A request comes in at `Upstream::send`, which asks the bulkhead, the breaker and the budget, and makes the tries. A try chooses
//! one of the endpoints (`endpoint`, `balance`), takes a connection that was kept or makes a new one (`pool`, `dial`, `link`), and
//! sends the request over it (`exchange`); the reply's body gives the connection back (`reply`). Why there is none is a
//! `failure`, which knows whether another try is safe. Nothing in here knows of routes or of clients.

mod balance;
mod budget;
mod bulkhead;
mod dial;
mod endpoint;
mod exchange;
mod failure;
mod link;
mod metrics;
mod pool;
mod reply;
mod resolver;
mod settings;
mod stream;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Uri};
use service::calls::backoff;
use service::calls::breaker::{Admission, Breaker, Outcome, Pass, State};
use service::message::correlation::Correlation;
use tokio::time::Instant;

use crate::body::{Replay, RequestBody};
use crate::random::Random;
use crate::tunnel::Handshake;
use budget::Budget;
use bulkhead::{Bulkhead, Place};
use dial::{Dials, MOMENT};
use endpoint::{Connecting, Endpoint, Endpoints, Try};
use exchange::{Kept, Unanswered};
use metrics::Tally;
use resolver::Resolver;

pub use budget::Allowance;
pub(crate) use failure::{Failure, Kind, Source};
pub(crate) use link::{LINK_BYTES, switched};
pub(crate) use metrics::Metrics;
pub(crate) use pool::MOST_IDLE;
pub(crate) use reply::ReplyBody;
pub use service::calls::breaker::Threshold;
pub use service::calls::origin::Origin;
pub use settings::{Defaults, Persistence, Resilience, Settings, Timeouts};
pub(crate) use settings::{Entry, Overrides};

/// Endpoints that one try may find to take no connection before it has failed.
const MOST_ENDPOINTS_OF_A_TRY: usize = 3;

pub(crate) struct Upstream {
    settings: Settings,
    authority: HeaderValue,
    resolver: Arc<Resolver>,
    endpoints: Endpoints,
    /// What the clock of the budget and the breaker counts from.
    epoch: Instant,
    bulkhead: Bulkhead,
    budget: Mutex<Budget>,
    breaker: Option<Mutex<Breaker>>,
    /// What the breaker has refused since the last line about it.
    refused: AtomicU64,
    random: Random,
    tally: Tally,
}

/// A request that the bulkhead and the breaker let through, until its outcome is told.
struct Admitted<'a> {
    upstream: &'a Upstream,
    /// Until its reply has it.
    place: Option<Place>,
    pass: Pass,
    outcome: Outcome,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let Some(mut breaker) = self.upstream.breaker() else { return };
        let before = breaker.state();
        breaker.record(self.pass, self.outcome, self.upstream.epoch.elapsed());
        let now = breaker.state();
        drop(breaker);
        // Of a trial of which nothing was learnt there is nothing to say.
        if self.outcome != Outcome::Unknown {
            self.upstream.log_breaker(before, now);
        }
    }
}

impl Upstream {
    /// An upstream without connections, called `name` in metrics. Needs a runtime.
    ///
    /// # Panics
    /// Never: an authority that was parsed from a URI is visible ASCII.
    pub(crate) fn new(name: &str, settings: Settings, metrics: &Metrics) -> Self {
        let Settings { origin, timeouts, resilience } = &settings;
        let tally = metrics.of(name);
        let resolver = Arc::new(Resolver::new(origin.host.clone(), origin.port));
        // Before the first request needs it: a new pod gets its share of the traffic at once.
        resolver.look_up();
        let epoch = Instant::now();
        Self {
            authority: HeaderValue::try_from(&origin.authority).expect("an authority is ASCII"),
            resolver,
            endpoints: Endpoints::new(Connecting {
                idle: timeouts.idle,
                max_age: timeouts.max_age,
                breaker: resilience.breaker,
                tally: tally.clone(),
                epoch,
            }),
            bulkhead: Bulkhead::new(resilience.in_flight, metrics.in_flight(name)),
            tally,
            epoch,
            budget: Mutex::new(Budget::new(resilience.budget)),
            breaker: resilience.breaker.map(|threshold| Mutex::new(Breaker::new(threshold))),
            refused: AtomicU64::new(0),
            random: Random::seeded(),
            settings,
        }
    }

    /// The upstream's name: its authority as configured.
    pub(crate) fn name(&self) -> &str {
        &self.settings.origin.authority
    }

    /// The Host of requests to it.
    pub(crate) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// How long and how often a request is tried where its route says nothing else.
    pub(crate) fn persistence(&self) -> Persistence {
        self.settings.persistence()
    }

    /// Whether a request would wait for no name service.
    pub(crate) fn has_address(&self) -> bool {
        self.resolver.has_address()
    }

    /// Ends when it has an address, or its name was looked up twice in vain.
    pub(crate) async fn look_up(&self) {
        self.resolver.first_address().await;
    }

    /// Whether it answers `/ready` with 200; `body` is that of the request that asks.
    pub(crate) async fn is_ready(&self, body: &Arc<RequestBody>) -> bool {
        self.get("/ready", body).await.is_some()
    }

    /// What it answers a request for `path` with, if that is 200 and at most `most` bytes; `body` is that of the request that asks.
    pub(crate) async fn fetch(&self, path: &'static str, most: usize, body: &Arc<RequestBody>) -> Option<Bytes> {
        let reply = Limited::new(self.get(path, body).await?, most).collect().await;
        reply.ok().map(Collected::to_bytes)
    }

    async fn get(&self, path: &'static str, body: &Arc<RequestBody>) -> Option<ReplyBody> {
        let (mut head, ()) = Request::new(()).into_parts();
        head.uri = Uri::from_static(path);
        head.headers.insert(HOST, self.authority().clone());
        let reply = self.send(head, body, self.persistence()).await.ok()?;
        (reply.status() == StatusCode::OK).then(|| reply.into_body())
    }

    /// Has the request of `head`, whose target is in origin form, answered within the times of `persistence`; tries again
    /// where that is safe and may help.
    ///
    /// # Errors
    /// Why there is no reply: of several tries, what became of the last.
    pub(crate) async fn send(
        &self,
        head: Parts,
        body: &Arc<RequestBody>,
        persistence: Persistence,
    ) -> Result<Response<ReplyBody>, Failure> {
        let outcome = match self.admit() {
            Err(failure) => Err(failure),
            Ok(mut admitted) => {
                let tries = pin!(self.tries(head, body, persistence));
                let mut outcome = body.within(persistence.overall, tries).await.unwrap_or_else(|late| Err(late.into()));
                admitted.outcome = outcome.as_ref().map_or_else(Outcome::from, |_| Outcome::Success);
                // A tunnel keeps none: those have a bound of their own.
                if let Ok(response) = &mut outcome
                    && response.status() != StatusCode::SWITCHING_PROTOCOLS
                    && let Some(place) = admitted.place.take()
                {
                    response.body_mut().hold(place);
                }
                outcome
            }
        };
        if let Err(failure) = &outcome {
            self.tally.failed(failure);
        }
        outcome
    }

    fn admit(&self) -> Result<Admitted<'_>, Failure> {
        // First: what has no place must not be the breaker's trial.
        let place = self.bulkhead.place().ok_or(Kind::Full)?;
        let admission = self.breaker().map(|mut breaker| breaker.admit(self.epoch.elapsed()));
        match admission.unwrap_or(Admission::Admitted(Pass::Usual)) {
            // Unknown unless it is told: the client may go away meanwhile.
            Admission::Admitted(pass) => {
                Ok(Admitted { upstream: self, place: Some(place), pass, outcome: Outcome::Unknown })
            }
            Admission::Refused(retry_after) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(Kind::Open(retry_after).into())
            }
        }
    }

    async fn tries(
        &self,
        head: Parts,
        body: &Arc<RequestBody>,
        persistence: Persistence,
    ) -> Result<Response<ReplyBody>, Failure> {
        self.budget().request(self.epoch.elapsed());
        // Nobody but the two ends knows what a handshake may have begun.
        let repeatable = || head.method.is_idempotent() && head.extensions.get::<Handshake>().is_none();
        let mut tried = Vec::new();
        let mut retry = 0;
        loop {
            let request = Request::from_parts(head.clone(), body.replay());
            let failure = match self.attempt(request, body, &mut tried, persistence.attempt).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let is_safe = failure.may_be_tried_again(repeatable) && body.can_be_sent_again();
            if retry == persistence.retries || !is_safe || !self.may_retry() {
                return Err(failure);
            }
            self.log_retry(&failure, &head);
            tokio::time::sleep(backoff::wait(retry, self.random.next() as u32)).await;
            retry += 1;
        }
    }

    fn may_retry(&self) -> bool {
        let granted = self.budget().retry(self.epoch.elapsed());
        self.tally.retry(granted);
        granted
    }

    /// A retry is no failure of the request, so its line is for who looks for it, as the request's own is.
    fn log_retry(&self, failure: &Failure, head: &Parts) {
        let correlation = Correlation::of(&head.headers);
        tracing::debug!(
            request_id = correlation.request_id(),
            trace_id = correlation.trace_id(),
            upstream = self.name(),
            reason = failure.label(),
            error = failure.cause(),
            "trying again"
        );
    }

    /// One line when the breaker opens, or a trial has failed, and one when it closes. What it refuses is counted, and the number
    /// is in the next of these lines: a line for each would be a flood.
    fn log_breaker(&self, before: State, now: State) {
        let (upstream, threshold) = (self.name(), self.settings.resilience.breaker.unwrap_or_default());
        let refused = || self.refused.swap(0, Ordering::Relaxed);
        match (before, now) {
            (State::Closed { .. }, State::Open { .. }) => tracing::warn!(
                upstream,
                failures = threshold.failures,
                seconds = threshold.open.as_secs_f64(),
                "the breaker opens: the upstream is not asked for so long"
            ),
            (State::HalfOpen, State::Open { .. }) => {
                tracing::warn!(upstream, refused = refused(), "the breaker stays open: its trial brought no reply");
            }
            (State::HalfOpen, State::Closed { .. }) => {
                tracing::info!(upstream, refused = refused(), "the breaker closes: the upstream answers again");
            }
            _ => {}
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breaker(&self) -> Option<MutexGuard<'_, Breaker>> {
        self.breaker.as_ref().map(|breaker| breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One try: at an endpoint that none of this request's tries was at before, if there is one. An endpoint that takes no
    /// connection got nothing of the request, so the next one is asked at once; one that takes long, after a [`MOMENT`].
    async fn attempt(
        &self,
        mut request: Request<Replay>,
        body: &Arc<RequestBody>,
        tried: &mut Vec<SocketAddr>,
        patience: Duration,
    ) -> Result<Response<ReplyBody>, Failure> {
        let resolved = tokio::time::timeout(self.settings.timeouts.connect, self.resolver.addresses()).await;
        let addresses = resolved.map_err(|_| Kind::ResolveTimeout)?.map_err(|error| Kind::Resolve.by(error))?;
        let endpoints = self.endpoints.at(&addresses);
        let mut before = tried.len();
        let mut left = endpoints.len().min(MOST_ENDPOINTS_OF_A_TRY);
        let mut dials = Dials::default();
        let mut failure = Failure::from(Kind::ConnectTimeout);
        loop {
            let next = if left > 0 { self.another(&endpoints, tried, &mut before) } else { None };
            left = if next.is_some() { left - 1 } else { 0 };
            if let Some(this) = next {
                match exchange::over_kept(this, request, body, patience).await? {
                    Kept::Answered(response) => return Ok(response),
                    Kept::None(this, unsent) => {
                        request = unsent;
                        dials.start(this, self.settings.timeouts.connect);
                    }
                }
            }
            if dials.is_empty() {
                return Err(failure);
            }
            let (this, link) = tokio::select! {
                dialled = dials.next() => match dialled {
                    Ok(connected) => connected,
                    Err(why) => {
                        failure = why;
                        continue;
                    }
                },
                () = tokio::time::sleep(MOMENT), if left > 0 => continue,
            };
            match exchange::over(this, link, request, body, patience).await {
                Ok(response) => return Ok(response),
                Err(Unanswered::Sent(failure)) => return Err(failure),
                Err(Unanswered::Unsent(why, unsent)) => {
                    failure = why;
                    request = *unsent;
                }
            }
        }
    }

    /// An endpoint that is not among those `tried`. Where all are, the first `before` of them, of earlier tries, are forgotten.
    fn another(&self, endpoints: &[Arc<Endpoint>], tried: &mut Vec<SocketAddr>, before: &mut usize) -> Option<Try> {
        let choose = |tried: &[SocketAddr]| endpoint::choose(endpoints, tried, self.random.next());
        let chosen = choose(tried).or_else(|| {
            tried.drain(..std::mem::take(before));
            choose(tried)
        })?;
        tried.push(chosen.address());
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicUsize;

    use service::message::incoming::Incoming;
    use service::message::room::Room;
    use testing::running::identity;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        connect: Duration::from_secs(1),
        attempt: Duration::from_secs(4),
        overall: Duration::from_secs(5),
        idle: Duration::from_secs(30),
        max_age: None,
    };

    /// An upstream whose name has no address (no name service is asked for an empty label), until a test gives it some.
    fn upstream(timeouts: Timeouts, resilience: Resilience) -> Upstream {
        let origin = Origin::parse("http://a..b:80").unwrap();
        let mut metrics = service::telemetry::metrics::Metrics::new(&identity("frontend"));
        Upstream::new("pods", Settings { origin, timeouts, resilience }, &Metrics::register(&mut metrics))
    }

    /// The status of a reply to GET, or why there is none.
    async fn get(upstream: &Upstream) -> Result<u16, &'static str> {
        let (head, ()) = Request::get("/").header("host", "pods").body(()).unwrap().into_parts();
        let body = RequestBody::new(Incoming::empty(), 0, &Room::new(0));
        let reply = upstream.send(head, &body, upstream.persistence()).await;
        reply.map(|reply| reply.status().as_u16()).map_err(|failure| failure.label())
    }

    /// Answers each request on a connection of its own; how many there were.
    async fn pod(address: SocketAddr) -> Arc<AtomicUsize> {
        let listener = TcpListener::bind(address).await.unwrap();
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            }
        });
        served
    }

    /// A listener whose backlog is full: packets of further connections are dropped without a word, as those to a pod are whose
    /// node has gone. It is one for as long as what is returned is kept.
    async fn black_hole(ip: &str) -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut held = Vec::new();
        while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            held.push(stream.unwrap());
        }
        (address, (listener, held))
    }

    fn with_ip(address: SocketAddr, ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), address.port())
    }

    /// The pod that is gone costs a moment until it leaves the rotation, the others nothing: not their good name either.
    #[tokio::test]
    async fn one_address_of_three_is_a_black_hole() {
        for connect in [Duration::from_millis(200), Duration::from_secs(1)] {
            let (hole, _hole) = black_hole("127.0.0.2").await;
            let (second, third) = (with_ip(hole, "127.0.0.3"), with_ip(hole, "127.0.0.4"));
            let served = [pod(second).await, pod(third).await];
            let upstream =
                upstream(Timeouts { connect, ..TIMEOUTS }, Resilience { retries: 0, ..Resilience::default() });
            let mut outcomes = BTreeMap::<_, usize>::new();
            let mut longest = Duration::ZERO;
            for _ in 0..60 {
                upstream.resolver.know(&[hole, second, third]);
                let asked = Instant::now();
                *outcomes.entry(get(&upstream).await).or_default() += 1;
                longest = longest.max(asked.elapsed());
            }
            assert_eq!(outcomes, BTreeMap::from([(Ok(200), 60)]), "{connect:?}");
            assert!(longest < TIMEOUTS.attempt, "{connect:?}: {longest:?}");
            let served = served.map(|served| served.load(Ordering::SeqCst));
            assert!(served.iter().all(|served| *served >= 10), "{connect:?}: {served:?}");
            let failing: Vec<_> =
                upstream.endpoints.at(&[hole, second, third]).iter().map(|pod| pod.is_failing()).collect();
            assert_eq!(failing[1..], [false, false], "{connect:?}");
            // One that takes longer than a moment is judged later.
            assert!(failing[0] || connect > MOMENT, "{connect:?}");
        }
    }

    #[tokio::test]
    async fn where_no_address_takes_a_connection_each_has_its_time_and_no_more() {
        let (first, _first) = black_hole("127.0.0.2").await;
        let (second, _second) = black_hole("127.0.0.3").await;
        let timeouts = Timeouts { connect: Duration::from_millis(400), ..TIMEOUTS };
        let upstream = upstream(timeouts, Resilience { retries: 0, ..Resilience::default() });
        upstream.resolver.know(&[first, second]);
        let asked = Instant::now();
        assert_eq!(get(&upstream).await, Err("connect_timeout"));
        assert!(asked.elapsed() >= MOMENT + timeouts.connect, "{:?}", asked.elapsed());
    }

    #[tokio::test]
    async fn a_name_that_was_absent_costs_nothing_once_it_is_there() {
        let upstream = upstream(TIMEOUTS, Resilience { retries: 0, ..Resilience::default() });
        for _ in 0..20 {
            assert_eq!(get(&upstream).await, Err("resolve"));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let _served = pod(address).await;
        upstream.resolver.know(&[address]);
        assert_eq!(get(&upstream).await, Ok(200));
    }
}
