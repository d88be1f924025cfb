//! Which pages of other origins may ask: the server's side of CORS (Fetch standard, section 3.2, "CORS protocol").

use std::time::Duration;

use hyper::Method;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};

/// What pages of other origins may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// From where; any if none are listed.
    pub origins: Vec<HeaderValue>,
    /// With these methods besides GET, HEAD and POST.
    pub methods: Vec<Method>,
    /// With these headers besides those that are always allowed.
    pub headers: Vec<HeaderName>,
    /// What the page may read of a reply's headers besides those that it always may.
    pub expose: Vec<HeaderName>,
    /// With cookies. Not with any origin.
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight.
    pub max_age: Duration,
}

/// The method that a browser asks about before it makes the request, if this is such a question.
#[must_use]
pub fn preflight_for(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

impl Cors {
    /// The headers of the answer to a preflight with `headers` for `method`. A browser that finds nothing that allows its
    /// request does not make it.
    #[must_use]
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> HeaderMap {
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
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, list(simple.iter().chain(&self.methods).map(Method::as_str)));
        if !self.headers.is_empty() {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, list(self.headers.iter().map(HeaderName::as_str)));
        }
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.as_secs().into());
        answer
    }

    /// Makes the headers of a reply say what the page at `origin` may read. What the upstream says of it goes: two answers
    /// to this question are none.
    pub fn complete(&self, origin: Option<&HeaderValue>, reply: &mut HeaderMap) {
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
            reply.insert(ACCESS_CONTROL_EXPOSE_HEADERS, list(self.expose.iter().map(HeaderName::as_str)));
        }
    }

    /// Whether pages at `origin` may ask.
    #[must_use]
    pub fn lets(&self, origin: &HeaderValue) -> bool {
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
}

/// Names as one value.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> HeaderValue {
    let text = names.collect::<Vec<_>>().join(", ");
    // Names of methods and headers are visible ASCII.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
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
}
