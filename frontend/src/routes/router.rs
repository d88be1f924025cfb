//! The route table in force, and its upstreams. A new table takes over between two requests; an upstream that it describes
//! as before stays the same one, with its connections and its breaker. What the secrets of a table hold is part of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use hyper::HeaderMap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use service::telemetry::metrics::Metrics;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::auth::{Credentials, Fingerprints};
use crate::random::Random;
use crate::routes::rate_limit::{RateLimit, SWEEP_EVERY, Verdict};
use crate::routes::route::Route;
use crate::routes::shared_limit;
use crate::routes::table::{MOST_BYTES, Refused, Table};
use crate::upstream::{self, Defaults, Settings, Upstream};

/// How often the file is looked at. A mounted `ConfigMap` follows its object with a delay of up to a minute anyway.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a gateway waits for the first answers of its name service, of all upstreams together, before it is ready without.
const FIRST_LOOKUP: Duration = Duration::from_secs(10);

/// A table with its upstreams.
#[derive(Default)]
pub(crate) struct Live {
    pub(crate) table: Table,
    upstreams: BTreeMap<String, Arc<Upstream>>,
    /// The allowances of each route's clients, where it limits them; in the order of the routes.
    rate_limits: Vec<Option<Allowances>>,
}

/// What is left to the clients of a route.
type Allowances = Arc<Mutex<RateLimit>>;

pub(crate) struct Router {
    live: RwLock<Arc<Live>>,
    metrics: upstream::Metrics,
    reloads: Family<[(&'static str, &'static str); 1], Counter>,
    random: Random,
    /// What the clock of rate limits counts from.
    epoch: Instant,
}

/// Where the table comes from.
#[derive(Debug, Clone)]
pub struct TableSource {
    /// A file that holds one, read again when it changes; without one the table never changes.
    pub file: Option<PathBuf>,
    /// Where the secrets are that it names, read again with it.
    pub credentials: Credentials,
    /// What upstreams have where the file says nothing.
    pub defaults: Defaults,
    /// The table to start with.
    pub table: Table,
    /// Where the requests are counted of clients that all gateways limit together; no table asks for that without.
    pub store: Option<shared_limit::Settings>,
}

impl Live {
    /// The upstream of a request that `route`, of this table, takes; none where that puts several together.
    pub(crate) fn upstream(&self, route: &Route, headers: &HeaderMap, random: u32) -> Option<&Arc<Upstream>> {
        self.named(route.upstream(headers, random)?)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.get(name)
    }

    /// Counts a request of `client` on the route at `place`, if that limits its clients; `now` is the router's.
    pub(crate) fn judge(&self, place: usize, client: &[u8], now: Duration) -> Option<Verdict> {
        let limit = self.rate_limits.get(place)?.as_ref()?;
        Some(limit.lock().unwrap_or_else(PoisonError::into_inner).judge(client, now))
    }

    fn sweep_rate_limits(&self, now: Duration) {
        for limit in self.rate_limits.iter().flatten() {
            limit.lock().unwrap_or_else(PoisonError::into_inner).sweep(now);
        }
    }

    /// Ends when each of those that are needed has an address, or its name service says twice that there is none, and after
    /// [`FIRST_LOOKUP`] at the latest.
    ///
    /// The first packets of a new pod may be lost: what enforces network policies learns of it later than it starts
    /// (<https://kubernetes.io/docs/concepts/services-networking/network-policies/#pod-lifecycle>). A gateway that is ready at once
    /// gets requests, and no address for them in the five seconds that musl waits for a name service.
    pub(crate) async fn are_looked_up(&self) {
        let unknown = self.needed().filter(|upstream| !upstream.has_address()).map(Arc::clone);
        let mut lookups: JoinSet<()> = unknown.map(|upstream| async move { upstream.look_up().await }).collect();
        let all = async { while lookups.join_next().await.is_some() {} };
        // Ready all the same: what is wrong is in the log, and in the replies.
        let _ = tokio::time::timeout(FIRST_LOOKUP, all).await;
    }

    /// Those that no fallback stands in for.
    pub(crate) fn needed(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        let with_fallback = || self.table.routes.iter().filter(|route| route.fallback.is_some());
        let stood_in_for = move |name: &String| with_fallback().any(|route| route.upstreams().any(|to| to == name));
        self.upstreams.iter().filter(move |(name, _)| !stood_in_for(name)).map(|(_, upstream)| upstream)
    }
}

impl Router {
    /// Puts the table of `source` in force, and follows its file. Needs a runtime.
    pub(crate) fn start(source: TableSource, metrics: &mut Metrics) -> Arc<Self> {
        let router = Arc::new(Self {
            live: RwLock::default(),
            metrics: upstream::Metrics::register(metrics),
            reloads: metrics.add("route_table_reloads", "Changes of the route table's file"),
            random: Random::seeded(),
            epoch: Instant::now(),
        });
        router.put_in_force(source.table);
        tokio::spawn(sweep_rate_limits(Arc::downgrade(&router)));
        if let Some(file) = source.file {
            let followed = Followed::new((file, source.credentials), source.defaults, source.store.is_some(), &router);
            tokio::spawn(followed.by(Arc::downgrade(&router)));
        }
        router
    }

    /// The table in force now. Who keeps it finishes with it, whatever comes meanwhile.
    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The time that rate limits go by.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// A number to choose an upstream with.
    pub(crate) fn random(&self) -> u32 {
        self.random.next() as u32
    }

    pub(crate) fn put_in_force(&self, table: Table) {
        let before = self.live();
        let upstream = |(name, settings): (&String, &Settings)| {
            let kept = before.upstreams.get(name).filter(|_| before.table.upstreams.get(name) == Some(settings));
            let upstream =
                kept.cloned().unwrap_or_else(|| Arc::new(Upstream::new(name, settings.clone(), &self.metrics)));
            (name.clone(), upstream)
        };
        let upstreams = table.upstreams.iter().map(upstream).collect();
        let rate_limit = |route: &Route| {
            let quota = route.rate_limit.as_ref()?.quota;
            // The same route goes on counting: or whoever can change another one could make all allowances whole.
            let same = before.table.routes.iter().position(|other| other == route);
            let kept = same.and_then(|place| before.rate_limits[place].clone());
            Some(kept.unwrap_or_else(|| Arc::new(Mutex::new(RateLimit::new(quota)))))
        };
        let rate_limits = table.routes.iter().map(rate_limit).collect();
        let live = Arc::new(Live { table, upstreams, rate_limits });
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// Puts a changed table in force, if it is one.
    fn reload(&self, table: Result<Table, Refused>) -> bool {
        let (taken, outcome) = match table {
            Ok(table) => {
                let (routes, upstreams) = (table.routes.len(), table.upstreams.len());
                self.put_in_force(table);
                tracing::info!(routes, upstreams, "a new route table is in force");
                (true, "in_force")
            }
            Err(refused) => {
                tracing::error!(error = %refused, "the new route table is refused, the one before stays in force");
                (false, "refused")
            }
        };
        self.reloads.get_or_create(&[("outcome", outcome)]).inc();
        taken
    }
}

/// Forgets clients whose allowance is whole, until the router is gone: also those of a route that nobody asks for any more.
async fn sweep_rate_limits(router: Weak<Router>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(router) = router.upgrade() else { return };
        router.live().sweep_rate_limits(router.now());
    }
}

/// Reads the table in `file`, and the secrets that it names.
///
/// # Errors
/// That it can't be read, or what is wrong with it.
pub fn read(file: &Path, credentials: &Credentials, defaults: Defaults) -> Result<Table, Refused> {
    let json = content(file).map_err(|error| Refused(vec![error.to_string()]))?;
    Table::parse(&json, defaults, &mut credentials.reading())
}

/// The content of the file, as far as is needed to see that it is too long.
fn content(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut content = Vec::new();
    std::fs::File::open(file)?.take(MOST_BYTES as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// A file with a table, and the secrets that it names, as they were last seen. By content: a mounted `ConfigMap` or Secret
/// changes by a symbolic link far above the file.
struct Followed {
    file: PathBuf,
    credentials: Credentials,
    defaults: Defaults,
    /// The last document that was tried.
    newest: Seen,
    /// The last that was taken. If it is not the newest, its secrets still count: a key that is taken back must not hold
    /// because of a mistake elsewhere.
    in_force: Seen,
    missing: bool,
    have_store: bool,
}

/// A document and what the secrets that it names held when it was tried.
#[derive(Clone)]
struct Seen {
    json: Vec<u8>,
    secrets: Fingerprints,
}

impl Followed {
    /// Sees the files for the first time. What the table at the start was made of may have changed since.
    fn new((file, credentials): (PathBuf, Credentials), defaults: Defaults, have_store: bool, router: &Router) -> Self {
        let none = Seen { json: Vec::new(), secrets: Fingerprints::default() };
        let (newest, missing) = (none.clone(), false);
        let mut followed = Self { file, credentials, defaults, newest, in_force: none, missing, have_store };
        if let Ok(json) = content(&followed.file) {
            let (seen, table) = followed.read(json);
            if let Ok(table) = table {
                router.put_in_force(table);
                followed.in_force = seen.clone();
            }
            followed.newest = seen;
        }
        followed
    }

    /// Looks at the files until the router is gone.
    async fn by(mut self, router: Weak<Router>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(router) = router.upgrade() else { return };
            self.look(&router);
        }
    }

    fn look(&mut self, router: &Router) {
        let json = match content(&self.file) {
            Ok(json) => {
                self.missing = false;
                Some(json)
            }
            Err(error) => {
                if !self.missing {
                    let file = self.file.display();
                    tracing::error!(%file, %error, "the route table can't be read, the one before stays in force");
                }
                self.missing = true;
                None
            }
        };
        let changed = json.filter(|json| *json != self.newest.json);
        if changed.is_some() || self.has_new_secrets(&self.newest) {
            let (seen, table) = self.read(changed.unwrap_or_else(|| self.newest.json.clone()));
            if router.reload(table) {
                self.in_force = seen.clone();
            }
            self.newest = seen;
        } else if self.newest.json != self.in_force.json && self.has_new_secrets(&self.in_force) {
            let (seen, table) = self.read(self.in_force.json.clone());
            router.reload(table);
            self.in_force = seen;
        }
    }

    fn has_new_secrets(&self, seen: &Seen) -> bool {
        self.credentials.again(&seen.secrets) != seen.secrets
    }

    fn read(&self, json: Vec<u8>) -> (Seen, Result<Table, Refused>) {
        let mut secrets = self.credentials.reading();
        let table = Table::parse(&json, self.defaults, &mut secrets);
        let table = table.and_then(|table| table.within_reach(self.have_store));
        (Seen { json, secrets: secrets.fingerprints() }, table)
    }
}
