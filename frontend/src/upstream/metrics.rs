//! What is counted of all upstreams, and bounded over all of them.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::Semaphore;

use crate::upstream::failure::Failure;
use crate::upstream::pool::MOST_IDLE;

/// The counters.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    connections: Family<Opened, Counter>,
    failures: Family<Failed, Counter>,
    retries: Family<Decision, Counter>,
    /// Places for idle connections.
    pub(super) places: Arc<Semaphore>,
}

/// Label of connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Opened {
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
    pub(crate) fn register(metrics: &mut service::telemetry::metrics::Metrics) -> Self {
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

    /// The connections that are opened to `upstream`.
    pub(super) fn connections(&self, upstream: &str) -> Counter {
        self.connections.get_or_create(&Opened { upstream: upstream.to_owned() }).clone()
    }

    /// The failures of `upstream`.
    pub(super) fn failures(&self, upstream: &str) -> Tally {
        Tally { upstream: upstream.to_owned(), counts: self.failures.clone() }
    }

    /// Counts a retry to `upstream` that would have been safe, and was `granted` or not.
    pub(super) fn retry(&self, upstream: &str, granted: bool) {
        let decision = if granted { "made" } else { "over_budget" };
        self.retries.get_or_create(&Decision { upstream: upstream.to_owned(), decision }).inc();
    }
}

/// Counts the failures of one upstream, by kind.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    upstream: String,
    counts: Family<Failed, Counter>,
}

/// Labels of failures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    upstream: String,
    reason: &'static str,
}

impl Tally {
    /// Counts one.
    pub(super) fn count(&self, failure: &Failure) {
        self.counts.get_or_create(&Failed { upstream: self.upstream.clone(), reason: failure.label() }).inc();
    }
}

#[cfg(test)]
impl Default for Tally {
    /// Of failures that nobody reads.
    fn default() -> Self {
        Self { upstream: "test".to_owned(), counts: Family::default() }
    }
}
