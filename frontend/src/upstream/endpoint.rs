//! The endpoints of an upstream: the addresses that its name has. A Service with a cluster IP has one, behind which
//! kube-proxy chooses; a headless Service has one for each pod that is ready.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::counter::Counter;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::body::replay::{RequestBody, Upload};
use crate::tunnel::handshake::Handshake;
use crate::upstream::balance;
use crate::upstream::breaker::{self, Admission, Breaker, OfTry, Pass, State};
use crate::upstream::failure::{BodyFailure, Failure, Failures};
use crate::upstream::pool::{Connection, Driver, Pool};
use crate::upstream::reply::Download;
use crate::upstream::stream::Stream;

/// What hyper buffers of an upstream's connection, in each direction, in bytes. A reply's head that needs more than twice as
/// much is refused.
const BUFFER_BYTES: usize = 16 * 1024;
/// What a connection to an upstream takes at most, in bytes: its buffers, the parts of bodies that wait there, its task, and
/// what an allocator wastes on all of them.
pub const CONNECTION_BYTES: u64 = 2 * BUFFER_BYTES as u64 + 64 * 1024;
/// The most header fields of a reply.
const HEADERS: usize = 100;

/// One address of an upstream, and the connections to it.
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    connecting: Arc<Connecting>,
    pool: Arc<Pool>,
    /// Tries whose reply has not ended.
    in_flight: AtomicU32,
    breaker: Option<Mutex<Breaker<OfTry>>>,
}

/// How endpoints are connected to.
#[derive(Debug, Clone)]
pub struct Connecting {
    /// How long an idle connection is kept.
    pub idle: Duration,
    /// Age after which a connection is not used again.
    pub max_age: Option<Duration>,
    /// Places for idle connections, those of all endpoints of all upstreams.
    pub places: Arc<Semaphore>,
    /// When an endpoint leaves the rotation.
    pub breaker: Option<breaker::Terms>,
    /// Counts the connections.
    pub connections: Counter,
    /// Counts the replies that break off.
    pub failures: Failures,
}

/// The endpoints of one upstream as its name had them last.
pub struct Endpoints {
    connecting: Arc<Connecting>,
    current: Mutex<Arc<[Arc<Endpoint>]>>,
}

/// A try at an endpoint, from its choice to the end of the reply's body. Tells the endpoint how it ended.
pub struct Try {
    endpoint: Arc<Endpoint>,
    pass: Pass,
    /// Whether the endpoint knows how it ended.
    told: bool,
    /// What the clocks of breakers count from.
    epoch: Instant,
}

/// What became of a request that was to be sent over a kept connection.
pub enum Kept {
    /// A reply came.
    Answered(Response<Download>),
    /// There is no such connection: here are the try and the request, for a new one.
    None(Try, Request<Upload>),
}

/// Why a try has no reply.
pub enum Refusal {
    /// No connection took the request: here it is, for another endpoint.
    Unsent(Failure, Box<Request<Upload>>),
    /// Some of the request may have got there.
    Sent(Failure),
}

impl Endpoints {
    /// No endpoints yet.
    #[must_use]
    pub fn new(connecting: Connecting) -> Self {
        Self { connecting: Arc::new(connecting), current: Mutex::new(Arc::new([])) }
    }

    /// The endpoints of `addresses`. Those that were there before are the same, with their connections; those that are no
    /// longer are forgotten, and their idle connections closed.
    #[must_use]
    pub fn at(&self, addresses: &[SocketAddr]) -> Arc<[Arc<Endpoint>]> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Name services change the order from answer to answer.
        let same = current.len() == addresses.len() && current.iter().all(|known| addresses.contains(&known.address));
        if !same {
            let endpoint = |address: &SocketAddr| match current.iter().find(|known| known.address == *address) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Endpoint::new(*address, &self.connecting)),
            };
            *current = addresses.iter().map(endpoint).collect();
        }
        Arc::clone(&current)
    }
}

/// Chooses one of `endpoints` for a try, but none of those `tried`; `None` if there is no other.
#[must_use]
pub fn choose(endpoints: &[Arc<Endpoint>], tried: &[SocketAddr], random: u64, epoch: Instant) -> Option<Try> {
    // A Service with a cluster IP: nothing to choose from.
    if let [only] = endpoints {
        return (!tried.contains(&only.address)).then(|| Try::at(only, epoch));
    }
    let now = epoch.elapsed();
    let failing: Vec<Option<Duration>> = endpoints.iter().map(|endpoint| endpoint.failing_since(now)).collect();
    let rotation = balance::in_rotation(&failing);
    let untried: Vec<&Arc<Endpoint>> =
        rotation.iter().map(|index| &endpoints[*index]).filter(|endpoint| !tried.contains(&endpoint.address)).collect();
    let in_flight: Vec<u32> = untried.iter().map(|endpoint| endpoint.in_flight.load(Ordering::Relaxed)).collect();
    let endpoint = untried[balance::choose(&in_flight, random)?];
    Some(Try::at(endpoint, epoch))
}

impl Endpoint {
    fn new(address: SocketAddr, connecting: &Arc<Connecting>) -> Self {
        Self {
            address,
            connecting: Arc::clone(connecting),
            pool: Pool::new(connecting.idle, Arc::clone(&connecting.places)),
            in_flight: AtomicU32::new(0),
            breaker: connecting.breaker.map(|terms| Mutex::new(Breaker::new(terms))),
        }
    }

    /// Since when tries have failed here so often that it should be left alone; none if not, or if it is time for a trial.
    fn failing_since(&self, now: Duration) -> Option<Duration> {
        let breaker = self.breaker()?;
        match breaker.state() {
            _ if breaker.would_admit(now) => None,
            State::Open { until } => Some(until),
            // Its trial is on its way. It has been failing for longer than any that has not had one.
            State::HalfOpen | State::Closed { .. } => Some(Duration::ZERO),
        }
    }

    /// Whether it has been taken out of rotation.
    #[cfg(test)]
    pub(crate) fn is_failing(&self) -> bool {
        self.breaker().is_some_and(|breaker| matches!(breaker.state(), State::Open { .. }))
    }

    fn breaker(&self) -> Option<MutexGuard<'_, Breaker<OfTry>>> {
        self.breaker.as_ref().map(|breaker| breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(self.address).await.map_err(Failure::Connect)?;
        // A head and a small body are two writes; Nagle's algorithm would hold the second back.
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        self.connecting.connections.inc();
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .max_headers(HEADERS)
            .handshake(Stream::new(TokioIo::new(stream)))
            .await
            .map_err(Failure::Unsent)?;
        // Whoever waits for a reply gets the error; between exchanges nobody needs it.
        let driver = Driver::start(async move { drop(driver.with_upgrades().await) });
        Ok(Connection { sender, driver, expires: self.connecting.max_age.map(|age| Instant::now() + age) })
    }
}

/// Sends `request` over `connection`.
async fn exchange(
    mut connection: Connection,
    request: Request<Upload>,
) -> Result<(Response<Incoming>, Connection), Refusal> {
    let handshake = request.extensions().get::<Handshake>().cloned();
    let response = match connection.sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            let unsent = error.take_message();
            let error = error.into_error();
            return Err(match unsent {
                Some(request) => Refusal::Unsent(Failure::Unsent(error), Box::new(request)),
                None => Refusal::Sent(Failure::after_sending(error)),
            });
        }
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let asked = handshake.as_ref().ok_or("nobody asked for it");
        let checked = asked.and_then(|handshake| handshake.check(&response));
        checked.map_err(|how| Refusal::Sent(Failure::Switched(how)))?;
    }
    check_framing(response.headers()).map_err(Refusal::Sent)?;
    Ok((response, connection))
}

/// What hyper lets pass: a coding that nobody asked for would reach the client without its name, and of several ways to tell
/// the body's end the client could go by another than hyper did. RFC 9112, section 6.3, takes that for an attack.
fn check_framing(headers: &HeaderMap) -> Result<(), Failure> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let problem = match (codings.next(), lengths.next()) {
        (None, None) => return Ok(()),
        (None, Some(length)) if length.as_bytes().iter().all(u8::is_ascii_digit) && lengths.next().is_none() => {
            return Ok(());
        }
        (None, Some(_)) => "a Content-Length that is not one number",
        (Some(_), Some(_)) => "both Transfer-Encoding and Content-Length",
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
            return Ok(());
        }
        (Some(_), None) => "a Transfer-Encoding other than chunked",
    };
    Err(Failure::Malformed(problem.to_owned()))
}

impl Try {
    fn at(endpoint: &Arc<Endpoint>, epoch: Instant) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        let admission = endpoint.breaker().map(|mut breaker| breaker.admit(epoch.elapsed()));
        let pass = match admission {
            Some(Admission::Admitted(pass)) => pass,
            // It stays in rotation because too many others fail as well.
            Some(Admission::Refused(_)) | None => Pass::Usual,
        };
        Self { endpoint: Arc::clone(endpoint), pass, told: false, epoch }
    }

    /// Where it goes.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address
    }

    /// Counts that the body of its reply broke off.
    pub fn count(&self, failure: &BodyFailure) {
        self.endpoint.connecting.failures.count(failure.label());
    }

    /// Gives a connection back, for the next request to this endpoint.
    pub fn give_back(&self, connection: Connection) {
        self.endpoint.pool.put(connection, Instant::now());
    }

    /// Sends `request`, whose body is `body`, over a connection that was kept. The endpoint may be silent for as long as
    /// `patience`: before its reply's head, and between parts of the body.
    ///
    /// A connection that turns out closed before anything was written costs no try: the request comes back whole and goes to the
    /// next one. That is what happens while an endpoint drains.
    ///
    /// # Errors
    /// Why it has failed, after some of the request may have got there.
    pub async fn send_over_kept(
        mut self,
        mut request: Request<Upload>,
        body: &Arc<RequestBody>,
        patience: Duration,
    ) -> Result<Kept, Failure> {
        while let Some(connection) = self.endpoint.pool.take(Instant::now()) {
            match body.within(patience, exchange(connection, request)).await {
                Ok(Err(Refusal::Unsent(_, unsent))) => request = *unsent,
                Ok(Err(Refusal::Sent(failure))) => return Err(self.failed(failure, body)),
                Ok(Ok(received)) => return Ok(Kept::Answered(self.received(received, body, patience))),
                Err(late) => return Err(self.failed(late.into(), body)),
            }
        }
        Ok(Kept::None(self, request))
    }

    /// Sends `request` over the new `connection`, as [`Try::send_over_kept`] does.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn send_over(
        mut self,
        connection: Connection,
        request: Request<Upload>,
        body: &Arc<RequestBody>,
        patience: Duration,
    ) -> Result<Response<Download>, Refusal> {
        match body.within(patience, exchange(connection, request)).await {
            Ok(Ok(received)) => Ok(self.received(received, body, patience)),
            Ok(Err(Refusal::Sent(failure))) => Err(Refusal::Sent(self.failed(failure, body))),
            // Another connection could not send it either.
            Ok(Err(Refusal::Unsent(failure, _))) if body.is_broken() => Err(Refusal::Sent(self.failed(failure, body))),
            Ok(Err(Refusal::Unsent(failure, unsent))) => Err(Refusal::Unsent(self.failed(failure, body), unsent)),
            Err(late) => Err(Refusal::Sent(self.failed(late.into(), body))),
        }
    }

    /// Connects until `limit` has passed.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(mut self, limit: Duration) -> Result<(Self, Connection), Failure> {
        let connected = tokio::time::timeout(limit, self.endpoint.connect()).await;
        match connected.unwrap_or(Err(Failure::ConnectTimeout)) {
            Ok(connection) => Ok((self, connection)),
            Err(failure) => {
                self.tell(OfTry::of(&failure));
                Err(failure)
            }
        }
    }

    fn received(
        mut self,
        (response, connection): (Response<Incoming>, Connection),
        body: &Arc<RequestBody>,
        patience: Duration,
    ) -> Response<Download> {
        self.tell(OfTry::SUCCESS);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response.map(|reply| Download::switched(reply, connection, self, patience));
        }
        response.map(|reply| Download::new(reply, connection, self, body, patience))
    }

    fn failed(&mut self, failure: Failure, body: &RequestBody) -> Failure {
        // The upstream could not have answered: any client could take it out of service otherwise.
        let failure = if body.is_broken() { Failure::ClientBroke } else { failure };
        self.tell(OfTry::of(&failure));
        failure
    }

    fn tell(&mut self, outcome: OfTry) {
        if self.told {
            return;
        }
        self.told = true;
        if let Some(mut breaker) = self.endpoint.breaker() {
            breaker.record(self.pass, outcome, self.epoch.elapsed());
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        self.tell(OfTry::UNKNOWN);
        self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::family::Family;

    use super::*;
    use crate::random::Random;

    const TERMS: breaker::Terms = breaker::Terms { failures: 2, open: Duration::from_secs(30) };

    fn endpoints() -> Endpoints {
        Endpoints::new(Connecting {
            idle: Duration::from_secs(30),
            max_age: None,
            places: Arc::new(Semaphore::new(1)),
            breaker: Some(TERMS),
            connections: Counter::default(),
            failures: Failures::of("test", &Family::default()),
        })
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 8000))
    }

    /// How often each of the endpoints is chosen in a thousand tries that end at once.
    fn shares(endpoints: &[Arc<Endpoint>], epoch: Instant) -> Vec<usize> {
        let random = Random::from_seed(7);
        let mut shares = vec![0; endpoints.len()];
        for _ in 0..1000 {
            let chosen = choose(endpoints, &[], random.next(), epoch).unwrap().address();
            shares[endpoints.iter().position(|endpoint| endpoint.address == chosen).unwrap()] += 1;
        }
        shares
    }

    fn fail(endpoint: &Arc<Endpoint>, times: u32, epoch: Instant) {
        for _ in 0..times {
            Try::at(endpoint, epoch).tell(OfTry::of(&Failure::ConnectTimeout));
        }
    }

    #[tokio::test]
    async fn endpoints_come_and_go_with_their_addresses_and_keep_what_they_have() {
        let endpoints = endpoints();
        let first = endpoints.at(&[address(1), address(2)]);
        let turned = endpoints.at(&[address(2), address(1)]);
        assert!(Arc::ptr_eq(&first, &turned), "the order means nothing");
        let other = endpoints.at(&[address(2), address(3)]);
        assert_eq!(other.iter().map(|endpoint| endpoint.address).collect::<Vec<_>>(), [address(2), address(3)]);
        assert!(Arc::ptr_eq(&first[1], &other[0]), "a new endpoint would have no connections");
        let gone = Arc::downgrade(&first[0]);
        drop((first, turned));
        assert!(gone.upgrade().is_none());
    }

    #[tokio::test]
    async fn the_less_busy_and_none_that_was_tried() {
        let endpoints = endpoints().at(&[address(1), address(2), address(3)]);
        let epoch = Instant::now();
        let busy: Vec<Try> = (0..2).map(|_| Try::at(&endpoints[1], epoch)).collect();
        let shares = shares(&endpoints, epoch);
        assert_eq!(shares[1], 0, "{shares:?}");
        drop(busy);
        let chosen = |tried: &[u8]| {
            let tried: Vec<SocketAddr> = tried.iter().copied().map(address).collect();
            choose(&endpoints, &tried, 0, epoch).map(|this| this.address())
        };
        assert_eq!(chosen(&[1, 3]), Some(address(2)));
        assert_eq!(chosen(&[1, 2, 3]), None);
        assert!(endpoints.iter().all(|endpoint| endpoint.in_flight.load(Ordering::Relaxed) == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_leaves_and_comes_back_by_a_trial() {
        let endpoints = endpoints().at(&[address(1), address(2), address(3)]);
        let epoch = Instant::now();
        fail(&endpoints[0], 1, epoch);
        assert!(shares(&endpoints, epoch)[0] > 200, "one failure is none");
        fail(&endpoints[0], 2, epoch);
        assert_eq!(shares(&endpoints, epoch)[0], 0);
        fail(&endpoints[1], 2, epoch);
        assert!(shares(&endpoints, epoch)[1] > 300, "two of three are more than half");

        tokio::time::advance(TERMS.open).await;
        let trial = choose(&endpoints, &[address(2), address(3)], 0, epoch).unwrap();
        assert_eq!(trial.pass, Pass::Trial);
        let shares_meanwhile = shares(&endpoints, epoch);
        assert_eq!(shares_meanwhile[0], 0, "{shares_meanwhile:?}");
        let mut trial = trial;
        trial.tell(OfTry::SUCCESS);
        drop(trial);
        assert!(shares(&endpoints, epoch)[0] > 200);
    }

    #[tokio::test]
    async fn the_only_one_stays_whatever_it_does() {
        let endpoints = endpoints().at(&[address(1)]);
        let epoch = Instant::now();
        fail(&endpoints[0], 10, epoch);
        assert_eq!(shares(&endpoints, epoch), [1000]);
    }
}
