//! Counters, gauges and histograms, in the `OpenMetrics` text format.
//!
//! Labels hold only values from fixed sets (route templates, known methods, status classes): a client cannot make series.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use hyper::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::process::cgroup::Cgroup;
use crate::process::identity::Identity;
use crate::process::usage::Process;

/// Upper bounds of the latency buckets, in seconds: from a cached reply to the longest request.
const BUCKETS: [f64; 13] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 10.0];

/// Content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A route's label in metrics: its template, never a path that a client chose.
pub type Label = Cow<'static, str>;

/// Label of requests that no route took.
pub(crate) const UNROUTED: &str = "unknown";

/// Metrics of the server, and the registry that an app adds its own to.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<LatencyLabels, Histogram, fn() -> Histogram>,
    pub(crate) in_flight: Gauge,
    pub(crate) held: Gauge,
    pub(crate) abandoned: Counter,
    pub(crate) connections: Gauge,
    /// Connections that end in stages.
    pub(crate) closing: Gauge,
    pub(crate) accepted: Counter,
    pub(crate) shed: Counter,
    cut: Family<[(&'static str, &'static str); 1], Counter>,
}

/// What of a client was waited for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The rest of a request's head.
    Head,
    /// More of a request's body.
    Body,
    /// Room for more of a reply.
    Reply,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: Label,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LatencyLabels {
    route: Label,
}

impl Metrics {
    /// A registry with the server's own metrics.
    pub fn new(identity: &Identity) -> Self {
        let mut registry = Registry::default();
        let build = vec![("service", identity.service.clone()), ("version", identity.version.clone())];
        registry.register("build", "What is running", Info::new(build));
        let r = &mut registry;
        let requests = added(r, "http_requests", "Replies that have ended, by route and status class");
        let latency = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let about = "From the request's head to the end of the reply's body";
        r.register_with_unit("http_request_duration", about, Unit::Seconds, latency.clone());
        let in_flight = added(r, "http_requests_in_flight", "Requests whose reply has not ended");
        let held = Gauge::default();
        let about = "Memory taken by bodies that are kept whole";
        r.register_with_unit("http_request_bodies_held", about, Unit::Bytes, held.clone());
        let abandoned = added(r, "http_requests_abandoned", "Requests whose client went away before a reply was made");
        let connections = added(r, "http_connections", "Connections open on the service port");
        let about = "Connections whose last reply has been sent, and whose client may still be sending";
        let closing = added(r, "http_connections_closing", about);
        let accepted = added(r, "http_connections_accepted", "Connections accepted on the service port");
        let about = "Requests that were answered 503 because too many were in flight";
        let shed = added(r, "http_requests_shed", about);
        let about = "Connections whose client was too slow: with a request's head or body, or to take a reply";
        let cut = added(r, "http_connections_cut", about);
        r.register_collector(Box::new(Process));
        r.register_collector(Box::new(Cgroup::own()));
        Self { registry, requests, latency, in_flight, held, abandoned, connections, closing, accepted, shed, cut }
    }

    /// A new metric of an app, which the registry keeps as well.
    pub fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        added(&mut self.registry, name, help)
    }

    /// Requests whose reply has not ended.
    pub fn requests_in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// Connections open on the service port.
    pub fn connections_open(&self) -> i64 {
        self.connections.get()
    }

    pub(crate) fn ended(&self, method: &Method, route: &Label, status: StatusCode, took: Duration) {
        self.requests
            .get_or_create(&RequestLabels { method: method_label(method), route: route.clone(), status: class(status) })
            .inc();
        self.latency.get_or_create(&LatencyLabels { route: route.clone() }).observe(took.as_secs_f64());
    }

    /// Counts a connection whose client was `awaited` too long.
    pub(crate) fn cut(&self, awaited: Awaited) {
        let awaited = match awaited {
            Awaited::Head => "head",
            Awaited::Body => "body",
            Awaited::Reply => "reply",
        };
        self.cut.get_or_create(&[("awaited", awaited)]).inc();
    }

    /// The exposition in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// Where a metric cannot be encoded, which a correct metric never does.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(8 * 1024);
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn added<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// The methods of RFC 9110 and PATCH by name, every other as one.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "CONNECT" => "CONNECT",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "PATCH" => "PATCH",
        _ => "other",
    }
}
