//! One route: which requests it takes, and what is done with them. Each feature that it can ask for is a module beside this one.

use std::collections::BTreeMap;

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use service::telemetry::metrics::Label;

use crate::auth::{self, Guard, Reading};
use crate::headers;
use crate::mistakes::Section;
use crate::routes::aggregate::{self, Part};
use crate::routes::cors::{self, Cors};
use crate::routes::fallback::{self, Fallback};
use crate::routes::path::{Path, prefix};
use crate::routes::rate_limit::{self, PerClient};
use crate::routes::split::{self, Pin, PinEntry, Share};
use crate::routes::{host, methods, sunset};
use crate::upstream::Overrides;

/// The most of what one route lists: hosts, methods, shares, headers.
const MOST_LISTED: usize = 32;

/// What is done with the requests that match.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Route {
    /// The path, or how paths begin: whole segments, without a last slash, in the spelling of [`Path`].
    pub path: String,
    /// Only this path, and nothing below it.
    pub exact: bool,
    /// Whether a WebSocket is passed; where not, a request for one is a request as any other.
    pub(crate) websocket: bool,
    /// In their one spelling; any if empty.
    pub hosts: Vec<String>,
    /// Any if empty. HEAD is taken where GET is.
    pub methods: Vec<Method>,
    /// What the upstream sees in place of the path; the same if none.
    pub rewrite: Option<String>,
    /// What the reply is put together of; where it is, there are no shares. It is one upstream's if empty.
    pub(crate) aggregate: Vec<Part>,
    /// Upstreams and their weights, at least one with a weight.
    pub shares: Vec<Share>,
    /// Requests that leave the shares aside.
    pub(crate) pins: Vec<Pin>,
    /// Who may use it; anyone if none.
    pub(crate) auth: Option<Guard>,
    /// How long and how often a request is tried.
    pub(crate) persistence: Overrides,
    /// How many requests a client may make; any number if none.
    pub(crate) rate_limit: Option<PerClient>,
    /// What pages of other origins may do; nothing if none.
    pub(crate) cors: Option<Cors>,
    /// The longest body of a request, in bytes.
    pub most_request_bytes: u64,
    /// The longest body of a reply, in bytes.
    pub(crate) most_reply_bytes: u64,
    /// What the client gets when the upstream gives no reply; a problem if none.
    pub(crate) fallback: Option<Fallback>,
    /// Set in requests to the upstream.
    pub(crate) request_headers: Vec<(HeaderName, HeaderValue)>,
    /// Set in replies to the client.
    pub(crate) response_headers: Vec<(HeaderName, HeaderValue)>,
}

impl Route {
    /// Its label in metrics: its path, with `{*rest}` for what may follow.
    pub fn label(&self) -> Label {
        // Made for every request, so without the machinery of format!.
        if self.exact { self.path.clone().into() } else { [&self.path, "/{*rest}"].concat().into() }
    }

    /// The target at the upstream of a request for `path`, which this route takes, and `query`.
    pub fn target(&self, path: &str, query: Option<&str>) -> String {
        self.target_at(self.rewrite.as_deref(), path, query)
    }

    /// The same with `rewrite` in place of the route's own path.
    pub(crate) fn target_at(&self, rewrite: Option<&str>, path: &str, query: Option<&str>) -> String {
        let rest = &path[self.path.len().min(path.len())..];
        let start = rewrite.unwrap_or(&self.path);
        let start = if start.is_empty() && rest.is_empty() { "/" } else { start };
        match query {
            Some(query) => [start, rest, "?", query].concat(),
            None => [start, rest].concat(),
        }
    }

    /// The upstream of a request with `headers`, unless its reply is put together; every value of `random` is as likely as any other.
    pub(super) fn upstream(&self, headers: &HeaderMap, random: u32) -> Option<&str> {
        split::choose(&self.shares, &self.pins, headers, random)
    }

    pub(super) fn upstreams(&self) -> impl Iterator<Item = &String> {
        let shares = self.shares.iter().map(|share| &share.upstream).chain(self.pins.iter().map(|pin| &pin.upstream));
        shares.chain(self.aggregate.iter().map(|part| &part.upstream))
    }

    pub(super) fn takes_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    /// The methods that it takes, each once; none if it takes any.
    pub(crate) fn allowed(&self) -> Vec<Method> {
        methods::each_once(&self.methods)
    }

    pub(super) fn takes_method(&self, method: &Method) -> bool {
        methods::take(&self.methods, method)
    }

    /// By whole segments: `/shop` takes `/shop` and `/shop/cart`, and not `/shopping`.
    pub(super) fn takes_path(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || (!self.exact && rest.starts_with('/')))
    }

    /// Whether it takes only a path that differs from this one by a last slash. Many programs make no difference.
    pub(super) fn is_a_slash_from(&self, path: &str) -> bool {
        self.exact && (path.strip_suffix('/') == Some(&self.path) || self.path.strip_suffix('/') == Some(path))
    }

    /// Whether a request that `other` takes could not be one of this route.
    pub(super) fn restricts_more_than(&self, other: &Self) -> bool {
        (self.auth.is_some() && self.auth != other.auth)
            || self.rate_limit.is_some()
            || self.most_request_bytes < other.most_request_bytes
    }

    /// Sorts the more specific before the less: by host, path and method, in this order; one that says HEAD before one that
    /// takes it with GET.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        let methods = (self.methods.is_empty(), !self.methods.contains(&Method::HEAD));
        (self.hosts.is_empty(), !self.exact, usize::MAX - self.path.len(), methods)
    }

    /// Whether requests that `other` takes are as much this route's.
    pub(super) fn is_ambiguous_with(&self, other: &Self) -> bool {
        let overlap =
            |a: &[String], b: &[String]| (a.is_empty() && b.is_empty()) || a.iter().any(|host| b.contains(host));
        let methods = (self.methods.is_empty() && other.methods.is_empty())
            || self.methods.iter().any(|method| other.methods.contains(method));
        self.path == other.path && self.exact == other.exact && overlap(&self.hosts, &other.hosts) && methods
    }

    /// As a table has it, with nothing left to defaults.
    pub(super) fn document(&self) -> Value {
        // Of `/` nothing is left without its last slash.
        let whole = |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        let headers = |headers: &[(HeaderName, HeaderValue)]| -> Map<String, Value> {
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
            headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
        };
        let mut document = json!({
            "path": whole(&self.path),
            "exact": self.exact,
            "hosts": self.hosts,
            "methods": self.methods.iter().map(Method::as_str).collect::<Vec<_>>(),
            "split": self.shares.iter().map(Share::document).collect::<Vec<_>>(),
            "upgrades": if self.websocket { vec!["websocket"] } else { Vec::new() },
            "pins": self.pins.iter().map(Pin::document).collect::<Vec<_>>(),
            "requestHeaders": headers(&self.request_headers),
            "responseHeaders": headers(&self.response_headers),
        });
        let Overrides { attempt, overall, retries } = self.persistence;
        let bytes = |most| (most < u64::MAX).then(|| Value::from(most));
        for (key, value) in [
            ("rewrite", self.rewrite.as_deref().map(|path| whole(path).into())),
            ("tryTimeoutSeconds", attempt.map(|time| time.as_secs_f64().into())),
            ("timeoutSeconds", overall.map(|time| time.as_secs_f64().into())),
            ("retries", retries.map(Value::from)),
            ("maxRequestBytes", bytes(self.most_request_bytes)),
            ("maxReplyBytes", bytes(self.most_reply_bytes)),
            ("auth", self.auth.as_ref().map(Guard::document)),
            ("cors", self.cors.as_ref().map(Cors::document)),
            ("fallback", self.fallback.as_ref().map(Fallback::document)),
            ("rateLimit", self.rate_limit.as_ref().map(PerClient::document)),
            ("aggregate", (!self.aggregate.is_empty()).then(|| aggregate::document(&self.aggregate, whole))),
        ] {
            if let Some(value) = value {
                document[key] = value;
            }
        }
        document
    }
}

/// As a table has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Entry {
    path: String,
    #[serde(default)]
    exact: bool,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    methods: Vec<String>,
    rewrite: Option<String>,
    upstream: Option<String>,
    #[serde(default)]
    aggregate: BTreeMap<String, aggregate::Entry>,
    #[serde(default)]
    split: Vec<Share>,
    #[serde(default)]
    pins: Vec<PinEntry>,
    try_timeout_seconds: Option<f64>,
    timeout_seconds: Option<f64>,
    retries: Option<u32>,
    #[serde(default)]
    upgrades: Vec<Protocol>,
    auth: Option<auth::Entry>,
    rate_limit: Option<rate_limit::Entry>,
    cors: Option<cors::Entry>,
    max_request_bytes: Option<u64>,
    max_reply_bytes: Option<u64>,
    fallback: Option<fallback::Entry>,
    #[serde(default)]
    request_headers: BTreeMap<String, String>,
    #[serde(default)]
    response_headers: BTreeMap<String, String>,
}

/// What a connection may leave HTTP for.
#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    WebSocket,
}

impl Entry {
    /// Checks it, and reads the secret that it names. Of a route with mistakes there is as much as could be read, to look for more.
    pub(super) fn check(self, section: &mut Section, secrets: &mut Reading) -> Route {
        for (key, count) in [
            ("hosts", self.hosts.len()),
            ("methods", self.methods.len()),
            ("split", self.split.len()),
            ("pins", self.pins.len()),
            ("upgrades", self.upgrades.len()),
            ("requestHeaders", self.request_headers.len()),
            ("responseHeaders", self.response_headers.len()),
        ] {
            section.count(key, count, MOST_LISTED);
        }
        let path = prefix(section, "path", &self.path, self.exact);
        // The route would be found by one of them only.
        if let Some(other) = Path::read(&self.path).iter().flat_map(Path::others).next() {
            let reason = format!("path {:?}: some programs take it for {other:?}", self.path);
            section.mistake(format!("{reason}: accepted is a path without parameters (;) and encoded delimiters"));
        }
        let puts_together = !self.aggregate.is_empty();
        let mut methods = methods::read(section, &self.methods);
        if puts_together {
            let others = [!self.split.is_empty(), !self.pins.is_empty(), !self.upgrades.is_empty()];
            if self.upstream.is_some() || self.rewrite.is_some() || others.contains(&true) {
                let mend = "leave out upstream, split, pins, rewrite and upgrades, its parts have their own";
                section.mistake(format!("aggregate: {mend}"));
            }
            if methods.iter().any(|method| *method != Method::GET) {
                section.mistake("aggregate: it takes GET: leave methods out");
            }
            methods = vec![Method::GET];
        }
        let has_auth = self.auth.is_some();
        let response_headers = set_headers(section, "responseHeaders", &self.response_headers);
        for mistake in sunset::mistakes(&response_headers) {
            section.mistake(format!("responseHeaders: {mistake}"));
        }
        Route {
            path,
            exact: self.exact,
            websocket: self.upgrades.contains(&Protocol::WebSocket),
            hosts: self.hosts.iter().map(|host| host::read(section, host)).collect(),
            methods,
            rewrite: self.rewrite.map(|text| prefix(section, "rewrite", &text, self.exact)),
            aggregate: aggregate::read(section, self.aggregate, self.exact),
            shares: if puts_together { Vec::new() } else { split::read(section, self.upstream, self.split) },
            pins: self.pins.into_iter().filter_map(|pin| pin.check(section)).collect(),
            persistence: Overrides::read(section, self.try_timeout_seconds, self.timeout_seconds, self.retries),
            auth: self.auth.and_then(|entry| entry.check(section, secrets)),
            rate_limit: self.rate_limit.and_then(|entry| entry.check(section, has_auth)),
            cors: self.cors.map(|entry| entry.check(section)),
            most_request_bytes: self.max_request_bytes.unwrap_or(u64::MAX),
            most_reply_bytes: self.max_reply_bytes.unwrap_or(if puts_together { aggregate::LONGEST } else { u64::MAX }),
            fallback: self.fallback.and_then(|entry| entry.check(section)),
            request_headers: set_headers(section, "requestHeaders", &self.request_headers),
            response_headers,
        }
    }
}

/// Headers that the gateway sets, under `key`.
fn set_headers(section: &mut Section, key: &str, entries: &BTreeMap<String, String>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, value) in entries {
        let Some(header) = headers::read(section, key, name, value) else { continue };
        // Of names that differ in case only one would be set, and the document could not say which.
        if headers.iter().any(|(other, _)| *other == header.0) {
            section.mistake(format!("{key}: {} is given twice", header.0));
        }
        headers.push(header);
    }
    // In the order of their names as they are sent, not as they were written: what says the same is the same.
    headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    headers
}
