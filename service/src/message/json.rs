//! Replies that carry JSON.

use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::message::body::Body;

/// 200 with the JSON text `body`.
pub fn text(body: impl Into<Bytes>) -> Response<Body> {
    Body::from(body).reply(StatusCode::OK, &[(CONTENT_TYPE, "application/json")])
}

/// 200 with `value` under its `name`, and `served_by`, a JSON object.
///
/// # Panics
/// Where `value` is none that JSON can hold: a map whose keys are no text.
pub fn named(name: &str, value: &impl Serialize, served_by: &str) -> Response<Body> {
    let value = serde_json::to_string(value).expect("numbers and strings serialize");
    text(format!(r#"{{"{name}":{value},"served_by":{served_by}}}"#))
}
