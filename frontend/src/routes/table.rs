//! The route table: which requests go to which upstream, and how.
//!
//! It is a JSON document, read as a whole and checked as a whole: a table with one mistake does not replace the one in
//! force, and every mistake is named with its place and its mend.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use service::telemetry::metrics::Label;

use crate::auth::Guard;
use crate::routes::cors::Cors;
use crate::routes::path::Path;
use crate::routes::{host, rate_limit};
use crate::upstream::{Origin, Persistence, Resilience, Timeouts};

/// The longest document that is read.
pub const MOST_BYTES: usize = 256 * 1024;

/// A table that was checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Where requests can go, by name.
    pub upstreams: BTreeMap<String, Target>,
    /// The first that matches wins: sorted, the most specific first.
    pub routes: Vec<Route>,
}

/// An upstream as a table describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Where it is.
    pub origin: Origin,
    /// How long to wait for it.
    pub timeouts: Timeouts,
    /// What is done about its failures.
    pub resilience: Resilience,
}

/// What is done with the requests that match.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The path, or how paths begin: whole segments, without a last slash, in the spelling of [`Path`].
    pub path: String,
    /// Only this path, and nothing below it.
    pub exact: bool,
    /// Whether a WebSocket is passed; where not, a request for one is a request as any other.
    pub websocket: bool,
    /// As [`host::name`] has them; any if empty.
    pub hosts: Vec<String>,
    /// Any if empty. HEAD is taken where GET is.
    pub methods: Vec<Method>,
    /// What the upstream sees in place of the path; the same if none.
    pub rewrite: Option<String>,
    /// Upstreams and their weights, at least one with a weight.
    pub shares: Vec<Share>,
    /// Requests that leave the shares aside.
    pub pins: Vec<Pin>,
    /// Who may use it; anyone if none.
    pub auth: Option<Guard>,
    /// How long and how often a request is tried.
    pub persistence: Overrides,
    /// How many requests a client may make; any number if none.
    pub rate_limit: Option<RateLimitTerms>,
    /// What pages of other origins may do; nothing if none.
    pub cors: Option<Cors>,
    /// The longest body of a request, in bytes.
    pub most_request_bytes: u64,
    /// The longest body of a reply, in bytes.
    pub most_reply_bytes: u64,
    /// What the client gets when the upstream gives no reply; a problem if none.
    pub fallback: Option<Fallback>,
    /// Set in requests to the upstream.
    pub request_headers: Vec<(HeaderName, HeaderValue)>,
    /// Set in replies to the client.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
}

/// What of an upstream's [`Persistence`] is different for the requests of a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// For one try.
    pub attempt: Option<Duration>,
    /// For all tries.
    pub overall: Option<Duration>,
    /// Tries after the first.
    pub retries: Option<u32>,
}

impl Overrides {
    /// These over the `usual` ones.
    #[must_use]
    pub fn over(self, usual: Persistence) -> Persistence {
        Persistence {
            attempt: self.attempt.unwrap_or(usual.attempt),
            overall: self.overall.unwrap_or(usual.overall),
            retries: self.retries.unwrap_or(usual.retries),
        }
    }
}

/// How many requests a client may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitTerms {
    /// How many.
    pub terms: rate_limit::Terms,
    /// Who a client is.
    pub client: ClientKey,
}

/// A reply that stands in for the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Its status.
    pub status: StatusCode,
    /// Its `Content-Type`.
    pub content_type: HeaderValue,
    /// Its body.
    pub body: Bytes,
}

/// What tells clients apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientKey {
    /// The address that the connection comes from: behind another proxy, that proxy's.
    Address,
    /// The value of this header. Requests without it are told apart by address.
    Header(HeaderName),
    /// The name that the route's `auth` knows it by.
    Client,
}

/// A part of a route's requests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Share {
    /// Name of an upstream.
    pub upstream: String,
    /// Of so many parts in all.
    pub weight: u32,
}

/// Requests with a header of this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The header.
    pub header: HeaderName,
    /// Its value, byte by byte.
    pub value: HeaderValue,
    /// Name of an upstream.
    pub upstream: String,
}

/// What a table says to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Match<'t> {
    /// This route, and its place among the routes.
    Route(usize, &'t Route),
    /// There are routes for this host and path, but none for the method; they take these, each once.
    OtherMethods(Vec<Method>),
    /// This route, and another one if the path is read as some programs do: nobody can say what it may do.
    Unclear,
    /// No route.
    None,
}

/// Why a document is no table: each mistake with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("; "))
    }
}

/// What an upstream has where the document says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// How long to wait.
    pub timeouts: Timeouts,
    /// What is done about failures.
    pub resilience: Resilience,
}

impl Table {
    /// The table of a gateway that was given none: `/proxy/...` leads to `/api/...` of one upstream, called `backend`.
    #[must_use]
    pub fn of_one(target: Target) -> Self {
        let name = "backend";
        let route = Route {
            path: "/proxy".into(),
            exact: false,
            websocket: false,
            hosts: Vec::new(),
            methods: Vec::new(),
            rewrite: Some("/api".into()),
            shares: vec![Share { upstream: name.into(), weight: 1 }],
            pins: Vec::new(),
            persistence: Overrides::default(),
            auth: None,
            rate_limit: None,
            cors: None,
            most_request_bytes: u64::MAX,
            most_reply_bytes: u64::MAX,
            fallback: None,
            request_headers: Vec::new(),
            response_headers: Vec::new(),
        };
        Self { upstreams: BTreeMap::from([(name.into(), target)]), routes: vec![route] }
    }

    /// What is done with a request of `method` for `path` at `host` (with or without a port).
    #[must_use]
    pub fn find(&self, method: &Method, host: &str, path: &Path<'_>) -> Match<'_> {
        let host = host::name(host);
        let found = self.find_as(method, &host, path.as_str());
        let Match::Route(place, _) = found else { return found };
        let same = |other| matches!(self.find_as(method, &host, other), Match::Route(at, _) if at == place);
        if path.others().all(same) { found } else { Match::Unclear }
    }

    /// As [`Table::find`], whatever else the path could be.
    fn find_as(&self, method: &Method, host: &str, path: &str) -> Match<'_> {
        let mut others = Vec::new();
        let mut passed: Option<&Route> = None;
        for (place, route) in self.routes.iter().enumerate().filter(|(_, route)| route.takes_host(host)) {
            if !route.takes_path(path) {
                let close = route.is_a_slash_from(path) && route.takes_method(method);
                passed = passed.or(close.then_some(route));
            } else if !route.takes_method(method) {
                others.extend(&route.methods);
            } else if !route.exact && passed.is_some_and(|passed| passed.restricts_more_than(route)) {
                return Match::Unclear;
            } else {
                return Match::Route(place, route);
            }
        }
        if others.is_empty() { Match::None } else { Match::OtherMethods(taken(&others)) }
    }
}

/// `methods`, each once, and HEAD where GET is.
fn taken(methods: &[&Method]) -> Vec<Method> {
    let mut taken: Vec<Method> = Vec::new();
    for method in methods {
        let head = (*method == Method::GET).then_some(&Method::HEAD);
        for method in [*method].into_iter().chain(head) {
            if !taken.contains(method) {
                taken.push(method.clone());
            }
        }
    }
    taken
}

impl Route {
    /// Its label in metrics: its path, with `{*rest}` for what may follow.
    #[must_use]
    pub fn label(&self) -> Label {
        // Made for every request, so without the machinery of format!.
        if self.exact { self.path.clone().into() } else { [&self.path, "/{*rest}"].concat().into() }
    }

    /// The target at the upstream of a request for `path`, which this route takes, and `query`.
    #[must_use]
    pub fn target(&self, path: &str, query: Option<&str>) -> String {
        let rest = &path[self.path.len().min(path.len())..];
        let start = self.rewrite.as_deref().unwrap_or(&self.path);
        let start = if start.is_empty() && rest.is_empty() { "/" } else { start };
        match query {
            Some(query) => [start, rest, "?", query].concat(),
            None => [start, rest].concat(),
        }
    }

    /// The upstream of a request with `headers`; every value of `random` is as likely as any other.
    #[must_use]
    pub fn upstream(&self, headers: &HeaderMap, random: u32) -> &str {
        let pinned = self.pins.iter().find(|pin| headers.get_all(&pin.header).iter().any(|value| *value == pin.value));
        if let Some(pin) = pinned {
            return &pin.upstream;
        }
        let weights: u64 = self.shares.iter().map(|share| u64::from(share.weight)).sum();
        let mut point = (u64::from(random) * weights) >> 32;
        for share in &self.shares {
            if point < u64::from(share.weight) {
                return &share.upstream;
            }
            point -= u64::from(share.weight);
        }
        &self.shares[0].upstream
    }

    /// Names of all upstreams that it may lead to.
    fn upstreams(&self) -> impl Iterator<Item = &String> {
        self.shares.iter().map(|share| &share.upstream).chain(self.pins.iter().map(|pin| &pin.upstream))
    }

    fn takes_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    /// The methods that it takes, each once; none if it takes any.
    #[must_use]
    pub fn allowed(&self) -> Vec<Method> {
        taken(&self.methods.iter().collect::<Vec<_>>())
    }

    /// HEAD is GET without the content (RFC 9110, section 9.3.2): who may do the one may do the other.
    fn takes_method(&self, method: &Method) -> bool {
        let methods = &self.methods;
        methods.is_empty() || methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET))
    }

    /// By whole segments: `/shop` takes `/shop` and `/shop/cart`, and not `/shopping`.
    fn takes_path(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || (!self.exact && rest.starts_with('/')))
    }

    /// Whether it takes only a path that differs from this one by a last slash. Many programs make no difference.
    fn is_a_slash_from(&self, path: &str) -> bool {
        self.exact && (path.strip_suffix('/') == Some(&self.path) || self.path.strip_suffix('/') == Some(path))
    }

    /// Whether a request that `other` takes could not be one of this route.
    fn restricts_more_than(&self, other: &Self) -> bool {
        (self.auth.is_some() && self.auth != other.auth)
            || self.rate_limit.is_some()
            || self.most_request_bytes < other.most_request_bytes
    }

    /// Sorts the more specific before the less: by host, path and method, in this order; one that says HEAD before one that
    /// takes it with GET.
    fn rank(&self) -> impl Ord + use<> {
        let methods = (self.methods.is_empty(), !self.methods.contains(&Method::HEAD));
        (self.hosts.is_empty(), !self.exact, usize::MAX - self.path.len(), methods)
    }
}

impl Route {
    fn is_ambiguous_with(&self, other: &Self) -> bool {
        let overlap =
            |a: &[String], b: &[String]| (a.is_empty() && b.is_empty()) || a.iter().any(|host| b.contains(host));
        let methods = (self.methods.is_empty() && other.methods.is_empty())
            || self.methods.iter().any(|method| other.methods.contains(method));
        self.path == other.path && self.exact == other.exact && overlap(&self.hosts, &other.hosts) && methods
    }
}
