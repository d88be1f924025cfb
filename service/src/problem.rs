//! Error replies as problem details, RFC 9457.

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::body::Body;

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
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The reply. `instance` is the path asked for, `request_id` finds the exchange in the logs.
    ///
    /// # Panics
    /// Never: the parts are strings and a number, which always serialize.
    #[must_use]
    pub fn into_response(self, instance: &str, request_id: &str) -> Response<Body> {
        #[derive(Serialize)]
        struct Details<'a> {
            r#type: &'static str,
            title: &'a str,
            status: u16,
            detail: &'a str,
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
        let body = serde_json::to_vec(&details).expect("strings serialize");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use hyper::header::RETRY_AFTER;

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
