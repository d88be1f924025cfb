//! What a client gets when the upstream gives no reply.

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use service::message::body::Body;

use crate::mistakes::Section;

/// A reply that stands in for the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fallback {
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
}

impl Fallback {
    /// No content.
    pub(super) fn nothing() -> Self {
        let content_type = HeaderValue::from_static("text/plain");
        Self { status: StatusCode::NO_CONTENT, content_type, body: Bytes::new() }
    }

    /// The reply; `x-degraded` says that it is none of the upstream's.
    pub(crate) fn reply(&self) -> Response<Body> {
        let degraded = (HeaderName::from_static("x-degraded"), "fallback");
        let mut response = Body::from(self.body.clone()).reply(self.status, &[degraded]);
        response.headers_mut().insert(CONTENT_TYPE, self.content_type.clone());
        response
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "status": self.status.as_u16(),
            "contentType": String::from_utf8_lossy(self.content_type.as_bytes()),
            "body": String::from_utf8_lossy(&self.body),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Entry {
    status: u16,
    content_type: String,
    body: String,
}

impl Entry {
    pub(super) fn check(self, section: &mut Section) -> Option<Fallback> {
        let status = section.within("fallback.status", Some(self.status), 200..=599);
        let content_type = HeaderValue::from_str(&self.content_type).ok();
        let text = &self.content_type;
        let content_type =
            section.need(content_type, || format!("fallback.contentType: {text:?} is no content type"))?;
        Some(Fallback { status: StatusCode::from_u16(status?).ok()?, content_type, body: self.body.into() })
    }
}
