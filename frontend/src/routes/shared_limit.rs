//! How many requests a client may make of all gateways together: the allowances are in a Redis that they share.
//!
//! The store never stands in the way: where it gives no answer in time, or none that can be used, the gateway judges by the
//! allowances of its own, and none waits for a store that is known to be away.

use std::pin::Pin;
use std::time::Duration;

use hyper::Method;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use service::settings::environment::{Environment, Variable};
use service::telemetry::metrics::Metrics;
use sha2::{Digest as _, Sha256};
use store::address::Address;
use store::meaning::{fields, number, yes};
use store::unavailable::Unavailable;
use store::{Store, Value};

use crate::routes::rate_limit::{Quota, Verdict};
use crate::routes::route::Route;

/// What is run in the store.
const SCRIPTS: &[&str] = &[include_str!("shared_limit.lua")];
/// What a connection to the store has for each of its steps.
const CONNECTING: Duration = Duration::from_secs(1);

/// Where the allowances are, and how long a request may wait for them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the store is.
    pub address: Address,
    /// What it has for an answer, before the gateway judges by itself.
    pub patience: Duration,
    /// What a connection to it has for each of its steps, and it for any answer before it is away.
    pub connecting: Duration,
}

impl Settings {
    /// Reads them; `None` where there is no store.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let about = "redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]: counts the requests of rateLimit.global, for all gateways";
        let address = Address::read(environment, about);
        let about = "milliseconds that the store has to judge a request, before the gateway does so by itself";
        let patience = environment.milliseconds(Variable::new("RATE_LIMIT_TIMEOUT_MS", "20", about), 1, 1000);
        address.map(|address| Self { address, patience, connecting: CONNECTING })
    }
}

/// The verdict on a request; none where the store could not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged(pub(crate) Option<Verdict>);

/// In a box: what is on its way for every request must not have room for what few of them wait for.
pub(crate) type Judging = Pin<Box<dyn Future<Output = Judged> + Send>>;

/// The allowances that gateways share.
pub(crate) struct SharedLimit {
    store: Store,
    patience: Duration,
    /// By whom requests were judged.
    judged: Family<[(&'static str, &'static str); 1], Counter>,
}

impl SharedLimit {
    pub(crate) fn start(settings: Settings, metrics: &mut Metrics) -> Self {
        let reachable = metrics.add("store_reachable", "1 while the store is connected and answers");
        let about = "Requests of clients of all gateways, judged by the store, or by this gateway without it";
        let judged = metrics.add("rate_limit_judged", about);
        let store = Store::start(settings.address, settings.connecting, reachable, SCRIPTS);
        Self { store, patience: settings.patience, judged }
    }

    /// Judges a request of `client` on `route`, and counts it if it is admitted.
    pub(crate) fn judging(&self, route: &Route, quota: Quota, client: &[u8]) -> Judging {
        let times = [quota.period / quota.limit, quota.period].map(|time| time.as_nanos().to_string().into());
        let answer = self.store.run_within(self.patience, key(route, quota, client), times);
        let judged = self.judged.clone();
        Box::pin(async move {
            let verdict = answer.await.and_then(|reply| verdict(quota, reply)).ok();
            let by = if verdict.is_some() { "store" } else { "gateway" };
            judged.get_or_create(&[("by", by)]).inc();
            Judged(verdict)
        })
    }
}

/// What the script's `reply` means.
fn verdict(quota: Quota, reply: Value) -> Result<Verdict, Unavailable> {
    let [admitted, reset] = fields(reply)?;
    Ok(quota.verdict(yes(&admitted)?, Duration::from_micros(number(&reset)?).min(quota.period)))
}

/// Stands for a client of a route, the same in all gateways that have the route, and as long as any other.
fn key(route: &Route, quota: Quota, client: &[u8]) -> Vec<u8> {
    let mut digest = Sha256::new();
    let hosts = route.hosts.iter().map(String::as_str);
    let methods = route.methods.iter().map(Method::as_str);
    for part in [route.path.as_str()].into_iter().chain(hosts).chain([""]).chain(methods) {
        digest.update(part);
        digest.update("\n");
    }
    digest.update([u8::from(route.exact)]);
    digest.update(quota.limit.to_be_bytes());
    digest.update(quota.period.as_nanos().to_be_bytes());
    digest.update(client);
    [&b"limit:"[..], &digest.finalize()].concat()
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;
    use store::password::Password;
    use testing::redis::Redis;
    use testing::wire::until;
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::time::{Instant, pause, resume};

    use super::*;

    const QUOTA: Quota = Quota { limit: 2, period: Duration::from_secs(3600), clients: 1 };
    const PATIENCE: Duration = Duration::from_millis(20);
    /// Which only what never comes takes.
    const LONG: Duration = Duration::from_secs(20);

    /// Of a store at this port, which has `patience` to judge and `connecting` for anything.
    fn at(port: u16, (patience, connecting): (Duration, Duration), password: Password) -> (SharedLimit, Gauge) {
        let reachable = Gauge::default();
        let address = Address { host: "127.0.0.1".to_owned(), port, database: 0, user: None, password };
        let store = Store::start(address, connecting, reachable.clone(), SCRIPTS);
        (SharedLimit { store, patience, judged: Family::default() }, reachable)
    }

    async fn judge(shared: &SharedLimit, quota: Quota) -> Option<Verdict> {
        shared.judging(&Route::default(), quota, b"ada").await.0
    }

    /// A clock that stands still unless all wait for it shows what is waited for, however busy the machine is.
    #[tokio::test]
    async fn a_request_waits_for_a_store_that_is_silent_no_longer_than_it_has_patience() {
        let redis = Redis::start(&[]);
        let (shared, reachable) = at(redis.port, (PATIENCE, CONNECTING), Password::None);
        until("the store is there", async || reachable.get() == 1).await;
        redis.signal("-STOP");
        pause();
        let asked = Instant::now();
        assert_eq!(judge(&shared, QUOTA).await, None);
        let took = asked.elapsed();
        assert!((PATIENCE..PATIENCE * 2).contains(&took), "{took:?}");
        // It is found out to be silent, and from then on nobody waits.
        while reachable.get() == 1 {
            tokio::time::sleep(PATIENCE).await;
        }
        assert!(asked.elapsed() < CONNECTING * 2 + PATIENCE * 2, "{:?}", asked.elapsed());
        let asked = Instant::now();
        assert_eq!(judge(&shared, QUOTA).await, None);
        assert_eq!(asked.elapsed(), Duration::ZERO);
        resume();
        redis.signal("-CONT");
        until("the store is back", async || reachable.get() == 1).await;
    }

    #[tokio::test]
    async fn a_store_that_refuses_the_password_is_not_waited_for() {
        let redis = Redis::start(&["--requirepass", "right"]);
        let (shared, reachable) = at(redis.port, (LONG, LONG), Password::Given(b"wrong".to_vec()));
        until("it refuses", async || redis.ask("AUTH right\r\nACL LOG 1").contains("username")).await;
        pause();
        for _ in 0..10 {
            let asked = Instant::now();
            assert_eq!(judge(&shared, QUOTA).await, None);
            assert_eq!(asked.elapsed(), Duration::ZERO);
            tokio::time::sleep(PATIENCE).await;
        }
        assert_eq!(reachable.get(), 0);
    }

    /// Whatever it says, it is a verdict within the bounds or none, and never the end of the gateway.
    #[tokio::test]
    async fn a_store_that_answers_nonsense_is_done_without() {
        for (reply, admitted) in [
            ("*2\r\n:1\r\n:5\r\n", Some(true)),
            ("*2\r\n:0\r\n:9223372036854775807\r\n", Some(false)),
            ("*2\r\n:2\r\n:5\r\n", None),
            ("*2\r\n:1\r\n:-5\r\n", None),
            ("*3\r\n:1\r\n:5\r\n:5\r\n", None),
            ("*1048576\r\n:1\r\n", None),
            ("*99999999999\r\n", None),
            ("$1048577\r\n", None),
            ("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", None),
            (":1\r\n", None),
            ("+OK\r\n", None),
            ("-NOSCRIPT\r\n", None),
            ("HTTP/1.1 400 Bad Request\r\n\r\n", None),
            ("", None),
        ] {
            // More of it may come, for what it has said so far.
            let complete = !reply.starts_with("*1048576");
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                    let asked = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    let is_judging = asked.contains("EVAL");
                    let usual = if asked.contains("LOAD") { "+digest\r\n" } else { "+OK\r\n" };
                    if stream.write_all(if is_judging { reply } else { usual }.as_bytes()).await.is_err()
                        || reply.is_empty() && is_judging
                    {
                        return;
                    }
                }
            });
            let (shared, reachable) = at(port, (if complete { LONG } else { PATIENCE }, LONG), Password::None);
            until("the store is there", async || reachable.get() == 1).await;
            let verdict = judge(&shared, QUOTA).await;
            assert_eq!(verdict.map(|verdict| verdict.admitted), admitted, "{reply:?}");
            assert!(verdict.is_none_or(|verdict| verdict.reset <= QUOTA.period), "{reply:?}");
            server.abort();
        }
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_refuses_nobody_for_longer_than_a_period() {
        let redis = Redis::start(&[]);
        let (shared, reachable) = at(redis.port, (LONG, LONG), Password::None);
        until("the store is there", async || reachable.get() == 1).await;
        assert!(judge(&shared, QUOTA).await.unwrap().admitted);
        let all = "local key = redis.call('KEYS', '*')[1]";
        redis.ask(&format!("EVAL \"{all} redis.call('SET', key, '9e15')\" 0"));
        let refused = judge(&shared, QUOTA).await.unwrap();
        assert!(!refused.admitted && refused.reset == QUOTA.period, "{refused:?}");
        let left: u64 =
            redis.ask(&format!("EVAL \"{all} return redis.call('PTTL', key)\" 0"))[1..].trim().parse().unwrap();
        assert!((1..=3_600_000).contains(&left), "{left}");
    }

    #[test]
    fn what_differs_in_a_route_or_its_limit_is_counted_apart() {
        let route = |path: &str, hosts: &[&str], methods: &[Method]| Route {
            path: path.to_owned(),
            hosts: hosts.iter().map(ToString::to_string).collect(),
            methods: methods.to_vec(),
            ..Route::default()
        };
        let keys = [
            key(&route("/a", &[], &[]), QUOTA, b"ada"),
            key(&route("/b", &[], &[]), QUOTA, b"ada"),
            key(&route("/a", &["get"], &[]), QUOTA, b"ada"),
            key(&route("/a", &[], &[Method::GET]), QUOTA, b"ada"),
            key(&Route { exact: true, ..route("/a", &[], &[]) }, QUOTA, b"ada"),
            key(&route("/a", &[], &[]), Quota { limit: 3, ..QUOTA }, b"ada"),
            key(&route("/a", &[], &[]), QUOTA, b"bob"),
        ];
        assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), keys.len());
        assert_eq!(keys[0], key(&route("/a", &[], &[]), QUOTA, b"ada"));
        assert!(keys.iter().all(|key| key.len() == "limit:".len() + 32));
    }
}
