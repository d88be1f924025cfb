//! Replies with the body of the request, byte for byte: what a proxy does to bodies and to requests that must not be repeated
//! needs a request that has one.
//!
//! The reply has neither the request's type nor any that a browser would run, so a page elsewhere can't make this server
//! say something in its name.

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use service::message::body::Body;

/// The longest body that is sent back, in bytes.
pub const LONGEST: usize = crate::upload::LONGEST;

/// The reply that sends `bytes` back.
pub(crate) fn reply(bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
