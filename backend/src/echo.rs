//! Replies with the body of the request, byte for byte: what a proxy does to bodies and to requests that must not be repeated
//! needs a request that has one.
//!
//! The reply has neither the request's type nor any that a browser would run, so a page elsewhere can't make this server
//! say something in its name.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use service::body::Body;
use service::problem::Problem;
use tokio::sync::Semaphore;

/// The longest body that is sent back, in bytes.
pub const LONGEST: usize = 64 * 1024;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bodies that are held at the same time: 4 MiB in all, however many clients are slow on purpose.
const AT_ONCE: usize = 64;

/// The bodies that are being read.
#[derive(Debug)]
pub(crate) struct Echo {
    room: Semaphore,
}

impl Echo {
    pub(crate) fn new() -> Self {
        Self { room: Semaphore::new(AT_ONCE) }
    }

    /// Reads `body`, which belongs to a request with `headers`, and sends it back.
    ///
    /// # Errors
    /// 413 where it is longer than [`LONGEST`], 408 where it takes longer than ten seconds, 400 where its framing is broken, 503
    /// where too many bodies are being read.
    pub(crate) async fn answer(&self, headers: &HeaderMap, body: Incoming) -> Result<Response<Body>, Problem> {
        let _place = self.room.try_acquire().map_err(|_| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{AT_ONCE} bodies are being read already"))
                .header(RETRY_AFTER, HeaderValue::from_static("1"))
        })?;
        // Who asks before sending (Expect: 100-continue) is told so without being asked for a body that is of no use.
        if body.size_hint().lower() > LONGEST as u64 && headers.contains_key(EXPECT) {
            return Err(too_long());
        }
        let bytes = tokio::time::timeout(PATIENCE, read(body)).await.map_err(|_| {
            let detail = format!("the body was not complete within {} s", PATIENCE.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
        })??;
        let mut response = Response::new(Body::from(bytes));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(response)
    }
}

async fn read(mut body: Incoming) -> Result<Bytes, Problem> {
    match Limited::new(&mut body, LONGEST).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let whole = crate::discard_body(&mut body).await;
            // What is left unread takes the connection with it, and who sent it must not count on the connection.
            Err(if whole { too_long() } else { too_long().header(CONNECTION, HeaderValue::from_static("close")) })
        }
        Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("the body can't be read: {error}"))),
    }
}

fn too_long() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body of at most {LONGEST} bytes is sent back"))
}
