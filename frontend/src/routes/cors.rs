//! Which pages of other origins may ask: the server's side of CORS (Fetch standard, section 3.2, "CORS protocol").

use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use service::message::body::Body;
use service::message::correlation::only;
use service::message::problem::Problem;

use crate::headers;
use crate::mistakes::Section;
use crate::routes::methods;

/// The most of what one list has.
const MOST_LISTED: usize = 32;
/// How long a browser may keep the answer to a preflight, in seconds; and how long where the table says nothing.
const AGES: RangeInclusive<f64> = 0.0..=86_400.0;
const USUAL_AGE: f64 = 5.0;

/// What pages of other origins may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cors {
    /// From where; any if none are listed.
    pub(crate) origins: Vec<HeaderValue>,
    /// With these methods besides GET, HEAD and POST.
    pub(crate) methods: Vec<Method>,
    /// With these headers besides those that are always allowed.
    pub(crate) headers: Vec<HeaderName>,
    /// What the page may read of a reply's headers besides those that it always may.
    pub(crate) expose: Vec<HeaderName>,
    /// With cookies. Not with any origin.
    pub(crate) credentials: bool,
    /// How long a browser may keep the answer to a preflight.
    pub(crate) max_age: Duration,
}

/// The method that a browser asks about before it makes the request, if this is such a question.
pub(crate) fn preflight_for(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

impl Cors {
    /// The answer to a preflight with `headers` for `method`.
    pub(crate) fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        let mut response = Body::empty().reply(StatusCode::NO_CONTENT, &[]);
        *response.headers_mut() = self.preflight(method, headers);
        response
    }

    /// The headers of the answer to a preflight with `headers` for `method`. A browser that finds nothing that allows its
    /// request does not make it.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> HeaderMap {
        let mut answer = HeaderMap::new();
        for name in [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS] {
            answer.append(VARY, name.into());
        }
        let Some(origin) = self.allowed(headers.get(ORIGIN)) else { return answer };
        let simple = [Method::GET, Method::HEAD, Method::POST];
        if !simple.contains(method) && !self.methods.contains(method) {
            return answer;
        }
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            headers::list(simple.iter().chain(&self.methods).map(Method::as_str)),
        );
        if !self.headers.is_empty() {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers::list(self.headers.iter().map(HeaderName::as_str)));
        }
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.as_secs().into());
        answer
    }

    /// Makes the headers of a reply say what the page at `origin` may read. What the upstream says of it goes: two answers
    /// to this question are none.
    pub(crate) fn complete(&self, origin: Option<&HeaderValue>, reply: &mut HeaderMap) {
        for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS] {
            reply.remove(name);
        }
        // Whether or not this page may: a cache must not give one origin's reply to another.
        if !self.takes_any() {
            reply.append(VARY, ORIGIN.into());
        }
        let Some(origin) = self.allowed(origin) else { return };
        reply.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            reply.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if !self.expose.is_empty() {
            reply.insert(ACCESS_CONTROL_EXPOSE_HEADERS, headers::list(self.expose.iter().map(HeaderName::as_str)));
        }
    }

    /// As [`Cors::complete`], of a `problem`: without these the page could not even read what went wrong.
    pub(crate) fn complete_problem(&self, origin: Option<&HeaderValue>, problem: Problem) -> Problem {
        let mut headers = HeaderMap::new();
        self.complete(origin, &mut headers);
        headers.iter().fold(problem, |problem, (name, value)| problem.header(name.clone(), value.clone()))
    }

    pub(crate) fn lets(&self, origin: &HeaderValue) -> bool {
        self.allowed(Some(origin)).is_some()
    }

    /// What `Access-Control-Allow-Origin` says to a page at `origin`.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        if self.takes_any() {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins.contains(origin).then(|| origin.clone())
    }

    fn takes_any(&self) -> bool {
        self.origins.is_empty()
    }

    pub(super) fn document(&self) -> Value {
        let names = |names: &[HeaderName]| names.iter().map(HeaderName::to_string).collect::<Vec<_>>();
        let mut origins: Vec<_> =
            self.origins.iter().map(|origin| String::from_utf8_lossy(origin.as_bytes())).collect();
        if self.takes_any() {
            origins.push("*".into());
        }
        json!({
            "origins": origins,
            "methods": self.methods.iter().map(Method::as_str).collect::<Vec<_>>(),
            "headers": names(&self.headers),
            "exposeHeaders": names(&self.expose),
            "credentials": self.credentials,
            "maxAgeSeconds": self.max_age.as_secs_f64(),
        })
    }
}

/// Whether the page that a request with `headers` comes from may open a WebSocket where `cors` holds: one of the `host` that the
/// request is for may, others if they are named. Browsers ask nobody before they open one to another origin, and send its cookies
/// along, so it is the server that has to look (RFC 6455, section 10.2). A client that is no browser sends no `Origin`.
pub(crate) fn is_welcome(headers: &HeaderMap, host: Option<&HeaderValue>, cors: Option<&Cors>) -> bool {
    if !headers.contains_key(ORIGIN) {
        return true;
    }
    let Some(origin) = only(headers, &ORIGIN) else { return false };
    cors.is_some_and(|cors| cors.lets(origin)) || host.is_some_and(|host| is_of(origin.as_bytes(), host.as_bytes()))
}

/// Whether `origin` is at `host`. Without a port it has that of its scheme, and only such a one may be left out.
fn is_of(origin: &[u8], host: &[u8]) -> bool {
    let (authority, port) = match (origin.strip_prefix(b"https://"), origin.strip_prefix(b"http://")) {
        (Some(authority), _) => (authority, &b":443"[..]),
        (_, Some(authority)) => (authority, &b":80"[..]),
        (None, None) => return false,
    };
    let host = host.strip_suffix(port).unwrap_or(host);
    !authority.is_empty() && authority.eq_ignore_ascii_case(host)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Entry {
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

impl Entry {
    pub(super) fn check(self, section: &mut Section) -> Cors {
        for (key, count) in [
            ("cors.origins", self.origins.len()),
            ("cors.methods", self.methods.len()),
            ("cors.headers", self.headers.len()),
            ("cors.exposeHeaders", self.expose_headers.len()),
        ] {
            section.count(key, count, MOST_LISTED);
        }
        let any = self.origins == ["*"];
        let origins = self.origins.iter().filter(|_| !any).filter_map(|text| {
            let accepted = "accepted is https://HOST or https://HOST:PORT, or * alone";
            section.need(origin(text), || format!("cors.origins: {text:?}: {accepted}"))
        });
        let origins = origins.collect();
        if self.origins.is_empty() {
            section.mistake("cors.origins is empty: name one, or leave cors out");
        }
        if any && self.credentials {
            section.mistake("cors.credentials: browsers refuse it with any origin (*): name the origins");
        }
        let mut names = |key: &str, texts: &[String]| {
            let name = |text: &String| {
                let name = HeaderName::from_bytes(text.as_bytes()).ok();
                section.need(name, || format!("cors.{key}: {text:?} is no name of a header"))
            };
            texts.iter().filter_map(name).collect()
        };
        let (headers, expose) = (names("headers", &self.headers), names("exposeHeaders", &self.expose_headers));
        let max_age = section.seconds("cors.maxAgeSeconds", self.max_age_seconds.or(Some(USUAL_AGE)), AGES);
        Cors {
            origins,
            methods: methods::read(section, &self.methods),
            headers,
            expose,
            credentials: self.credentials,
            max_age: max_age.unwrap_or_default(),
        }
    }
}

/// An origin as browsers send it: a scheme and a host, with or without a port, and no path.
fn origin(text: &str) -> Option<HeaderValue> {
    let (scheme, host) = text.split_once("://")?;
    let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    HeaderValue::from_str(text).ok().filter(|_| !scheme.is_empty() && is_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Cors {
        Cors {
            origins: vec![HeaderValue::from_static("https://shop.example")],
            methods: vec![Method::PUT],
            headers: vec![HeaderName::from_static("content-type"), HeaderName::from_static("x-api-key")],
            expose: vec![HeaderName::from_static("x-request-id")],
            credentials: true,
            max_age: Duration::from_secs(600),
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_preflight_is_told_from_an_ordinary_question() {
        let asked = headers(&[("origin", "https://a"), ("access-control-request-method", "PUT")]);
        assert_eq!(preflight_for(&Method::OPTIONS, &asked), Some(Method::PUT));
        assert_eq!(preflight_for(&Method::GET, &asked), None);
        assert_eq!(preflight_for(&Method::OPTIONS, &headers(&[("origin", "https://a")])), None);
        assert_eq!(preflight_for(&Method::OPTIONS, &headers(&[("access-control-request-method", "PUT")])), None);
    }

    #[test]
    fn a_preflight_gets_what_is_allowed_and_nothing_if_it_is_not() {
        let asked = headers(&[("origin", "https://shop.example")]);
        let answer = shop().preflight(&Method::PUT, &asked);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://shop.example");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD, POST, PUT");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "content-type, x-api-key");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(answer[ACCESS_CONTROL_MAX_AGE], "600");
        for (method, origin) in [(Method::DELETE, "https://shop.example"), (Method::PUT, "https://shop.example.evil")] {
            let answer = shop().preflight(&method, &headers(&[("origin", origin)]));
            assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{method} {origin}");
            assert_eq!(answer.get_all(VARY).iter().count(), 3);
        }
    }

    #[test]
    fn a_reply_says_who_may_read_it_and_only_the_gateway_does() {
        let mut reply = headers(&[("access-control-allow-origin", "*"), ("vary", "accept")]);
        shop().complete(Some(&HeaderValue::from_static("https://shop.example")), &mut reply);
        assert_eq!(reply[ACCESS_CONTROL_ALLOW_ORIGIN], "https://shop.example");
        assert_eq!(reply[ACCESS_CONTROL_EXPOSE_HEADERS], "x-request-id");
        assert_eq!(reply.get_all(VARY).iter().collect::<Vec<_>>(), ["accept", "origin"]);

        for origin in [None, Some(HeaderValue::from_static("https://evil.example"))] {
            let mut reply = headers(&[("access-control-allow-origin", "*")]);
            shop().complete(origin.as_ref(), &mut reply);
            assert!(!reply.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) && reply.contains_key(VARY), "{origin:?}");
        }

        let mut reply = HeaderMap::new();
        let any = Cors { origins: Vec::new(), credentials: false, ..shop() };
        any.complete(Some(&HeaderValue::from_static("https://any.example")), &mut reply);
        assert_eq!(reply[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!reply.contains_key(VARY));
    }

    #[test]
    fn a_page_of_the_same_host_may_and_others_if_they_are_named() {
        let cors = |origins: &[&str]| Cors {
            origins: origins.iter().map(|origin| HeaderValue::from_str(origin).unwrap()).collect(),
            methods: Vec::new(),
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: Duration::ZERO,
        };
        for (origin, host, expected) in [
            ("https://shop.example", "shop.example", true),
            ("https://shop.example", "Shop.Example:443", true),
            ("http://shop.example", "shop.example:80", true),
            ("http://shop.example:8000", "shop.example:8000", true),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443", true),
            ("https://shop.example", "shop.example:80", false),
            ("https://shop.example", "shop.example:8000", false),
            ("http://shop.example:8000", "shop.example", false),
            ("https://shop.example.evil.example", "shop.example", false),
            ("https://evil.example", "shop.example", false),
            ("file://shop.example", "shop.example", false),
            ("shop.example", "shop.example", false),
            ("https://", "", false),
            ("null", "null", false),
        ] {
            let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_str(origin).unwrap())]);
            let host = HeaderValue::from_str(host).unwrap();
            assert_eq!(is_welcome(&headers, Some(&host), None), expected, "{origin} at {host:?}");
        }
        let evil = headers(&[("origin", "https://evil.example")]);
        assert!(!is_welcome(&evil, None, Some(&cors(&["https://shop.example"]))));
        assert!(is_welcome(&evil, None, Some(&cors(&["https://shop.example", "https://evil.example"]))));
        assert!(is_welcome(&evil, None, Some(&cors(&[]))), "* takes any");
        let twice = headers(&[("origin", "https://shop.example"), ("origin", "https://evil.example")]);
        assert!(!is_welcome(&twice, Some(&HeaderValue::from_static("shop.example")), Some(&cors(&[]))));
        assert!(is_welcome(&HeaderMap::new(), None, None), "no browser");
    }
}
