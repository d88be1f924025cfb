//! Resolves an upstream's name, rarely and not twice at once where the first lookup is answered in time.
//!
//! musl's `getaddrinfo` caches nothing and blocks a thread for as long as the name service takes, and under Kubernetes'
//! search path one lookup is up to ten queries. So an answer is used for a second; then the next request starts a lookup in
//! the background and takes the old answer meanwhile. Where requests are rarer than that, the old answer may be of pods that
//! are long gone: then the request waits for the lookup, but for a moment only, so that a slow name service does not stop one
//! that has somewhere to go. After half a minute the old answer is no longer used.
//!
//! A lookup goes on when whoever asked has given up. Else a name service that takes longer than a connect may take would
//! never be heard, and each request would ask it anew.
//!
//! A name service is several servers behind one address, and when a node dies one of them is gone while its address is still led
//! there: such a query is lost, and musl sends it again from the same socket, to the same server, and gives up after 5 s. All that time
//! the addresses would be those of before. So a lookup that takes long gets another one beside it, whose socket may lead elsewhere.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use service::telemetry::notice::Notice;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

/// How long an answer is used as it is.
const FRESH: Duration = Duration::from_secs(1);
/// How long it is used without a thought while a newer one is looked up.
const PASSABLE: Duration = Duration::from_secs(2);
/// How long a request waits for a newer one after that.
const MOMENT: Duration = Duration::from_millis(100);
/// How long nobody asks again where there was no answer: of a name that is absent, each request would.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a lookup may take before there is another one beside it; twice as long for each that follows.
const AGAIN: Duration = Duration::from_millis(500);
/// How many lookups of a name there are at the most: each has a thread, a lost one for 5 s.
const AT_ONCE: usize = 4;
/// How long an answer is used where no newer one comes.
const STALE: Duration = Duration::from_secs(30);

/// The addresses of one name.
#[derive(Debug)]
pub(super) struct Resolver {
    host: String,
    port: u16,
    /// A host that is an address needs no lookup.
    literal: Option<Arc<[SocketAddr]>>,
    answer: Mutex<Option<Answer>>,
    /// When there was last none.
    failed: Mutex<Option<Instant>>,
    failures: Notice,
    /// Held during a lookup: whoever comes meanwhile waits for its answer instead of asking again.
    lookup: Arc<tokio::sync::Mutex<()>>,
    /// A place for each lookup that has not ended, listened to or not.
    places: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
struct Answer {
    addresses: Arc<[SocketAddr]>,
    at: Instant,
}

impl Resolver {
    /// Resolves `host`, a name or an IP address (IPv6 without brackets).
    pub(super) fn new(host: String, port: u16) -> Self {
        let literal = host.parse().ok().map(|ip: IpAddr| Arc::from([SocketAddr::new(ip, port)]));
        Self {
            host,
            port,
            literal,
            answer: Mutex::new(None),
            failed: Mutex::new(None),
            failures: Notice::default(),
            lookup: Arc::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The addresses, at least one.
    ///
    /// # Errors
    /// Where the name has no address or the name service fails, and no answer is recent enough to stand in.
    pub(super) async fn addresses(self: &Arc<Self>) -> io::Result<Arc<[SocketAddr]>> {
        if let Some(address) = &self.literal {
            return Ok(Arc::clone(address));
        }
        match self.recent(STALE) {
            Some(answer) if answer.at.elapsed() < FRESH => Ok(answer.addresses),
            Some(answer) if answer.at.elapsed() < PASSABLE => {
                self.look_up();
                Ok(answer.addresses)
            }
            Some(answer) => {
                self.look_up();
                // Not heard of in time, or failed, which the lookup has logged: what is known stands in.
                let _ = tokio::time::timeout(MOMENT, self.lookup.lock()).await;
                Ok(self.recent(FRESH).unwrap_or(answer).addresses)
            }
            None => {
                self.look_up();
                // Until the lookup has ended, whoever began it. It has logged why, if it failed.
                drop(self.lookup.lock().await);
                let answer = self.recent(STALE).ok_or_else(|| io::Error::other("the name does not resolve"))?;
                Ok(answer.addresses)
            }
        }
    }

    /// Whether there is an answer that could be used.
    pub(super) fn has_address(&self) -> bool {
        self.literal.is_some() || self.recent(STALE).is_some()
    }

    /// Ends when there is an address, or two lookups found none: the second may be the first that the name service hears of.
    pub(super) async fn first_address(self: &Arc<Self>) {
        for _ in 0..2 {
            self.look_up();
            drop(self.lookup.lock().await);
            if self.has_address() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Looks the name up in the background, unless somebody does: of a name service that does not answer, lookups must not
    /// pile up.
    pub(super) fn look_up(self: &Arc<Self>) {
        let Ok(alone) = Arc::clone(&self.lookup).try_lock_owned() else { return };
        if self.literal.is_some() || self.recent(FRESH).is_some() || self.has_failed_just_now() {
            return;
        }
        let resolver = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = resolver.refresh().await {
                *resolver.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                let host = resolver.host.clone();
                resolver.failures.happens(move |times| {
                    tracing::warn!(host, times, %error, "the name does not resolve");
                });
            }
            drop(alone);
        });
    }

    async fn refresh(&self) -> io::Result<()> {
        let ask = || {
            let host = self.host.clone();
            let port = self.port;
            async move { tokio::net::lookup_host((host, port)).await.map(Iterator::collect) }
        };
        let addresses: Arc<[SocketAddr]> = first_outcome(&self.places, ask).await?;
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no address"));
        }
        *self.lock() = Some(Answer { addresses, at: Instant::now() });
        Ok(())
    }

    fn has_failed_just_now(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < PAUSE)
    }

    /// What a name service would have answered just now.
    #[cfg(test)]
    pub(crate) fn know(&self, addresses: &[SocketAddr]) {
        *self.lock() = Some(Answer { addresses: addresses.into(), at: Instant::now() });
    }

    fn recent(&self, age: Duration) -> Option<Answer> {
        self.lock().clone().filter(|answer| answer.at.elapsed() < age)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Answer>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of `ask`, asked at once and, until one has ended, again after [`AGAIN`], twice that, and so on, where there is a place, what the
/// first one to end says. Those that have not ended keep their places until they have.
async fn first_outcome<T, Asked>(places: &Arc<Semaphore>, ask: impl Fn() -> Asked) -> T
where
    T: Send + 'static,
    Asked: Future<Output = T> + Send + 'static,
{
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut pause = AGAIN;
    let mut next = Instant::now();
    loop {
        let place = async {
            sleep_until(next).await;
            Arc::clone(places).acquire_owned().await
        };
        tokio::select! {
            Some(outcome) = told.recv() => return outcome,
            place = place => {
                let (asked, tell) = (ask(), tell.clone());
                tokio::spawn(async move {
                    // Nobody listens any more where another one was quicker.
                    let _ = tell.send(asked.await);
                    drop(place);
                });
                next = Instant::now() + pause;
                pause *= 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn addresses_need_no_lookup_and_names_get_one() {
        let literal = Arc::new(Resolver::new("::1".into(), 80));
        assert_eq!(*literal.addresses().await.unwrap(), ["[::1]:80".parse().unwrap()]);
        let name = Arc::new(Resolver::new("localhost".into(), 80));
        assert!(name.addresses().await.unwrap().iter().all(|address| address.ip().is_loopback()));
    }

    #[tokio::test]
    async fn a_lookup_goes_on_when_whoever_asked_has_given_up() {
        let resolver = Arc::new(Resolver::new("localhost".into(), 80));
        // The name service takes longer than the asker has, which is no time at all: one poll.
        let mut asked = Box::pin(resolver.addresses());
        assert!(std::future::poll_fn(|context| Poll::Ready(asked.as_mut().poll(context).is_pending())).await);
        drop(asked);
        assert!(resolver.lookup.try_lock().is_err(), "and it is asked once");
        let heard = async {
            while resolver.recent(STALE).is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), heard).await.is_ok(), "its answer was thrown away");
    }

    #[tokio::test]
    async fn after_a_pause_a_request_waits_for_the_addresses_of_now() {
        let gone: Arc<[SocketAddr]> = Arc::new(["10.0.0.1:80".parse().unwrap()]);
        let resolver = Arc::new(Resolver::new("localhost".into(), 80));
        let since = |age: Duration| Answer { addresses: Arc::clone(&gone), at: Instant::now() - age };
        *resolver.lock() = Some(since(FRESH));
        assert_eq!(resolver.addresses().await.unwrap(), gone, "a moment ago they were right");
        // The machine may be slower than the moment; sooner or later the name service is in time.
        let heard = async {
            loop {
                drop(resolver.lookup.lock().await);
                *resolver.lock() = Some(since(PASSABLE));
                if resolver.addresses().await.unwrap() != gone {
                    break;
                }
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), heard).await.is_ok(), "nobody waits for the lookup");
    }

    /// Asks a name service that loses the first `lost` queries, and says what it answered: how many it had been asked, and after how long.
    async fn with_lost(places: &Arc<Semaphore>, lost: usize) -> (usize, Duration) {
        let asked = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let ask = || {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            async move {
                if number < lost {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            }
        };
        first_outcome(places, ask).await;
        (asked.load(Ordering::Relaxed), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_query_costs_half_a_second_and_is_not_waited_for() {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        assert_eq!(with_lost(&places, 0).await, (1, Duration::ZERO), "what is answered is asked once");
        assert_eq!(with_lost(&places, 1).await, (2, AGAIN));
        // The lost one has its place still.
        assert_eq!(places.available_permits(), AT_ONCE - 1);
        assert_eq!(with_lost(&places, 2).await, (3, AGAIN + 2 * AGAIN));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_service_that_loses_everything_has_four_queries_at_once() {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        // Each is given up after 5 s.
        assert_eq!(with_lost(&places, usize::MAX).await, (AT_ONCE, Duration::from_secs(5)));
        assert_eq!(places.available_permits(), 1);
        let (asked, _) = with_lost(&places, usize::MAX).await;
        assert!(asked <= AT_ONCE, "{asked}");
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(places.available_permits(), AT_ONCE, "all places are free when all have ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_without_an_address_is_asked_for_now_and_then() {
        let resolver = Arc::new(Resolver::new("a..b".into(), 80));
        assert!(resolver.addresses().await.is_err());
        let failed = || *resolver.failed.lock().unwrap();
        let first = failed();
        for _ in 0..100 {
            assert!(resolver.addresses().await.is_err());
        }
        assert_eq!(failed(), first, "each request asked");
        tokio::time::advance(PAUSE).await;
        assert!(resolver.addresses().await.is_err());
        assert!(failed() > first, "nobody asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_answer_stands_in_while_the_name_service_fails_but_not_for_long() {
        // No name service has an answer to a name with an empty label, and none is asked.
        let resolver = Arc::new(Resolver::new("a..b".into(), 80));
        assert!(resolver.addresses().await.is_err());
        let known: Arc<[SocketAddr]> = Arc::new(["10.0.0.1:80".parse().unwrap()]);
        *resolver.lock() = Some(Answer { addresses: Arc::clone(&known), at: Instant::now() });
        for advance in [Duration::ZERO, FRESH, STALE / 2] {
            tokio::time::advance(advance).await;
            assert_eq!(resolver.addresses().await.unwrap(), known, "{advance:?}");
        }
        tokio::time::advance(STALE / 2).await;
        assert!(resolver.addresses().await.is_err());
    }
}
