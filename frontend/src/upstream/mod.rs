//! One upstream: where it is, its connections, and the tries to have a request answered.

pub mod backoff;
pub mod balance;
pub mod breaker;
pub mod budget;
pub mod dial;
pub mod endpoint;
pub mod failure;
pub mod pool;
pub mod reply;
pub mod resolve;
pub mod stream;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Request, Response, Uri};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use service::message::correlation::Correlation;
use service::settings::environment;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::body::replay::{Late, RequestBody, Upload};
use crate::random::Random;
use crate::routes::table::Target;
use crate::tunnel::handshake::Handshake;
use crate::upstream::backoff::MOST_RETRIES;
use crate::upstream::breaker::{Admission, Breaker, OfRequest, Pass, State};
use crate::upstream::budget::Budget;
use crate::upstream::dial::{Dials, MOMENT};
use crate::upstream::endpoint::{Connecting, Endpoint, Endpoints, Kept, Refusal, Try};
use crate::upstream::failure::{Counts, Failure, Failures};
use crate::upstream::pool::MOST_IDLE;
use crate::upstream::reply::Download;
use crate::upstream::resolve::Resolver;

/// Endpoints that one try may find to take no connection before it has failed.
const MOST_ENDPOINTS_OF_A_TRY: usize = 3;

/// The shortest time that an upstream can be given: less would fail what is merely far away.
pub const SHORTEST: Duration = Duration::from_millis(10);
/// The longest.
pub const LONGEST: Duration = environment::LONGEST;

/// Where an upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name or IP address, an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `host:port` as configured: the Host of requests, and the upstream's name in replies and logs.
    pub authority: String,
}

/// How long to wait for an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To resolve the name; and to connect to one of its addresses.
    pub connect: Duration,
    /// For one try, until the reply's head; also between parts of its body.
    pub attempt: Duration,
    /// For all tries.
    pub overall: Duration,
    /// How long an idle connection is kept.
    pub idle: Duration,
    /// Age after which a connection is not used again.
    pub max_age: Option<Duration>,
}

/// What is done about failures of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resilience {
    /// Retries of one request, at most [`MOST_RETRIES`].
    pub retries: u32,
    /// Retries of all requests together.
    pub budget: budget::Terms,
    /// When it is no longer asked; without terms it always is.
    pub breaker: Option<breaker::Terms>,
}

impl Default for Resilience {
    fn default() -> Self {
        Self { retries: MOST_RETRIES, budget: budget::Terms::default(), breaker: Some(breaker::Terms::default()) }
    }
}

/// How long and how often one request is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// For one try, until the reply's head; also between parts of its body.
    pub attempt: Duration,
    /// For all tries.
    pub overall: Duration,
    /// Tries after the first, at most [`MOST_RETRIES`].
    pub retries: u32,
}

impl Persistence {
    /// That of an upstream with these settings.
    #[must_use]
    pub fn of(timeouts: &Timeouts, resilience: &Resilience) -> Self {
        Self { attempt: timeouts.attempt, overall: timeouts.overall, retries: resilience.retries }
    }
}

/// An upstream.
pub struct Upstream {
    origin: Origin,
    authority: HeaderValue,
    timeouts: Timeouts,
    resilience: Resilience,
    resolver: Arc<Resolver>,
    endpoints: Endpoints,
    /// What the clock of the budget and the breaker counts from.
    epoch: Instant,
    budget: Mutex<Budget>,
    breaker: Option<Mutex<Breaker<OfRequest>>>,
    /// What the breaker has refused since the last line about it.
    refused: AtomicU64,
    random: Random,
    /// Its name in metrics.
    label: String,
    failures: Failures,
    metrics: Metrics,
}

/// What is counted of all upstreams, and bounded.
#[derive(Debug, Clone)]
pub struct Metrics {
    connections: Family<UpstreamLabel, Counter>,
    failures: Counts,
    retries: Family<Decision, Counter>,
    /// Places for idle connections.
    places: Arc<Semaphore>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabel {
    upstream: String,
}

/// Labels of retries: what was decided about one that would have been safe.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    upstream: String,
    decision: &'static str,
}

impl Metrics {
    /// Registers them.
    #[must_use]
    pub fn register(metrics: &mut service::telemetry::metrics::Metrics) -> Self {
        let own = Self {
            connections: Family::default(),
            failures: Family::default(),
            retries: Family::default(),
            places: Arc::new(Semaphore::new(MOST_IDLE)),
        };
        let registry = metrics.registry();
        registry.register("upstream_connections", "Connections opened to upstreams", own.connections.clone());
        registry.register(
            "upstream_failures",
            "Requests that an upstream gave no reply to, or a reply that broke off (body_...), by reason",
            own.failures.clone(),
        );
        registry.register(
            "upstream_retries",
            "Retries that would have been safe: made, or not within the budget",
            own.retries.clone(),
        );
        own
    }
}

/// A request that the breaker let through, until its outcome is told.
struct Admitted<'a> {
    upstream: &'a Upstream,
    pass: Pass,
    outcome: OfRequest,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let Some(mut breaker) = self.upstream.breaker() else { return };
        let before = breaker.state();
        breaker.record(self.pass, self.outcome, self.upstream.epoch.elapsed());
        let now = breaker.state();
        drop(breaker);
        // Of a trial of which nothing was learnt there is nothing to say.
        if self.outcome != OfRequest::UNKNOWN {
            self.upstream.log_breaker(before, now);
        }
    }
}

impl Origin {
    /// Reads `http://host[:port]`, with at most a slash behind it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let bare = uri.scheme_str() == Some("http")
            && uri.path_and_query().is_none_or(|path| path == "/")
            && !authority.as_str().contains('@')
            && !text.contains('#');
        let port = match authority.as_str().strip_prefix(authority.host())?.strip_prefix(':') {
            Some(_) => authority.port_u16().filter(|port| *port > 0)?,
            None => 80,
        };
        let host = authority.host().trim_matches(['[', ']']);
        (bare && !host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
        })
    }
}

impl Upstream {
    /// An upstream without connections, called `name` in metrics. Needs a runtime.
    ///
    /// # Panics
    /// Never: an authority that was parsed from a URI is visible ASCII.
    #[must_use]
    pub fn new(name: &str, target: Target, metrics: &Metrics) -> Self {
        let Target { origin, timeouts, resilience } = target;
        let upstream = UpstreamLabel { upstream: name.to_owned() };
        let failures = Failures::of(name, &metrics.failures);
        let resolver = Arc::new(Resolver::new(origin.host.clone(), origin.port));
        // Before the first request needs it: a new pod gets its share of the traffic at once.
        resolver.look_up();
        Self {
            authority: HeaderValue::try_from(&origin.authority).expect("an authority is ASCII"),
            resolver,
            endpoints: Endpoints::new(Connecting {
                idle: timeouts.idle,
                max_age: timeouts.max_age,
                places: Arc::clone(&metrics.places),
                breaker: resilience.breaker,
                connections: metrics.connections.get_or_create(&upstream).clone(),
                failures: failures.clone(),
            }),
            failures,
            label: upstream.upstream,
            origin,
            timeouts,
            epoch: Instant::now(),
            budget: Mutex::new(Budget::new(resilience.budget)),
            breaker: resilience.breaker.map(|terms| Mutex::new(Breaker::new(terms))),
            refused: AtomicU64::new(0),
            resilience,
            random: Random::seeded(),
            metrics: metrics.clone(),
        }
    }

    /// The upstream's name: its authority as configured.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.origin.authority
    }

    /// The Host of requests to it.
    #[must_use]
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// How long and how often a request is tried where its route says nothing else.
    #[must_use]
    pub fn persistence(&self) -> Persistence {
        Persistence::of(&self.timeouts, &self.resilience)
    }

    /// Has the request of `head`, whose target is in origin form, answered within the times of `persistence`; tries again
    /// where that is safe and may help.
    ///
    /// # Errors
    /// Why there is no reply: of several tries, what became of the last.
    pub async fn send(
        &self,
        head: Parts,
        body: &Arc<RequestBody>,
        persistence: Persistence,
    ) -> Result<Response<Download>, Failure> {
        let outcome = match self.admit() {
            Err(failure) => Err(failure),
            Ok(mut admitted) => {
                let overall = body.within(persistence.overall, self.tries(head, body, persistence)).await;
                let outcome = overall.unwrap_or_else(|late| Err(late.into()));
                admitted.outcome = OfRequest::of(&outcome);
                outcome
            }
        };
        if let Err(failure) = &outcome {
            self.failures.count(failure.label());
        }
        outcome
    }

    fn admit(&self) -> Result<Admitted<'_>, Failure> {
        let admission = self.breaker().map(|mut breaker| breaker.admit(self.epoch.elapsed()));
        match admission.unwrap_or(Admission::Admitted(Pass::Usual)) {
            // Unknown unless it is told: the client may go away meanwhile.
            Admission::Admitted(pass) => Ok(Admitted { upstream: self, pass, outcome: OfRequest::UNKNOWN }),
            Admission::Refused(retry_after) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(Failure::Open(retry_after))
            }
        }
    }

    async fn tries(
        &self,
        head: Parts,
        body: &Arc<RequestBody>,
        persistence: Persistence,
    ) -> Result<Response<Download>, Failure> {
        self.budget().request(self.epoch.elapsed());
        let mut tried = Vec::new();
        let mut retry = 0;
        loop {
            let request = Request::from_parts(head.clone(), body.upload());
            let failure = match self.attempt(request, body, &mut tried, persistence.attempt).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            if retry == persistence.retries || !is_safe(&failure, &head, body) || !self.may_retry() {
                return Err(failure);
            }
            self.log_retry(&failure, &head);
            tokio::time::sleep(backoff::wait(retry, self.random.next() as u32)).await;
            retry += 1;
        }
    }

    fn may_retry(&self) -> bool {
        let granted = self.budget().retry(self.epoch.elapsed());
        let decision = if granted { "made" } else { "over_budget" };
        self.metrics.retries.get_or_create(&Decision { upstream: self.label.clone(), decision }).inc();
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
            error = failure.source_text(),
            "trying again"
        );
    }

    /// One line when the breaker opens, or a trial has failed, and one when it closes. What it refuses is counted, and the number
    /// is in the next of these lines: a line for each would be a flood.
    fn log_breaker(&self, before: State, now: State) {
        let (upstream, terms) = (self.name(), self.resilience.breaker.unwrap_or_default());
        let refused = || self.refused.swap(0, Ordering::Relaxed);
        match (before, now) {
            (State::Closed { .. }, State::Open { .. }) => tracing::warn!(
                upstream,
                failures = terms.failures,
                seconds = terms.open.as_secs_f64(),
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

    fn breaker(&self) -> Option<MutexGuard<'_, Breaker<OfRequest>>> {
        self.breaker.as_ref().map(|breaker| breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One try: at an endpoint that none of this request's tries was at before, if there is one. An endpoint that takes no
    /// connection got nothing of the request, so the next one is asked at once; one that takes long, after a [`MOMENT`].
    async fn attempt(
        &self,
        mut request: Request<Upload>,
        body: &Arc<RequestBody>,
        tried: &mut Vec<SocketAddr>,
        patience: Duration,
    ) -> Result<Response<Download>, Failure> {
        let resolved = tokio::time::timeout(self.timeouts.connect, self.resolver.addresses()).await;
        let addresses = resolved.map_err(|_| Failure::ResolveTimeout)?.map_err(Failure::Resolve)?;
        let endpoints = self.endpoints.at(&addresses);
        let mut before = tried.len();
        let mut left = endpoints.len().min(MOST_ENDPOINTS_OF_A_TRY);
        let mut dials = Dials::default();
        let mut failure = Failure::ConnectTimeout;
        loop {
            let next = if left > 0 { self.another(&endpoints, tried, &mut before) } else { None };
            left = if next.is_some() { left - 1 } else { 0 };
            if let Some(this) = next {
                match this.send_over_kept(request, body, patience).await? {
                    Kept::Answered(response) => return Ok(response),
                    Kept::None(this, unsent) => {
                        request = unsent;
                        dials.start(this, self.timeouts.connect);
                    }
                }
            }
            if dials.is_empty() {
                return Err(failure);
            }
            let (this, connection) = tokio::select! {
                dialled = dials.next() => match dialled {
                    Ok(connected) => connected,
                    Err(why) => {
                        failure = why;
                        continue;
                    }
                },
                () = tokio::time::sleep(MOMENT), if left > 0 => continue,
            };
            match this.send_over(connection, request, body, patience).await {
                Ok(response) => return Ok(response),
                Err(Refusal::Sent(failure)) => return Err(failure),
                Err(Refusal::Unsent(why, unsent)) => {
                    failure = why;
                    request = *unsent;
                }
            }
        }
    }

    /// An endpoint that is not among those `tried`. Where all are, the first `before` of them, of earlier tries, are forgotten.
    fn another(&self, endpoints: &[Arc<Endpoint>], tried: &mut Vec<SocketAddr>, before: &mut usize) -> Option<Try> {
        let choose = |tried: &[SocketAddr]| endpoint::choose(endpoints, tried, self.random.next(), self.epoch);
        let chosen = choose(tried).or_else(|| {
            tried.drain(..std::mem::take(before));
            choose(tried)
        })?;
        tried.push(chosen.address());
        Some(chosen)
    }
}

/// Whether another try can do no harm: nothing of the first reached the upstream, or doing it twice is as good as once; and
/// its body is still there.
fn is_safe(failure: &Failure, head: &Parts, body: &RequestBody) -> bool {
    // Nobody but the two ends knows what a handshake may have begun.
    let repeatable = head.method.is_idempotent() && head.extensions.get::<Handshake>().is_none();
    let harmless = match failure {
        Failure::Resolve(_)
        | Failure::ResolveTimeout
        | Failure::Connect(_)
        | Failure::ConnectTimeout
        | Failure::Unsent(_) => true,
        Failure::Broken(_) | Failure::Malformed(_) | Failure::Timeout => repeatable,
        Failure::Switched(_) | Failure::ClientStalled | Failure::ClientBroke | Failure::Open(_) => false,
    };
    harmless && body.can_be_sent_again()
}

impl From<Late> for Failure {
    fn from(late: Late) -> Self {
        match late {
            Late::Upstream => Self::Timeout,
            Late::Client => Self::ClientStalled,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicUsize;

    use service::message::incoming::Incoming;
    use service::message::room::Room;
    use service::process::identity::Identity;
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
        let identity = Identity {
            service: "frontend".into(),
            version: "v1".into(),
            pod: "frontend-1".into(),
            node: String::new(),
            faults: Vec::new(),
            namespace: String::new(),
            address: String::new(),
        };
        let mut metrics = service::telemetry::metrics::Metrics::new(&identity);
        Upstream::new("pods", Target { origin, timeouts, resilience }, &Metrics::register(&mut metrics))
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

    #[test]
    fn origins_by_the_table() {
        let parsed = |text| Origin::parse(text).map(|o| format!("{} {} {}", o.host, o.port, o.authority));
        let good = [
            ("http://backend:8000", "backend 8000 backend:8000"),
            ("http://backend:8000/", "backend 8000 backend:8000"),
            ("http://backend", "backend 80 backend"),
            ("http://10.0.0.1:1", "10.0.0.1 1 10.0.0.1:1"),
            ("http://[::1]:8000", "::1 8000 [::1]:8000"),
        ];
        for (text, expected) in good {
            assert_eq!(parsed(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "backend",
            "backend:8000",
            "https://backend",
            "http://",
            "http://a/path",
            "http://a?x",
            "http://u@a",
            "http://a:99999",
            "http://a:0",
            "http://a:x",
            "http://a b",
            "http://a#f",
            "/x",
            "*",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
