//! What is counted of all upstreams, and bounded over all of them.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::Semaphore;

use crate::upstream::failure::Failure;
use crate::upstream::pool::MOST_IDLE;

/// The counters.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    connections: Family<[(&'static str, String); 1], Counter>,
    failures: Family<[(&'static str, String); 2], Counter>,
    /// By what was decided about one that would have been safe.
    retries: Family<[(&'static str, String); 2], Counter>,
    /// Places for idle connections.
    places: Arc<Semaphore>,
}

impl Default for Metrics {
    /// Nothing has happened yet.
    fn default() -> Self {
        Self {
            connections: Family::default(),
            failures: Family::default(),
            retries: Family::default(),
            places: Arc::new(Semaphore::new(MOST_IDLE)),
        }
    }
}

impl Metrics {
    /// Registers them.
    pub(crate) fn register(metrics: &mut service::telemetry::metrics::Metrics) -> Self {
        let own = Self::default();
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

    /// Those of `upstream`.
    pub(super) fn of(&self, upstream: &str) -> Tally {
        let opened = self.connections.get_or_create(&[("upstream", upstream.to_owned())]).clone();
        Tally { upstream: upstream.to_owned(), opened, metrics: self.clone() }
    }
}

/// Counts what becomes of one upstream.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    upstream: String,
    opened: Counter,
    metrics: Metrics,
}

impl Tally {
    /// A connection was opened.
    pub(super) fn opened(&self) {
        self.opened.inc();
    }

    /// A request has no reply, or no whole one.
    pub(super) fn failed(&self, failure: &Failure) {
        self.metrics.failures.get_or_create(&self.labels("reason", failure.label())).inc();
    }

    /// A retry that would have been safe was `granted` or not.
    pub(super) fn retry(&self, granted: bool) {
        let decision = if granted { "made" } else { "over_budget" };
        self.metrics.retries.get_or_create(&self.labels("decision", decision)).inc();
    }

    fn labels(&self, name: &'static str, value: &str) -> [(&'static str, String); 2] {
        [("upstream", self.upstream.clone()), (name, value.to_owned())]
    }

    /// Places for idle connections, those of all endpoints of all upstreams.
    pub(super) fn places(&self) -> &Arc<Semaphore> {
        &self.metrics.places
    }
}
