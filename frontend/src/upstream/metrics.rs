//! What is counted of all upstreams, and bounded over all of them.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use service::telemetry::metrics::Label;
use tokio::sync::Semaphore;

use crate::upstream::failure::Failure;
use crate::upstream::pool::MOST_IDLE;

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    connections: Family<[(&'static str, Label); 1], Counter>,
    in_flight: Family<[(&'static str, Label); 1], Gauge>,
    failures: Family<[(&'static str, Label); 2], Counter>,
    /// What was decided about those that would have been safe.
    retries: Family<[(&'static str, Label); 2], Counter>,
    /// Places for idle connections.
    places: Arc<Semaphore>,
}

impl Metrics {
    /// Registers them; nothing has happened yet.
    pub(crate) fn register(metrics: &mut service::telemetry::metrics::Metrics) -> Self {
        let failures = "Requests that an upstream gave no reply to, or a reply that broke off (body_...), by reason";
        let retries = "Retries that would have been safe: made, or not within the budget";
        Self {
            connections: metrics.add("upstream_connections", "Connections opened to upstreams"),
            in_flight: metrics
                .add("upstream_requests_in_flight", "Requests that an upstream has, until their replies have ended"),
            failures: metrics.add("upstream_failures", failures),
            retries: metrics.add("upstream_retries", retries),
            places: Arc::new(Semaphore::new(MOST_IDLE)),
        }
    }

    /// Those of `upstream`.
    pub(super) fn of(&self, upstream: &str) -> Tally {
        let upstream = Label::from(upstream.to_owned());
        let opened = self.connections.get_or_create(&[("upstream", upstream.clone())]).clone();
        Tally { upstream, opened, metrics: self.clone() }
    }

    /// How many requests `upstream` has: the same gauge whenever it is asked for.
    pub(super) fn in_flight(&self, upstream: &str) -> Gauge {
        self.in_flight.get_or_create(&[("upstream", upstream.to_owned().into())]).clone()
    }
}

/// Counts what becomes of one upstream.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    upstream: Label,
    opened: Counter,
    metrics: Metrics,
}

impl Tally {
    pub(super) fn opened(&self) {
        self.opened.inc();
    }

    /// A request has no reply, or no whole one.
    pub(super) fn failed(&self, failure: &Failure) {
        let failed = [("upstream", self.upstream.clone()), ("reason", failure.label().into())];
        self.metrics.failures.get_or_create(&failed).inc();
    }

    /// A retry that would have been safe was `granted` or not.
    pub(super) fn retry(&self, granted: bool) {
        let decision = if granted { "made" } else { "over_budget" };
        let decided = [("upstream", self.upstream.clone()), ("decision", decision.into())];
        self.metrics.retries.get_or_create(&decided).inc();
    }

    /// Places for idle connections, those of all endpoints of all upstreams.
    pub(super) fn places(&self) -> &Arc<Semaphore> {
        &self.metrics.places
    }
}
