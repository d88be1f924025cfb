//! Reads a table, and checks it as a whole: each mistake is named with its place and its mend.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::{
    ClientKey, Defaults, Fallback, MOST_BYTES, Overrides, Pin, RateLimitTerms, Refused, Route, Share, Table, Target,
};
use crate::auth::api_key::ApiKeys;
use crate::auth::credentials::Reading;
use crate::auth::token::{Algorithm, Key, Rules};
use crate::auth::{Guard, claims_client};
use crate::routes::cors::Cors;
use crate::routes::path::Path;
use crate::routes::{host, rate_limit, sunset};
use crate::upstream::backoff::MOST_RETRIES;
use crate::upstream::{self, breaker, budget};
use crate::upstream::{Origin, Persistence, Resilience, Timeouts};

/// The most routes, and the most upstreams.
const MOST_ENTRIES: usize = 256;
/// The most of what one route lists: hosts, methods, shares, headers.
const MOST_LISTED: usize = 32;
/// The most requests of a rate limit.
const MOST_LIMITED: u32 = 1_000_000;
/// Clients of a rate limit that are told apart at a time.
const CLIENTS_TOLD_APART: usize = 10_000;
/// The most parts that one upstream of a split can have.
const MOST_WEIGHT: u32 = 1_000_000;
/// The longest name of a token's issuer or audience, in bytes.
const MOST_NAME: usize = 1024;
/// How far the clock of a token's issuer may be off, in seconds.
const MOST_LEEWAY: f64 = 300.0;
/// How far it may be off where the table says nothing, in seconds.
const USUAL_LEEWAY: f64 = 30.0;
/// The shortest and the longest period of a rate limit, in seconds.
const PERIODS: RangeInclusive<f64> = 0.1..=3600.0;
/// The shortest and the longest time that an upstream can be given, in seconds: those of the settings.
const LEAST_SECONDS: f64 = upstream::SHORTEST.as_secs_f64();
const MOST_SECONDS: f64 = upstream::LONGEST.as_secs_f64();

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
    #[serde(default)]
    upgrades: Vec<Protocol>,
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

/// What a connection may leave HTTP for.
#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    WebSocket,
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
            for (name, target) in upstreams.iter().filter(|(name, _)| own && route.upstreams().any(|to| to == *name)) {
                let usual = Persistence::of(&target.timeouts, &target.resilience);
                let Persistence { attempt, overall, .. } = route.persistence.over(usual);
                mistakes.fits(&format!("{place}, for the upstream {name}"), attempt, overall);
            }
            for name in route.upstreams() {
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

impl UpstreamEntry {
    fn check(self, place: &str, defaults: Defaults, mistakes: &mut Mistakes) -> Option<Target> {
        let Defaults { timeouts, resilience } = defaults;
        let mut seconds = |key: &str, given: Option<f64>, default: Duration, least: f64| {
            mistakes.seconds(place, key, given, least).unwrap_or(default)
        };
        let connect = seconds("connectTimeoutSeconds", self.connect_timeout_seconds, timeouts.connect, LEAST_SECONDS);
        let attempt = seconds("tryTimeoutSeconds", self.try_timeout_seconds, timeouts.attempt, LEAST_SECONDS);
        let overall = seconds("timeoutSeconds", self.timeout_seconds, timeouts.overall, LEAST_SECONDS);
        let idle = seconds("idleSeconds", self.idle_seconds, timeouts.idle, LEAST_SECONDS);
        let max_age = seconds("maxAgeSeconds", self.max_age_seconds, timeouts.max_age.unwrap_or_default(), 0.0);
        let usual = resilience.breaker.unwrap_or_default();
        let open = seconds("breakerOpenSeconds", self.breaker_open_seconds, usual.open, LEAST_SECONDS);
        mistakes.fits(place, attempt, overall);
        let mut number = |key: &str, given: Option<u32>, default: u32, most: u32| {
            let given = given.unwrap_or(default);
            if given > most {
                mistakes.add(place, format!("{key} is {given}, and 0 to {most} is accepted"));
            }
            given
        };
        let retries = number("retries", self.retries, resilience.retries, MOST_RETRIES);
        let percent =
            number("retryBudgetPercent", self.retry_budget_percent, resilience.budget.percent, budget::MOST_PERCENT);
        let failures = resilience.breaker.map_or(0, |terms| terms.failures);
        let failures = number("breakerFailures", self.breaker_failures, failures, breaker::MOST_FAILURES);
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
            ("upgrades", self.upgrades.len()),
            ("requestHeaders", self.request_headers.len()),
            ("responseHeaders", self.response_headers.len()),
        ] {
            mistakes.count(&format!("{place}.{key}"), count, MOST_LISTED);
        }
        let path = prefix(place, "path", &self.path, self.exact, mistakes);
        // The route would be found by one of them only.
        if let Some(other) = Path::read(&self.path).iter().flat_map(Path::others).next() {
            let reason = format!("path {:?}: some programs take it for {other:?}", self.path);
            mistakes.add(place, format!("{reason}: accepted is a path without parameters (;) and encoded delimiters"));
        }
        let rewrite = self.rewrite.map(|text| prefix(place, "rewrite", &text, self.exact, mistakes));
        let mut hosts = Vec::new();
        for host in &self.hosts {
            if !host::is_name(host.strip_suffix('.').unwrap_or(host)) {
                mistakes.add(place, format!("host {host:?}: accepted is a name without a port, such as shop.example"));
            }
            hosts.push(host::name(host).to_ascii_lowercase());
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
        for share in shares.iter().filter(|share| share.weight > MOST_WEIGHT) {
            mistakes.add(place, format!("weight is {}, and 0 to {MOST_WEIGHT} is accepted", share.weight));
        }
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
            attempt: mistakes.seconds(place, "tryTimeoutSeconds", self.try_timeout_seconds, LEAST_SECONDS),
            overall: mistakes.seconds(place, "timeoutSeconds", self.timeout_seconds, LEAST_SECONDS),
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
            websocket: self.upgrades.contains(&Protocol::WebSocket),
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
        let (least, most) = (*PERIODS.start(), *PERIODS.end());
        if !PERIODS.contains(&self.period_seconds) {
            let given = self.period_seconds;
            mistakes.add(place, format!("rateLimit.periodSeconds is {given}, and {least} to {most} is accepted"));
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
            period: Duration::from_secs_f64(self.period_seconds.clamp(least, most)),
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

    /// One try has to fit into all of them.
    fn fits(&mut self, place: &str, attempt: Duration, overall: Duration) {
        if attempt > overall {
            let (attempt, overall) = (attempt.as_secs_f64(), overall.as_secs_f64());
            let text = format!("tryTimeoutSeconds {attempt} is above timeoutSeconds {overall}");
            self.add(place, format!("{text}: lower the one or raise the other"));
        }
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

/// A path that the gateway would forward, in its one spelling, less its last slash if it stands for all below it; `/` is all
/// paths.
fn prefix(place: &str, key: &str, text: &str, exact: bool, mistakes: &mut Mistakes) -> String {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"?#{}".contains(&b));
    let path = Path::read(text).ok().filter(|_| plain);
    if path.is_none() {
        mistakes
            .add(place, format!("{key} {text:?}: accepted is a path such as /shop, without dot segments and query"));
    }
    let path = path.as_ref().map_or(text, Path::as_str);
    if exact { path.to_owned() } else { path.trim_end_matches('/').to_owned() }
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
