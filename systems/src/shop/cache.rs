//! What was read of a database lately, beside it in a Redis that all pods of a service share (cache-aside): who reads looks here
//! first, and leaves here what the database had to be asked for.
//!
//! # What is promised
//! - The database is what counts. While the store is away, slow, full or refuses, everything is answered from the database: each
//!   of the two steps of a read has [`Settings::patience`], and none waits for a store that is known to be away.
//! - Who changes an entry leaves a mark in its place for a while, so that who has read it before, and comes later, does not put
//!   the old one back. So an entry is old for no longer than [`Settings::kept`], and only where the store did not take the mark.
//! - Only what is there is kept: one that is added is found at once.

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde::de::IgnoredAny;
use service::telemetry::metrics::Metrics;
use service::telemetry::notice::Notice;
use tokio::time::timeout;

use store::unavailable::Unavailable;
use store::{Store, Value};

/// How long the mark of a change stays. Who has read for half as long leaves nothing: it may have read what was before.
const MARKED: Duration = Duration::from_secs(5);
/// What stands in the place of an entry that has changed.
const MARK: &[u8] = b"";

service::settings! {
    /// How a cache is used.
    #[derive(Debug, Clone, Copy)]
    pub struct Settings {
        /// users, products: how long what was read is kept in the store, for all pods
        kept: Duration = seconds("CACHE_SECONDS", "60", Duration::from_millis(100));
        /// users, products: milliseconds that the store has for each answer before the database is asked without it
        patience: Duration = milliseconds("CACHE_TIMEOUT_MS", "50", 1, 1000);
    }
}

/// What it says of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// It, as JSON.
    Hit(String),
    /// It is not here. Where it is left afterwards if it comes in time.
    Miss(Place),
    /// Nothing: the store gave no answer that can be used.
    Away,
}

/// Where an entry may be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    key: String,
    since: Instant,
}

pub(crate) struct Cache {
    store: Store,
    settings: Settings,
    requests: Family<[(&'static str, &'static str); 1], Counter>,
    failures: Notice,
}

impl Cache {
    pub(crate) fn new(store: Store, settings: Settings, metrics: &mut Metrics) -> Self {
        let about = "Entries looked for in the cache: found, not there, or without an answer in time";
        let cache =
            Self { store, settings, requests: metrics.add("cache_requests", about), failures: Notice::default() };
        for result in ["hit", "miss", "error"] {
            cache.counter(result);
        }
        cache
    }

    /// Looks for the entry `id` of the `kind`.
    pub(crate) async fn find(&self, kind: &str, id: i64) -> Found {
        let place = Place { key: key(kind, id), since: Instant::now() };
        let (result, found) = match self.ask(&[b"GET", place.key.as_bytes()]).await {
            Ok(Value::Text(entry)) if entry != MARK => match String::from_utf8(entry) {
                Ok(entry) if serde_json::from_str::<IgnoredAny>(&entry).is_ok() => ("hit", Found::Hit(entry)),
                // Nothing that was left here by this program: it goes by itself, or with the next change.
                _ => ("error", Found::Away),
            },
            Ok(_) => ("miss", Found::Miss(place)),
            Err(_) => ("error", Found::Away),
        };
        self.counter(result).inc();
        found
    }

    /// Leaves `entry` at its `place`, unless it has changed meanwhile. Whether it is there.
    pub(crate) async fn leave(&self, place: &Place, entry: &str) -> bool {
        let kept = self.settings.kept.as_millis().to_string();
        let command = [b"SET", place.key.as_bytes(), entry.as_bytes(), b"PX", kept.as_bytes(), b"NX"];
        place.since.elapsed() < MARKED / 2 && matches!(self.ask(&command).await, Ok(Value::Text(_)))
    }

    /// Forgets the entry `id` of the `kind`, which may have changed.
    pub(crate) async fn forget(&self, kind: &str, id: i64) {
        let marked = MARKED.as_millis().to_string();
        // Where it fails, the entry is old until its time is over.
        let _ = self.ask(&[b"SET", key(kind, id).as_bytes(), MARK, b"PX", marked.as_bytes()]).await;
    }

    async fn ask(&self, command: &[&[u8]]) -> Result<Value, Unavailable> {
        let patience = self.settings.patience;
        let late = || Unavailable::Unreachable(format!("no answer within {} ms", patience.as_millis()));
        let answer = timeout(patience, self.store.ask(command)).await.unwrap_or_else(|_| Err(late()));
        answer.inspect_err(|failure| {
            let failure = failure.clone();
            self.failures
                .happens(move |times| tracing::warn!(%failure, times, "cache: the database is asked without it"));
        })
    }

    fn counter(&self, result: &'static str) -> impl std::ops::Deref<Target = Counter> {
        self.requests.get_or_create(&[("result", result)])
    }
}

fn key(kind: &str, id: i64) -> String {
    format!("cache:{kind}:{id}")
}
