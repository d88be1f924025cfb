//! The route table: which requests go to which upstream, and how.
//!
//! It is a JSON document, read as a whole and checked as a whole: a table with one mistake does not replace the one in
//! force, and every mistake is named with its place and its mend.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use service::route::Label;

use crate::api_key::ApiKeys;
use crate::auth::{Guard, claims_client};
use crate::backoff::MOST_RETRIES;
use crate::cors::Cors;
use crate::credentials::Reading;
use crate::token::{Algorithm, Key, Rules};
use crate::upstream::{Origin, Persistence, Resilience, Timeouts};
use crate::{breaker, budget, path, rate_limit, sunset};

/// The longest document that is read.
pub const MOST_BYTES: usize = 256 * 1024;
/// The most routes, and the most upstreams.
const MOST_ENTRIES: usize = 256;
/// The most of what one route lists: hosts, methods, shares, headers.
const MOST_LISTED: usize = 32;
/// The most requests of a rate limit.
const MOST_LIMITED: u32 = 1_000_000;
/// Clients of a rate limit that are told apart at a time: some 1 MB.
const CLIENTS_TOLD_APART: usize = 10_000;
/// The longest name of a token's issuer or audience, in bytes.
const MOST_NAME: usize = 1024;
/// How far the clock of a token's issuer may be off, in seconds.
const MOST_LEEWAY: f64 = 300.0;
/// How far it may be off where the table says nothing, in seconds.
const USUAL_LEEWAY: f64 = 30.0;
/// The longest time that a table can ask for, in seconds.
const MOST_SECONDS: f64 = 3600.0;

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
    /// The path, or how paths begin: whole segments, without a last slash.
    pub path: String,
    /// Only this path, and nothing below it.
    pub exact: bool,
    /// Names in lower case, without a port; any if empty.
    pub hosts: Vec<String>,
    /// Any if empty.
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Match<'t> {
    /// This route, and its place among the routes.
    Route(usize, &'t Route),
    /// There are routes for this host and path, but none for the method; they take these.
    OtherMethods(&'t [Method]),
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    upstreams: BTreeMap<String, UpstreamEntry>,
    routes: Vec<RouteEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UpstreamEntry {
    url: String,
    connect_timeout_seconds: Option<f64>,
    try_timeout_seconds: Option<f64>,
    timeout_seconds: Option<f64>,
    idle_seconds: Option<f64>,
    max_age_seconds: Option<f64>,
    retries: Option<u32>,
    retry_budget_percent: Option<u32>,
    breaker_failures: Option<u32>,
    breaker_open_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RouteEntry {
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
    split: Vec<Share>,
    #[serde(default)]
    pins: Vec<PinEntry>,
    try_timeout_seconds: Option<f64>,
    timeout_seconds: Option<f64>,
    retries: Option<u32>,
    auth: Option<AuthEntry>,
    rate_limit: Option<RateLimitEntry>,
    cors: Option<CorsEntry>,
    max_request_bytes: Option<u64>,
    max_reply_bytes: Option<u64>,
    fallback: Option<FallbackEntry>,
    #[serde(default)]
    request_headers: BTreeMap<String, String>,
    #[serde(default)]
    response_headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PinEntry {
    header: String,
    value: String,
    upstream: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CorsEntry {
    origins: Vec<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    expose_headers: Vec<String>,
    #[serde(default)]
    credentials: bool,
    max_age_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FallbackEntry {
    status: u16,
    content_type: String,
    body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AuthEntry {
    api_key: Option<ApiKeyEntry>,
    jwt: Option<JwtEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ApiKeyEntry {
    secret: String,
    header: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct JwtEntry {
    secret: String,
    algorithm: Algorithm,
    issuer: Option<String>,
    audience: Option<String>,
    leeway_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RateLimitEntry {
    requests: u32,
    period_seconds: f64,
    by_header: Option<String>,
    #[serde(default)]
    by_client: bool,
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
    /// Reads and checks `json`, and the secrets that it names.
    ///
    /// # Errors
    /// Every mistake in it; of a document that is no JSON, or not of this form, the first. Nothing of what a secret holds.
    pub fn parse(json: &[u8], defaults: Defaults, secrets: &mut Reading) -> Result<Self, Refused> {
        if json.len() > MOST_BYTES {
            return Err(Refused(vec![format!("the table has {} bytes, and {MOST_BYTES} are accepted", json.len())]));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let document: Document = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| Refused(vec![format!("{}: {}", error.path(), error.inner())]))?;
        deserializer.end().map_err(|error| Refused(vec![format!("after the table: {error}")]))?;
        let mut mistakes = Mistakes::default();
        let table = document.check(defaults, secrets, &mut mistakes);
        if mistakes.0.is_empty() { Ok(table) } else { Err(Refused(mistakes.0)) }
    }

    /// The table of a gateway that was given none: `/proxy/...` leads to `/api/...` of one upstream, called `backend`.
    #[must_use]
    pub fn of_one(target: Target) -> Self {
        let name = "backend";
        let route = Route {
            path: "/proxy".into(),
            exact: false,
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

    /// The table as a document: of the form that [`Table::parse`] reads, with nothing left to defaults. Of secrets it has
    /// the names.
    #[must_use]
    pub fn document(&self) -> Value {
        let upstreams: Map<String, Value> =
            self.upstreams.iter().map(|(name, target)| (name.clone(), target.document())).collect();
        let routes: Vec<Value> = self.routes.iter().map(Route::document).collect();
        json!({"upstreams": upstreams, "routes": routes})
    }

    /// What is done with a request of `method` for `path` (still percent-encoded, without its query) at `host` (with or
    /// without a port).
    #[must_use]
    pub fn find(&self, method: &Method, host: &str, path: &str) -> Match<'_> {
        let host = name_of(host);
        let mut others: Option<&[Method]> = None;
        for (place, route) in self.routes.iter().enumerate() {
            if !route.takes_host(host) || !route.takes_path(path) {
                continue;
            }
            if route.methods.is_empty() || route.methods.contains(method) {
                return Match::Route(place, route);
            }
            others = others.or(Some(&route.methods));
        }
        others.map_or(Match::None, Match::OtherMethods)
    }
}

impl Target {
    fn document(&self) -> Value {
        let Timeouts { connect, attempt, overall, idle, max_age } = self.timeouts;
        let Resilience { retries, budget, breaker } = self.resilience;
        let open = breaker.unwrap_or_default().open;
        json!({
            "url": format!("http://{}", self.origin.authority),
            "connectTimeoutSeconds": connect.as_secs_f64(),
            "tryTimeoutSeconds": attempt.as_secs_f64(),
            "timeoutSeconds": overall.as_secs_f64(),
            "idleSeconds": idle.as_secs_f64(),
            "maxAgeSeconds": max_age.unwrap_or_default().as_secs_f64(),
            "retries": retries,
            "retryBudgetPercent": budget.percent,
            "breakerFailures": breaker.map_or(0, |terms| terms.failures),
            "breakerOpenSeconds": open.as_secs_f64(),
        })
    }
}

impl Route {
    fn document(&self) -> Value {
        // Of `/` nothing is left without its last slash.
        let whole = |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = |headers: &[(HeaderName, HeaderValue)]| -> Map<String, Value> {
            headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect()
        };
        let split = |share: &Share| json!({"upstream": share.upstream, "weight": share.weight});
        let pin =
            |pin: &Pin| json!({"header": pin.header.as_str(), "value": text(&pin.value), "upstream": pin.upstream});
        let mut document = json!({
            "path": whole(&self.path),
            "exact": self.exact,
            "hosts": self.hosts,
            "methods": self.methods.iter().map(Method::as_str).collect::<Vec<_>>(),
            "split": self.shares.iter().map(split).collect::<Vec<_>>(),
            "pins": self.pins.iter().map(pin).collect::<Vec<_>>(),
            "requestHeaders": headers(&self.request_headers),
            "responseHeaders": headers(&self.response_headers),
        });
        if let Some(rewrite) = &self.rewrite {
            document["rewrite"] = whole(rewrite).into();
        }
        let Overrides { attempt, overall, retries } = self.persistence;
        for (key, time) in [("tryTimeoutSeconds", attempt), ("timeoutSeconds", overall)] {
            if let Some(time) = time {
                document[key] = time.as_secs_f64().into();
            }
        }
        if let Some(retries) = retries {
            document["retries"] = retries.into();
        }
        for (key, most) in [("maxRequestBytes", self.most_request_bytes), ("maxReplyBytes", self.most_reply_bytes)] {
            if most < u64::MAX {
                document[key] = most.into();
            }
        }
        match &self.auth {
            None => {}
            Some(Guard::ApiKey { secret, header, keys: _ }) => {
                document["auth"] = json!({"apiKey": {"secret": secret, "header": header.as_str()}});
            }
            Some(Guard::Jwt { secret, rules, key }) => {
                let mut jwt = json!({
                    "secret": secret,
                    "algorithm": key.algorithm().name(),
                    "leewaySeconds": rules.leeway.as_secs_f64(),
                });
                for (name, value) in [("issuer", &rules.issuer), ("audience", &rules.audience)] {
                    if let Some(value) = value {
                        jwt[name] = value.as_str().into();
                    }
                }
                document["auth"] = json!({"jwt": jwt});
            }
        }
        if let Some(cors) = &self.cors {
            let names = |names: &[HeaderName]| names.iter().map(HeaderName::to_string).collect::<Vec<_>>();
            let origins: Vec<String> = cors.origins.iter().map(text).collect();
            document["cors"] = json!({
                "origins": if origins.is_empty() { vec!["*".to_owned()] } else { origins },
                "methods": cors.methods.iter().map(Method::as_str).collect::<Vec<_>>(),
                "headers": names(&cors.headers),
                "exposeHeaders": names(&cors.expose),
                "credentials": cors.credentials,
                "maxAgeSeconds": cors.max_age.as_secs_f64(),
            });
        }
        if let Some(fallback) = &self.fallback {
            document["fallback"] = json!({
                "status": fallback.status.as_u16(),
                "contentType": text(&fallback.content_type),
                "body": String::from_utf8_lossy(&fallback.body),
            });
        }
        if let Some(limit) = &self.rate_limit {
            document["rateLimit"] =
                json!({"requests": limit.terms.limit, "periodSeconds": limit.terms.period.as_secs_f64()});
            match &limit.client {
                ClientKey::Address => {}
                ClientKey::Header(name) => document["rateLimit"]["byHeader"] = name.as_str().into(),
                ClientKey::Client => document["rateLimit"]["byClient"] = true.into(),
            }
        }
        document
    }

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

    fn leads_to(&self, upstream: &str) -> bool {
        let shares = self.shares.iter().map(|share| &share.upstream);
        shares.chain(self.pins.iter().map(|pin| &pin.upstream)).any(|name| name == upstream)
    }

    fn takes_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    /// By whole segments: `/shop` takes `/shop` and `/shop/cart`, and not `/shopping`.
    fn takes_path(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || (!self.exact && rest.starts_with('/')))
    }

    /// Sorts the more specific before the less: by host, path and method, in this order.
    fn rank(&self) -> impl Ord + use<> {
        (self.hosts.is_empty(), !self.exact, usize::MAX - self.path.len(), self.methods.is_empty())
    }
}

impl Document {
    fn check(self, defaults: Defaults, secrets: &mut Reading, mistakes: &mut Mistakes) -> Table {
        mistakes.count("upstreams", self.upstreams.len(), MOST_ENTRIES);
        mistakes.count("routes", self.routes.len(), MOST_ENTRIES);
        let upstreams: BTreeMap<String, Target> = self
            .upstreams
            .into_iter()
            .filter_map(|(name, entry)| {
                let place = format!("upstreams.{name}");
                entry.check(&place, defaults, mistakes).map(|target| (name, target))
            })
            .collect();
        let mut routes: Vec<Route> = Vec::new();
        for (index, entry) in self.routes.into_iter().enumerate() {
            let place = format!("routes[{index}]");
            let route = entry.check(&place, secrets, mistakes);
            // What an upstream has by itself was checked there.
            let own = route.persistence != Overrides::default();
            for (name, target) in upstreams.iter().filter(|(name, _)| own && route.leads_to(name)) {
                let Persistence { attempt, overall, .. } =
                    route.persistence.over(Persistence::of(&target.timeouts, &target.resilience));
                if attempt > overall {
                    let (attempt, overall) = (attempt.as_secs_f64(), overall.as_secs_f64());
                    let text = format!(
                        "for the upstream {name} tryTimeoutSeconds {attempt} is above timeoutSeconds {overall}: lower the one or \
                         raise the other"
                    );
                    mistakes.add(&place, text);
                }
            }
            for name in
                route.shares.iter().map(|share| &share.upstream).chain(route.pins.iter().map(|pin| &pin.upstream))
            {
                if !upstreams.contains_key(name) {
                    let known: Vec<&str> = upstreams.keys().map(String::as_str).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    mistakes.add(&place, format!("there is no upstream {name:?}, and there are: {known}"));
                }
            }
            if let Some(other) = routes.iter().position(|other| other.is_ambiguous_with(&route)) {
                mistakes
                    .add(&place, format!("takes requests that routes[{other}] takes, and neither is more specific"));
            }
            routes.push(route);
        }
        routes.sort_by_key(Route::rank);
        Table { upstreams, routes }
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

impl UpstreamEntry {
    fn check(self, place: &str, defaults: Defaults, mistakes: &mut Mistakes) -> Option<Target> {
        let Defaults { timeouts, resilience } = defaults;
        let mut seconds = |key: &str, given: Option<f64>, default: Duration, least: f64| {
            mistakes.seconds(place, key, given, least).unwrap_or(default)
        };
        let connect = seconds("connectTimeoutSeconds", self.connect_timeout_seconds, timeouts.connect, 0.001);
        let attempt = seconds("tryTimeoutSeconds", self.try_timeout_seconds, timeouts.attempt, 0.001);
        let overall = seconds("timeoutSeconds", self.timeout_seconds, timeouts.overall, 0.001);
        let idle = seconds("idleSeconds", self.idle_seconds, timeouts.idle, 0.001);
        let max_age = seconds("maxAgeSeconds", self.max_age_seconds, timeouts.max_age.unwrap_or_default(), 0.0);
        let usual = resilience.breaker.unwrap_or_default();
        let open = seconds("breakerOpenSeconds", self.breaker_open_seconds, usual.open, 0.001);
        if attempt > overall {
            let (attempt, overall) = (attempt.as_secs_f64(), overall.as_secs_f64());
            let text = format!(
                "tryTimeoutSeconds {attempt} is above timeoutSeconds {overall}: lower the one or raise the other"
            );
            mistakes.add(place, text);
        }
        let mut number = |key: &str, given: Option<u32>, default: u32, most: u32| {
            let given = given.unwrap_or(default);
            if given > most {
                mistakes.add(place, format!("{key} is {given}, and 0 to {most} is accepted"));
            }
            given
        };
        let retries = number("retries", self.retries, resilience.retries, MOST_RETRIES);
        let percent = number("retryBudgetPercent", self.retry_budget_percent, resilience.budget.percent, 100);
        let failures = resilience.breaker.map_or(0, |terms| terms.failures);
        let failures = number("breakerFailures", self.breaker_failures, failures, 1_000_000);
        let Some(origin) = Origin::parse(&self.url) else {
            mistakes
                .add(place, format!("url {:?}: accepted is http://HOST or http://HOST:PORT without a path", self.url));
            return None;
        };
        Some(Target {
            origin,
            timeouts: Timeouts { connect, attempt, overall, idle, max_age: Some(max_age).filter(|age| !age.is_zero()) },
            resilience: Resilience {
                retries,
                budget: budget::Terms { percent, ..resilience.budget },
                breaker: (failures > 0).then_some(breaker::Terms { failures, open }),
            },
        })
    }
}

impl RouteEntry {
    fn check(self, place: &str, secrets: &mut Reading, mistakes: &mut Mistakes) -> Route {
        for (key, count) in [
            ("hosts", self.hosts.len()),
            ("methods", self.methods.len()),
            ("split", self.split.len()),
            ("pins", self.pins.len()),
            ("requestHeaders", self.request_headers.len()),
            ("responseHeaders", self.response_headers.len()),
        ] {
            mistakes.count(&format!("{place}.{key}"), count, MOST_LISTED);
        }
        let path = prefix(place, "path", &self.path, self.exact, mistakes);
        let rewrite = self.rewrite.map(|text| prefix(place, "rewrite", &text, self.exact, mistakes));
        let hosts = self.hosts.iter().map(|host| host.to_ascii_lowercase()).collect::<Vec<_>>();
        for host in &hosts {
            let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            if !plain {
                mistakes.add(place, format!("host {host:?}: accepted is a name without a port, such as shop.example"));
            }
        }
        let methods = methods(place, &self.methods, mistakes);
        let cors = self.cors.map(|entry| entry.check(place, mistakes));
        let shares = match (self.upstream, self.split) {
            (Some(upstream), split) if split.is_empty() => vec![Share { upstream, weight: 1 }],
            (None, split) if split.iter().any(|share| share.weight > 0) => split,
            (None, split) if !split.is_empty() => {
                mistakes.add(place, "all weights of split are 0: one must be above");
                split
            }
            _ => {
                mistakes.add(place, "accepted is either upstream or split");
                Vec::new()
            }
        };
        let mut pins = Vec::new();
        for pin in self.pins {
            if let Some((header, value)) = header(place, "pins", &pin.header, &pin.value, mistakes) {
                pins.push(Pin { header, value, upstream: pin.upstream });
            }
        }
        if let Some(retries) = self.retries.filter(|retries| *retries > MOST_RETRIES) {
            mistakes.add(place, format!("retries is {retries}, and 0 to {MOST_RETRIES} is accepted"));
        }
        let persistence = Overrides {
            attempt: mistakes.seconds(place, "tryTimeoutSeconds", self.try_timeout_seconds, 0.001),
            overall: mistakes.seconds(place, "timeoutSeconds", self.timeout_seconds, 0.001),
            retries: self.retries,
        };
        let rate_limit = self.rate_limit.map(|entry| entry.check(place, self.auth.is_some(), mistakes));
        let auth = self.auth.and_then(|entry| entry.check(place, secrets, mistakes));
        let fallback = self.fallback.and_then(|entry| entry.check(place, mistakes));
        let mut headers = |key, entries: BTreeMap<String, String>| -> Vec<_> {
            let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
            for (name, value) in &entries {
                let Some(header) = header(place, key, name, value, mistakes) else { continue };
                // Of names that differ in case only one would be set, and the document could not say which.
                if headers.iter().any(|(other, _)| *other == header.0) {
                    mistakes.add(place, format!("{key}: {} is given twice", header.0));
                }
                headers.push(header);
            }
            // In the order of their names as they are sent, not as they were written: what says the same is the same.
            headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
            headers
        };
        let request_headers = headers("requestHeaders", self.request_headers);
        let response_headers = headers("responseHeaders", self.response_headers);
        for mistake in sunset::mistakes(&response_headers) {
            mistakes.add(place, format!("responseHeaders: {mistake}"));
        }
        Route {
            path,
            exact: self.exact,
            hosts,
            methods,
            rewrite,
            shares,
            pins,
            persistence,
            auth,
            rate_limit,
            cors,
            most_request_bytes: self.max_request_bytes.unwrap_or(u64::MAX),
            most_reply_bytes: self.max_reply_bytes.unwrap_or(u64::MAX),
            fallback,
            request_headers,
            response_headers,
        }
    }
}

impl CorsEntry {
    fn check(self, place: &str, mistakes: &mut Mistakes) -> Cors {
        for (key, count) in [
            ("origins", self.origins.len()),
            ("methods", self.methods.len()),
            ("headers", self.headers.len()),
            ("exposeHeaders", self.expose_headers.len()),
        ] {
            mistakes.count(&format!("{place}.cors.{key}"), count, MOST_LISTED);
        }
        let any = self.origins == ["*"];
        let mut origins = Vec::new();
        for text in self.origins.iter().filter(|_| !any) {
            // As browsers send it: a scheme and a host, without a path.
            let bare = text.split_once("://").is_some_and(|(scheme, host)| !scheme.is_empty() && is_host(host));
            match HeaderValue::from_str(text) {
                Ok(origin) if bare => origins.push(origin),
                _ => mistakes.add(
                    place,
                    format!("cors.origins: {text:?}: accepted is https://HOST or https://HOST:PORT, or * alone"),
                ),
            }
        }
        if self.origins.is_empty() {
            mistakes.add(place, "cors.origins is empty: name one, or leave cors out");
        }
        if any && self.credentials {
            mistakes.add(place, "cors.credentials: browsers refuse it with any origin (*): name the origins");
        }
        let mut names = |key: &str, texts: &[String]| {
            let mut names = Vec::new();
            for text in texts {
                match HeaderName::from_bytes(text.as_bytes()) {
                    Ok(name) => names.push(name),
                    Err(_) => mistakes.add(place, format!("cors.{key}: {text:?} is no name of a header")),
                }
            }
            names
        };
        let (headers, expose) = (names("headers", &self.headers), names("exposeHeaders", &self.expose_headers));
        let max_age = self.max_age_seconds.unwrap_or(5.0);
        if !(0.0..=86_400.0).contains(&max_age) {
            mistakes.add(place, format!("cors.maxAgeSeconds is {max_age}, and 0 to 86400 is accepted"));
        }
        Cors {
            origins,
            methods: methods(place, &self.methods, mistakes),
            headers,
            expose,
            credentials: self.credentials,
            max_age: Duration::from_secs_f64(max_age.clamp(0.0, 86_400.0)),
        }
    }
}

impl FallbackEntry {
    fn check(self, place: &str, mistakes: &mut Mistakes) -> Option<Fallback> {
        let status = StatusCode::from_u16(self.status).ok().filter(|_| (200..=599).contains(&self.status));
        if status.is_none() {
            mistakes.add(place, format!("fallback.status is {}, and 200 to 599 is accepted", self.status));
        }
        let content_type = HeaderValue::from_str(&self.content_type).ok();
        if content_type.is_none() {
            mistakes.add(place, format!("fallback.contentType: {:?} is no content type", self.content_type));
        }
        Some(Fallback { status: status?, content_type: content_type?, body: self.body.into() })
    }
}

impl AuthEntry {
    fn check(self, place: &str, secrets: &mut Reading, mistakes: &mut Mistakes) -> Option<Guard> {
        match (self.api_key, self.jwt) {
            (Some(entry), None) => entry.check(place, secrets, mistakes),
            (None, Some(entry)) => entry.check(place, secrets, mistakes),
            (None, None) | (Some(_), Some(_)) => {
                mistakes.add(place, "auth: accepted is either apiKey or jwt");
                None
            }
        }
    }
}

impl ApiKeyEntry {
    fn check(self, place: &str, secrets: &mut Reading, mistakes: &mut Mistakes) -> Option<Guard> {
        let name = self.header.as_deref().unwrap_or("x-api-key");
        let header = header(place, "auth.apiKey.header", name, "", mistakes).map(|(name, _)| name);
        let keys = secrets.secret(&self.secret).and_then(ApiKeys::parse);
        let keys = mistakes.of_secret(place, "auth.apiKey.secret", &self.secret, keys);
        Some(Guard::ApiKey { secret: self.secret, header: header?, keys: keys?.into() })
    }
}

impl JwtEntry {
    fn check(self, place: &str, secrets: &mut Reading, mistakes: &mut Mistakes) -> Option<Guard> {
        for (key, name) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if name.as_ref().is_some_and(|name| !(1..=MOST_NAME).contains(&name.len())) {
                mistakes.add(place, format!("auth.jwt.{key}: accepted are 1 to {MOST_NAME} bytes, or leave it out"));
            }
        }
        let leeway = self.leeway_seconds.unwrap_or(USUAL_LEEWAY);
        if !(0.0..=MOST_LEEWAY).contains(&leeway) {
            mistakes.add(place, format!("auth.jwt.leewaySeconds is {leeway}, and 0 to {MOST_LEEWAY} is accepted"));
        }
        let leeway = Duration::from_secs_f64(leeway.clamp(0.0, MOST_LEEWAY));
        let key = secrets.secret(&self.secret).and_then(|content| Key::parse(self.algorithm, content));
        let key = mistakes.of_secret(place, "auth.jwt.secret", &self.secret, key);
        let rules = Rules { issuer: self.issuer, audience: self.audience, leeway };
        Some(Guard::Jwt { secret: self.secret, rules, key: key?.into() })
    }
}

impl RateLimitEntry {
    fn check(self, place: &str, has_auth: bool, mistakes: &mut Mistakes) -> RateLimitTerms {
        if !(1..=MOST_LIMITED).contains(&self.requests) {
            mistakes
                .add(place, format!("rateLimit.requests is {}, and 1 to {MOST_LIMITED} is accepted", self.requests));
        }
        let accepted = 0.1..=MOST_SECONDS;
        if !accepted.contains(&self.period_seconds) {
            let given = self.period_seconds;
            mistakes.add(place, format!("rateLimit.periodSeconds is {given}, and 0.1 to {MOST_SECONDS} is accepted"));
        }
        let client = match self.by_header.as_deref().map(|name| (name, HeaderName::from_bytes(name.as_bytes()))) {
            None if self.by_client => ClientKey::Client,
            None => ClientKey::Address,
            Some((name, Ok(parsed))) if claims_client(&parsed) => {
                mistakes.add(place, format!("rateLimit.byHeader: {name} is the gateway's own: use byClient"));
                ClientKey::Client
            }
            Some((_, Ok(name))) => ClientKey::Header(name),
            Some((name, Err(_))) => {
                mistakes.add(place, format!("rateLimit.byHeader: {name:?} is no name of a header"));
                ClientKey::Address
            }
        };
        if self.by_client && !has_auth {
            mistakes.add(place, "rateLimit.byClient: nobody says who the client is: add auth, or use byHeader");
        }
        if self.by_client && self.by_header.is_some() {
            mistakes.add(place, "rateLimit: accepted is either byHeader or byClient");
        }
        let terms = rate_limit::Terms {
            limit: self.requests.clamp(1, MOST_LIMITED),
            period: Duration::from_secs_f64(self.period_seconds.clamp(*accepted.start(), *accepted.end())),
            clients: CLIENTS_TOLD_APART,
        };
        RateLimitTerms { terms, client }
    }
}

/// Mistakes of a document so far.
#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    fn add(&mut self, place: &str, text: impl fmt::Display) {
        self.0.push(format!("{place}: {text}"));
    }

    /// What was made of the secret called `name`, or a mistake.
    fn of_secret<T>(&mut self, place: &str, key: &str, name: &str, made: Result<T, String>) -> Option<T> {
        made.map_err(|mistake| self.add(place, format!("{key} {name:?}: {mistake}"))).ok()
    }

    /// A time that was given, if it is neither shorter than `least` nor too long.
    fn seconds(&mut self, place: &str, key: &str, given: Option<f64>, least: f64) -> Option<Duration> {
        let given = given?;
        if (least..=MOST_SECONDS).contains(&given) {
            return Some(Duration::from_secs_f64(given));
        }
        self.add(place, format!("{key} is {given}, and {least} to {MOST_SECONDS} is accepted"));
        None
    }

    fn count(&mut self, place: &str, count: usize, most: usize) {
        if count > most {
            self.add(place, format!("{count} entries, and {most} are accepted"));
        }
    }
}

fn methods(place: &str, texts: &[String], mistakes: &mut Mistakes) -> Vec<Method> {
    let mut methods = Vec::new();
    for text in texts {
        match Method::from_bytes(text.as_bytes()) {
            Ok(method) if text.bytes().all(|b| b.is_ascii_uppercase()) => methods.push(method),
            _ => mistakes.add(place, format!("method {text:?}: accepted is a name in upper case, such as GET")),
        }
    }
    methods
}

/// A name or address, with or without a port.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

/// A path that the gateway would forward, less its last slash if it stands for all below it; `/` is all paths.
fn prefix(place: &str, key: &str, text: &str, exact: bool, mistakes: &mut Mistakes) -> String {
    let rest = text.strip_prefix('/');
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"?#{}".contains(&b));
    if !plain || rest.is_none_or(|rest| path::check(rest).is_err()) {
        mistakes
            .add(place, format!("{key} {text:?}: accepted is a path such as /shop, without dot segments and query"));
    }
    if exact { text.to_owned() } else { text.trim_end_matches('/').to_owned() }
}

fn header(
    place: &str,
    key: &str,
    name: &str,
    value: &str,
    mistakes: &mut Mistakes,
) -> Option<(HeaderName, HeaderValue)> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
    let framing = ["connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"];
    match parsed {
        Some((name, value)) if !framing.contains(&name.as_str()) && !claims_client(&name) => Some((name, value)),
        Some(_) => {
            mistakes.add(place, format!("{key}: {name} is the gateway's own"));
            None
        }
        None => {
            mistakes.add(place, format!("{key}: {name:?} with {value:?} is no header"));
            None
        }
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::credentials::Credentials;

    fn defaults() -> Defaults {
        Defaults {
            timeouts: Timeouts {
                connect: Duration::from_secs(1),
                attempt: Duration::from_secs(4),
                overall: Duration::from_secs(5),
                idle: Duration::from_secs(30),
                max_age: Some(Duration::from_secs(30)),
            },
            resilience: Resilience::default(),
        }
    }

    fn parsed(document: &Value) -> Result<Table, Refused> {
        table(document.to_string().as_bytes())
    }

    /// Of a gateway without secrets.
    fn table(text: &[u8]) -> Result<Table, Refused> {
        Table::parse(text, defaults(), &mut Credentials::default().reading())
    }

    fn with_routes(routes: &Value) -> Value {
        json!({
            "upstreams": {"users": {"url": "http://users"}, "orders": {"url": "http://orders:8000"}},
            "routes": routes,
        })
    }

    fn shop() -> Table {
        let to = |upstream: &str, mut route: Value| {
            route["upstream"] = upstream.into();
            route
        };
        parsed(&with_routes(&json!([
            to("users", json!({"path": "/"})),
            to("users", json!({"path": "/users/", "rewrite": "/api/users"})),
            to("orders", json!({"path": "/orders", "methods": ["GET", "POST"]})),
            to("orders", json!({"path": "/orders/new", "exact": true, "methods": ["POST"], "rewrite": "/create"})),
            to("orders", json!({"path": "/orders", "hosts": ["Admin.Example"], "rewrite": "/"})),
        ])))
        .unwrap()
    }

    fn found(table: &Table, method: &str, host: &str, path: &str) -> String {
        match table.find(&Method::from_bytes(method.as_bytes()).unwrap(), host, path) {
            Match::Route(_, route) => format!("{} {}", route.shares[0].upstream, route.target(path, None)),
            Match::OtherMethods(methods) => methods.iter().map(Method::as_str).collect::<Vec<_>>().join(","),
            Match::None => "none".into(),
        }
    }

    #[test]
    fn the_most_specific_route_wins() {
        let table = shop();
        for (request, expected) in [
            ("GET shop.example /", "users /"),
            ("GET shop.example /other/x", "users /other/x"),
            ("GET shop.example /users", "users /api/users"),
            ("GET shop.example /users/7", "users /api/users/7"),
            ("GET shop.example /users/", "users /api/users/"),
            ("GET shop.example /usersx", "users /usersx"),
            ("GET shop.example /orders/7", "orders /orders/7"),
            ("POST shop.example /orders/new", "orders /create"),
            ("GET shop.example /orders/new", "orders /orders/new"),
            ("POST shop.example /orders/new/x", "orders /orders/new/x"),
            ("BREW admin.example /orders/7", "orders /7"),
            ("GET ADMIN.example:8080 /orders", "orders /"),
            ("GET admin.example.evil /orders", "orders /orders"),
        ] {
            let parts: Vec<&str> = request.split(' ').collect();
            assert_eq!(found(&table, parts[0], parts[1], parts[2]), expected, "{request}");
        }
    }

    #[test]
    fn a_method_that_no_route_takes_is_told_from_a_path_that_none_does() {
        let table = parsed(&with_routes(&json!([
            {"path": "/orders", "methods": ["GET", "POST"], "upstream": "orders"},
            {"path": "/only", "hosts": ["a.example"], "upstream": "users"},
        ])))
        .unwrap();
        assert_eq!(found(&table, "DELETE", "x", "/orders/7"), "GET,POST");
        assert_eq!(found(&table, "GET", "x", "/order"), "none");
        assert_eq!(found(&table, "GET", "b.example", "/only"), "none");
    }

    #[test]
    fn a_header_that_differs_in_case_only_is_given_twice() {
        let headers = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), json!("1"))).collect::<Map<_, _>>();
        for key in ["requestHeaders", "responseHeaders"] {
            let route = |names| with_routes(&json!([{"path": "/", "upstream": "users", key: headers(names)}]));
            assert!(parsed(&route(&["x-a", "x-b"])).is_ok());
            let refused = parsed(&route(&["X-A", "x-a"])).unwrap_err();
            assert_eq!(refused.0, [format!("routes[0]: {key}: x-a is given twice")]);
        }
    }

    #[test]
    fn mistakes_are_all_named_with_their_place_and_their_mend() {
        let document = json!({
            "upstreams": {
                "users": {"url": "https://users", "retries": 4},
                "orders": {"url": "http://orders", "tryTimeoutSeconds": 9, "idleSeconds": -1},
            },
            "routes": [
                {"path": "shop", "upstream": "orders"},
                {"path": "/a/../b", "upstream": "orders", "methods": ["get"], "hosts": ["a:80"]},
                {"path": "/x", "upstream": "order"},
                {"path": "/y"},
                {"path": "/y", "split": [{"upstream": "orders", "weight": 0}]},
                {"path": "/z", "upstream": "orders", "requestHeaders": {"Host": "x", "a b": "c"}},
                {"path": "/zz", "upstream": "orders", "pins": [{"header": "x-auth-client", "value": "a", "upstream": "orders"}],
                 "rateLimit": {"requests": 1, "periodSeconds": 1, "byHeader": "x-auth-client"}},
                {"path": "/c", "upstream": "orders", "cors": {"origins": ["*"], "credentials": true, "headers": [""]}},
                {"path": "/d", "upstream": "orders", "cors": {"origins": ["shop.example", "https://a/b"], "maxAgeSeconds": -1}},
                {"path": "/e", "upstream": "orders", "cors": {"origins": []}},
                {"path": "/f", "upstream": "orders", "fallback": {"status": 100, "contentType": "\n", "body": ""}},
                {"path": "/l", "upstream": "orders", "rateLimit": {"requests": 0, "periodSeconds": 0, "byHeader": ""}},
                {"path": "/m", "upstream": "orders", "rateLimit": {"requests": 1, "periodSeconds": 1, "byClient": true, "byHeader": "x-a"}},
                {"path": "/n", "upstream": "orders", "auth": {}},
                {"path": "/o", "upstream": "orders", "auth": {"apiKey": {"secret": "a/../b", "header": "Host"}}},
                {"path": "/p", "upstream": "orders", "auth": {"apiKey": {"secret": "keys", "header": "X_Auth_Client"}}},
                {"path": "/q", "upstream": "orders",
                 "auth": {"jwt": {"secret": "keys", "algorithm": "RS256", "issuer": "", "audience": "", "leewaySeconds": 301}}},
                {"path": "/r", "upstream": "orders", "responseHeaders": {"Deprecation": "true", "Sunset": "2027-01-01"}},
            ],
        });
        let Refused(mistakes) = parsed(&document).unwrap_err();
        for expected in [
            "upstreams.users: retries is 4, and 0 to 3 is accepted",
            "upstreams.users: url \"https://users\": accepted is http://HOST",
            "upstreams.orders: tryTimeoutSeconds 9 is above timeoutSeconds 5",
            "upstreams.orders: idleSeconds is -1, and 0.001 to 3600 is accepted",
            "routes[0]: path \"shop\": accepted is a path such as /shop",
            "routes[1]: path \"/a/../b\"",
            "routes[1]: method \"get\": accepted is a name in upper case",
            "routes[1]: host \"a:80\": accepted is a name without a port",
            "routes[2]: there is no upstream \"order\", and there are: orders",
            "routes[3]: accepted is either upstream or split",
            "routes[4]: all weights of split are 0",
            "routes[4]: takes requests that routes[3] takes",
            "routes[5]: requestHeaders: Host is the gateway's own",
            "routes[5]: requestHeaders: \"a b\" with \"c\" is no header",
            "routes[6]: pins: x-auth-client is the gateway's own",
            "routes[6]: rateLimit.byHeader: x-auth-client is the gateway's own: use byClient",
            "routes[7]: cors.credentials: browsers refuse it with any origin",
            "routes[7]: cors.headers: \"\" is no name of a header",
            "routes[8]: cors.origins: \"shop.example\": accepted is https://HOST",
            "routes[8]: cors.origins: \"https://a/b\"",
            "routes[8]: cors.maxAgeSeconds is -1, and 0 to 86400 is accepted",
            "routes[9]: cors.origins is empty",
            "routes[10]: fallback.status is 100, and 200 to 599 is accepted",
            "routes[10]: fallback.contentType: \"\\n\" is no content type",
            "routes[11]: rateLimit.requests is 0, and 1 to 1000000 is accepted",
            "routes[11]: rateLimit.periodSeconds is 0, and 0.1 to 3600 is accepted",
            "routes[11]: rateLimit.byHeader: \"\" is no name of a header",
            "routes[12]: rateLimit.byClient: nobody says who the client is: add auth",
            "routes[12]: rateLimit: accepted is either byHeader or byClient",
            "routes[13]: auth: accepted is either apiKey or jwt",
            "routes[14]: auth.apiKey.header: Host is the gateway's own",
            "routes[14]: auth.apiKey.secret \"a/../b\": accepted is a name",
            "routes[15]: auth.apiKey.header: X_Auth_Client is the gateway's own",
            "routes[15]: auth.apiKey.secret \"keys\": there is no directory of secrets: set CREDENTIALS_DIR",
            "routes[16]: auth.jwt.issuer: accepted are 1 to 1024 bytes, or leave it out",
            "routes[16]: auth.jwt.audience: accepted are 1 to 1024 bytes",
            "routes[16]: auth.jwt.leewaySeconds is 301, and 0 to 300 is accepted",
            "routes[16]: auth.jwt.secret \"keys\": there is no directory of secrets",
            "routes[17]: responseHeaders: deprecation \"true\": accepted is @ and seconds since 1970",
            "routes[17]: responseHeaders: sunset \"2027-01-01\": accepted is a date",
        ] {
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(expected)), "{expected}\nnot in {mistakes:#?}");
        }
        assert_eq!(mistakes.len(), 40, "{mistakes:#?}");
    }

    #[test]
    fn what_is_no_table_at_all_is_named_by_its_path() {
        for (text, expected) in [
            ("", "EOF"),
            ("{}", "missing field `upstreams`"),
            (r#"{"upstreams": {}, "routes": [], "rutes": []}"#, "unknown field `rutes`"),
            (r#"{"upstreams": {}, "routes": [{"path": "/", "upstrem": "x"}]}"#, "routes[0].upstrem: unknown field"),
            (r#"{"upstreams": {"a": {"url": 7}}, "routes": []}"#, "upstreams.a.url: invalid type"),
            (r#"{"upstreams": {}, "routes": []} x"#, "after the table"),
            (
                r#"{"upstreams": {}, "routes": [{"path": "/", "auth": {"jwt": {"secret": "x", "algorithm": "none"}}}]}"#,
                "routes[0].auth.jwt.algorithm: unknown variant `none`, expected `HS256` or `RS256`",
            ),
            (
                r#"{"upstreams": {}, "routes": [{"path": "/", "auth": {"basic": {}}}]}"#,
                "routes[0].auth.basic: unknown field",
            ),
        ] {
            let refused = table(text.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
        let long = " ".repeat(MOST_BYTES + 1);
        assert!(table(long.as_bytes()).unwrap_err().to_string().contains("262144 are accepted"));
        let many: Vec<Value> = (0..257).map(|i| json!({"path": format!("/{i}"), "upstream": "users"})).collect();
        assert!(parsed(&with_routes(&json!(many))).unwrap_err().to_string().contains("256 are accepted"));
    }

    #[test]
    fn weights_share_the_requests_and_pins_leave_them_aside() {
        let table = parsed(&with_routes(&json!([{
            "path": "/",
            "split": [{"upstream": "users", "weight": 9}, {"upstream": "orders", "weight": 1}],
            "pins": [{"header": "x-canary", "value": "always", "upstream": "orders"}],
        }])))
        .unwrap();
        let route = &table.routes[0];
        let orders = (0..10_000_u32).filter(|i| route.upstream(&HeaderMap::new(), i * 429_496) == "orders").count();
        assert!((990..=1010).contains(&orders), "{orders}");
        let pinned = |value: &'static str| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static("x-canary"), HeaderValue::from_static(value))]);
            route.upstream(&headers, 0).to_owned()
        };
        assert_eq!((pinned("always").as_str(), pinned("never").as_str()), ("orders", "users"));
    }

    #[test]
    fn a_route_may_have_more_or_less_patience_than_its_upstream() {
        let routed = |overrides: Value| {
            let mut route = json!({"path": "/a", "upstream": "users"});
            route.as_object_mut().unwrap().extend(overrides.as_object().unwrap().clone());
            parsed(&with_routes(&json!([route])))
        };
        let usual = Persistence::of(&defaults().timeouts, &defaults().resilience);
        let over = |overrides| routed(overrides).unwrap().routes[0].persistence.over(usual);
        assert_eq!(over(json!({})), usual);
        assert_eq!(over(json!({"retries": 0})), Persistence { retries: 0, ..usual });
        let (attempt, overall) = (Duration::from_millis(500), Duration::from_millis(2500));
        let less = over(json!({"tryTimeoutSeconds": 0.5, "timeoutSeconds": 2.5}));
        assert_eq!(less, Persistence { attempt, overall, ..usual });
        for (overrides, mistake) in [
            (json!({"retries": 4}), "retries is 4, and 0 to 3 is accepted"),
            (json!({"timeoutSeconds": 0}), "timeoutSeconds is 0, and 0.001 to 3600 is accepted"),
            (json!({"timeoutSeconds": 2}), "for the upstream users tryTimeoutSeconds 4 is above timeoutSeconds 2"),
        ] {
            let refused = routed(overrides).unwrap_err().0;
            assert!(refused.len() == 1 && refused[0].contains(mistake), "{refused:?}");
        }
    }

    #[test]
    fn its_document_is_the_table_again() {
        let split = json!([{
            "path": "/", "hosts": ["a.example", "b.example"],
            "split": [{"upstream": "users", "weight": 9}, {"upstream": "orders", "weight": 0}],
            "pins": [{"header": "x-canary", "value": "a b", "upstream": "orders"}],
            "requestHeaders": {"x-a": "1", "X-B": "2"}, "responseHeaders": {"x-b": "2"},
            "rateLimit": {"requests": 10, "periodSeconds": 1.5, "byHeader": "x-api-key"},
            "cors": {"origins": ["https://a.example:8443"], "methods": ["PUT"], "headers": ["x-a"], "exposeHeaders": ["x-b"],
                     "credentials": true, "maxAgeSeconds": 60},
            "maxRequestBytes": 1000, "maxReplyBytes": 0, "timeoutSeconds": 2.5, "tryTimeoutSeconds": 0.5, "retries": 1,
            "fallback": {"status": 200, "contentType": "application/json", "body": "{\"orders\":[]}"},
        }]);
        let never = json!({
            "upstreams": {"a": {"url": "http://[::1]:8000", "breakerFailures": 0, "maxAgeSeconds": 0, "retries": 0}},
            "routes": [{"path": "/x/", "exact": true, "upstream": "a", "rewrite": "/"}],
        });
        for table in [shop(), parsed(&with_routes(&split)).unwrap(), parsed(&never).unwrap()] {
            assert_eq!(parsed(&table.document()).unwrap(), table);
        }
    }

    #[test]
    fn its_document_names_the_secrets_and_shows_nothing_of_them() {
        let directory = std::env::temp_dir().join(format!("table-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("partners"), "shop:0123456789abcdef").unwrap();
        std::fs::write(directory.join("shared"), "0123456789abcdef0123456789abcdef").unwrap();
        let credentials = Credentials::in_directory(directory.clone());
        let limit = json!({"requests": 10, "periodSeconds": 1.5, "byClient": true});
        let document = with_routes(&json!([
            {"path": "/a", "upstream": "users", "auth": {"apiKey": {"secret": "partners"}}, "rateLimit": limit},
            {"path": "/b", "upstream": "users", "auth": {"apiKey": {"secret": "partners", "header": "X-Key"}}},
            {"path": "/c", "upstream": "users", "auth": {"jwt": {"secret": "shared", "algorithm": "HS256"}}},
            {"path": "/d", "upstream": "users",
             "auth": {"jwt": {"secret": "shared", "algorithm": "HS256", "issuer": "a", "audience": "b", "leewaySeconds": 2.5}}},
        ]));
        let read = |document: &Value| {
            Table::parse(document.to_string().as_bytes(), defaults(), &mut credentials.reading()).unwrap()
        };
        let table = read(&document);
        let shown = table.document();
        assert_eq!(read(&shown), table);
        assert_eq!(shown["routes"][0]["auth"], json!({"apiKey": {"secret": "partners", "header": "x-api-key"}}));
        assert_eq!(
            shown["routes"][2]["auth"],
            json!({"jwt": {"secret": "shared", "algorithm": "HS256", "leewaySeconds": 30.0}})
        );
        assert!(!format!("{shown} {table:?}").contains("0123456789abcdef"));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_table_of_one_upstream() {
        let origin = Origin::parse("http://backend:8000").unwrap();
        let Defaults { timeouts, resilience } = defaults();
        let table = Table::of_one(Target { origin, timeouts, resilience });
        assert_eq!(found(&table, "GET", "x", "/proxy/items"), "backend /api/items");
        assert_eq!(found(&table, "GET", "x", "/proxyitems"), "none");
    }

    proptest! {
        /// Whatever the path: a route that takes it is for it, and its target keeps all that follows the route's own path.
        #[test]
        fn a_target_keeps_what_follows_the_prefix(path in "/[a-z/]{0,12}") {
            let table = shop();
            if let Match::Route(_, route) = table.find(&Method::GET, "x", &path) {
                prop_assert!(path.starts_with(&route.path));
                let rest = &path[route.path.len()..];
                prop_assert!(rest.is_empty() || rest.starts_with('/'));
                let target = route.target(&path, None);
                prop_assert!(target.starts_with('/') && target.ends_with(rest), "{target}");
            }
        }

        /// Whatever the bytes: an answer, and no table that sends a request to an upstream that is not there.
        #[test]
        fn any_text_is_a_table_or_refused(text in r#"[{}\[\]",:a-z0-9/ ]{0,80}"#) {
            if let Ok(table) = table(text.as_bytes()) {
                let known = |route: &Route| route.shares.iter().all(|share| table.upstreams.contains_key(&share.upstream));
                prop_assert!(table.routes.iter().all(known));
            }
        }
    }
}
