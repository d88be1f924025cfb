//! Replies with the body of the request, byte for byte: what a proxy does to bodies and to requests that must not be repeated
//! needs a request that has one.
//!
//! The reply has neither the request's type nor any that a browser would run, so a page elsewhere can't make this server
//! say something in its name.

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use service::message::body::Body;

/// The longest body that is sent back, in bytes.
pub const LONGEST: usize = 64 * 1024;

pub(crate) fn reply(bytes: Bytes) -> Response<Body> {
    let headers = [(CONTENT_TYPE, "application/octet-stream"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Body::from(bytes).reply(StatusCode::OK, &headers)
}
