//! Replies of JSON.

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use service::message::body::Body;

/// 200 with `content` as JSON.
pub(crate) fn json_of(content: &impl Serialize) -> Response<Body> {
    json(serde_json::to_vec(content).expect("numbers and strings serialize"))
}

/// 200 with `body`, which is JSON.
pub(crate) fn json(body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
