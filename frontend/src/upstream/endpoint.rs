//! The endpoints of an upstream: the addresses that its name has. A Service with a cluster IP has one, behind which
//! kube-proxy chooses; a headless Service has one for each pod that is ready.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use service::calls::breaker::{Admission, Breaker, Outcome, Pass, State, Threshold};
use tokio::time::Instant;

use crate::upstream::balance;
use crate::upstream::bulkhead::Place;
use crate::upstream::failure::{Failure, Kind};
use crate::upstream::link::Link;
use crate::upstream::metrics::Tally;
use crate::upstream::pool::Pool;

/// One address of an upstream, and the connections to it.
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    connecting: Arc<Connecting>,
    pool: Arc<Pool>,
    /// Tries whose reply has not ended.
    in_flight: AtomicU32,
    breaker: Option<Mutex<Breaker>>,
}

/// How endpoints are connected to.
#[derive(Debug, Clone)]
pub(super) struct Connecting {
    /// How long an idle connection is kept.
    pub(super) idle: Duration,
    /// Age after which a connection is not used again.
    pub(super) max_age: Option<Duration>,
    /// When an endpoint leaves the rotation.
    pub(super) breaker: Option<Threshold>,
    /// Counts the connections, and the replies that break off.
    pub(super) tally: Tally,
    /// What the clocks of breakers count from.
    pub(super) epoch: Instant,
}

/// The endpoints of one upstream as its name had them last.
pub(super) struct Endpoints {
    connecting: Arc<Connecting>,
    current: Mutex<Arc<[Arc<Endpoint>]>>,
}

/// A try at an endpoint, from its choice to the end of the reply's body. Tells the endpoint how it ended.
pub(super) struct Try {
    endpoint: Arc<Endpoint>,
    pass: Pass,
    /// Whether the endpoint knows how it ended.
    told: bool,
    /// That of its request, once there is a reply.
    place: Option<Place>,
}

impl Endpoints {
    pub(super) fn new(connecting: Connecting) -> Self {
        Self { connecting: Arc::new(connecting), current: Mutex::new(Arc::new([])) }
    }

    /// The endpoints of `addresses`. Those that were there before are the same, with their connections; those that are no
    /// longer are forgotten, and their idle connections closed.
    pub(super) fn at(&self, addresses: &[SocketAddr]) -> Arc<[Arc<Endpoint>]> {
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
pub(super) fn choose(endpoints: &[Arc<Endpoint>], tried: &[SocketAddr], random: u64) -> Option<Try> {
    // A Service with a cluster IP: nothing to choose from.
    if let [only] = endpoints {
        return (!tried.contains(&only.address)).then(|| Try::at(only));
    }
    let now = endpoints.first()?.connecting.epoch.elapsed();
    let failing: Vec<Option<Duration>> = endpoints.iter().map(|endpoint| endpoint.failing_since(now)).collect();
    let rotation = balance::in_rotation(&failing);
    let untried: Vec<&Arc<Endpoint>> =
        rotation.iter().map(|index| &endpoints[*index]).filter(|endpoint| !tried.contains(&endpoint.address)).collect();
    let in_flight: Vec<u32> = untried.iter().map(|endpoint| endpoint.in_flight.load(Ordering::Relaxed)).collect();
    let endpoint = untried[balance::choose(&in_flight, random)?];
    Some(Try::at(endpoint))
}

impl Endpoint {
    fn new(address: SocketAddr, connecting: &Arc<Connecting>) -> Self {
        Self {
            address,
            connecting: Arc::clone(connecting),
            pool: Pool::new(connecting.idle, Arc::clone(connecting.tally.places())),
            in_flight: AtomicU32::new(0),
            breaker: connecting.breaker.map(|threshold| Mutex::new(Breaker::new(threshold))),
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

    #[cfg(test)]
    pub(crate) fn is_failing(&self) -> bool {
        self.breaker().is_some_and(|breaker| matches!(breaker.state(), State::Open { .. }))
    }

    fn breaker(&self) -> Option<MutexGuard<'_, Breaker>> {
        self.breaker.as_ref().map(|breaker| breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn connect(&self) -> Result<Link, Failure> {
        let link = Link::open(self.address, self.connecting.max_age).await?;
        self.connecting.tally.opened();
        Ok(link)
    }
}

impl Try {
    fn at(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        let admission = endpoint.breaker().map(|mut breaker| breaker.admit(endpoint.connecting.epoch.elapsed()));
        let pass = match admission {
            Some(Admission::Admitted(pass)) => pass,
            // It stays in rotation because too many others fail as well.
            Some(Admission::Refused(_)) | None => Pass::Usual,
        };
        Self { endpoint: Arc::clone(endpoint), pass, told: false, place: None }
    }

    /// Keeps the `place` of its request to its own end.
    pub(super) fn hold(&mut self, place: Place) {
        self.place = Some(place);
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.endpoint.address
    }

    /// Counts that the body of its reply broke off.
    pub(super) fn count(&self, failure: &Failure) {
        self.endpoint.connecting.tally.failed(failure);
    }

    /// A connection that was kept, if there is one.
    pub(super) fn kept(&self) -> Option<Link> {
        self.endpoint.pool.take(Instant::now())
    }

    /// Gives a connection back, for the next request to this endpoint.
    pub(super) fn give_back(&self, link: Link) {
        self.endpoint.pool.put(link, Instant::now());
    }

    /// Connects until `limit` has passed.
    pub(super) async fn connect(mut self, limit: Duration) -> Result<(Self, Link), Failure> {
        let connected = tokio::time::timeout(limit, self.endpoint.connect()).await;
        match connected.unwrap_or(Err(Kind::ConnectTimeout.into())) {
            Ok(link) => Ok((self, link)),
            Err(failure) => {
                self.tell((&failure).into());
                Err(failure)
            }
        }
    }

    /// It has ended so; what comes after that is no news of the endpoint.
    pub(super) fn tell(&mut self, outcome: Outcome) {
        if self.told {
            return;
        }
        self.told = true;
        if let Some(mut breaker) = self.endpoint.breaker() {
            breaker.record(self.pass, outcome, self.endpoint.connecting.epoch.elapsed());
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        self.tell(Outcome::Unknown);
        self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use testing::running::identity;

    use super::*;
    use crate::random::Random;
    use crate::upstream::metrics::Metrics;

    const THRESHOLD: Threshold = Threshold { failures: 2, open: Duration::from_secs(30) };

    fn endpoints() -> Endpoints {
        Endpoints::new(Connecting {
            idle: Duration::from_secs(30),
            max_age: None,
            breaker: Some(THRESHOLD),
            tally: Metrics::register(&mut service::telemetry::metrics::Metrics::new(&identity("frontend"))).of("test"),
            epoch: Instant::now(),
        })
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 8000))
    }

    /// How often each of the endpoints is chosen in a thousand tries that end at once.
    fn shares(endpoints: &[Arc<Endpoint>]) -> Vec<usize> {
        let random = Random::from_seed(7);
        let mut shares = vec![0; endpoints.len()];
        for _ in 0..1000 {
            let chosen = choose(endpoints, &[], random.next()).unwrap().address();
            shares[endpoints.iter().position(|endpoint| endpoint.address == chosen).unwrap()] += 1;
        }
        shares
    }

    fn fail(endpoint: &Arc<Endpoint>, times: u32) {
        for _ in 0..times {
            Try::at(endpoint).tell(Outcome::Failure);
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
        let busy: Vec<Try> = (0..2).map(|_| Try::at(&endpoints[1])).collect();
        let shares = shares(&endpoints);
        assert_eq!(shares[1], 0, "{shares:?}");
        drop(busy);
        let chosen = |tried: &[u8]| {
            let tried: Vec<SocketAddr> = tried.iter().copied().map(address).collect();
            choose(&endpoints, &tried, 0).map(|this| this.address())
        };
        assert_eq!(chosen(&[1, 3]), Some(address(2)));
        assert_eq!(chosen(&[1, 2, 3]), None);
        assert!(endpoints.iter().all(|endpoint| endpoint.in_flight.load(Ordering::Relaxed) == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_leaves_and_comes_back_by_a_trial() {
        let endpoints = endpoints().at(&[address(1), address(2), address(3)]);
        fail(&endpoints[0], 1);
        assert!(shares(&endpoints)[0] > 200, "one failure is none");
        fail(&endpoints[0], 2);
        assert_eq!(shares(&endpoints)[0], 0);
        fail(&endpoints[1], 2);
        assert!(shares(&endpoints)[1] > 300, "two of three are more than half");

        tokio::time::advance(THRESHOLD.open).await;
        let trial = choose(&endpoints, &[address(2), address(3)], 0).unwrap();
        assert_eq!(trial.pass, Pass::Trial);
        let shares_meanwhile = shares(&endpoints);
        assert_eq!(shares_meanwhile[0], 0, "{shares_meanwhile:?}");
        let mut trial = trial;
        trial.tell(Outcome::Success);
        drop(trial);
        assert!(shares(&endpoints)[0] > 200);
    }

    #[tokio::test]
    async fn the_only_one_stays_whatever_it_does() {
        let endpoints = endpoints().at(&[address(1)]);
        fail(&endpoints[0], 10);
        assert_eq!(shares(&endpoints), [1000]);
    }
}
