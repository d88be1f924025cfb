//! Error replies as problem details, RFC 9457.

use std::time::SystemTime;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::Body;
use super::correlation::{Correlation, REQUEST_ID};
use super::framing::Refusal;
use crate::process::identity::SERVED_BY;

const MEDIA_TYPE: &str = "application/problem+json";

/// An error reply: a status, and for people what happened and what to do.
///
/// The type is `about:blank` (RFC 9457, section 4.2.1): the status alone says what kind of problem it is, and the title is
/// the status's own phrase.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    upstream: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with `status`; `detail` is for people and repeats no more of the request than it needs.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), upstream: None, headers: Vec::new() }
    }

    /// 400: the request is wrong, and `detail` says what of it.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 503, and after how many seconds to come back.
    pub fn busy(detail: impl Into<String>, seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Names the upstream at fault, as the member `upstream`.
    #[must_use]
    pub fn upstream(mut self, name: &str) -> Self {
        self.upstream = Some(name.to_owned());
        self
    }

    /// Adds a header to the reply.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status of the reply.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened and what to do, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The reply. `instance` is the path asked for, `request_id` finds the exchange in the logs.
    pub fn into_response(self, instance: &str, request_id: &str) -> Response<Body> {
        let body = Body::from(self.json(instance, request_id));
        let mut response = body.reply(self.status, &[(CONTENT_TYPE, MEDIA_TYPE)]);
        response.headers_mut().extend(self.headers);
        response
    }

    /// The reply as the bytes of HTTP/1.1, the last of a connection that hyper serves no more. What was asked for is not known,
    /// so the request id is new.
    pub(crate) fn into_last_bytes(self, served_by: &HeaderValue) -> Vec<u8> {
        let correlation = Correlation::of(&HeaderMap::new());
        let body = self.json("", correlation.request_id());
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-type: {MEDIA_TYPE}\r\n{REQUEST_ID}: {}\r\n{SERVED_BY}: {}\r\n\
             connection: close\r\ncontent-length: {}\r\ndate: {}\r\n\r\n",
            self.status,
            correlation.request_id(),
            served_by.to_str().unwrap_or_default(),
            body.len(),
            httpdate::fmt_http_date(SystemTime::now()),
        );
        [head.into_bytes(), body].concat()
    }

    fn json(&self, instance: &str, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Details<'a> {
            r#type: &'static str,
            title: &'a str,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            instance: &'a str,
            request_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            upstream: Option<&'a str>,
        }
        let details = Details {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            request_id,
            upstream: self.upstream.as_deref(),
        };
        serde_json::to_vec(&details).expect("strings and a number serialize")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status, refusal.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn has_the_members_of_the_rfc() {
        let response = Problem::new(StatusCode::TOO_MANY_REQUESTS, "every slot is busy")
            .header(RETRY_AFTER, HeaderValue::from_static("1"))
            .into_response("/api/cpu-burn", "abc");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "type": "about:blank", "title": "Too Many Requests", "status": 429,
                "detail": "every slot is busy", "instance": "/api/cpu-burn", "request_id": "abc",
            })
        );
    }
}
