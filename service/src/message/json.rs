//! Replies that carry JSON.

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
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
    written(name, &serde_json::to_string(value).expect("numbers and strings serialize"), served_by)
}

/// As [`named`], of a `value` that is JSON already.
pub fn written(name: &str, value: &str, served_by: &str) -> Response<Body> {
    text(format!(r#"{{"{name}":{value},"served_by":{served_by}}}"#))
}

/// `response` as the answer to a request that has made what is at `path`.
///
/// # Panics
/// Where `path` is no visible ASCII.
pub fn made(status: StatusCode, path: String, mut response: Response<Body>) -> Response<Body> {
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(path).expect("a path of visible ASCII"));
    response
}
