//! Request bodies that are wanted: read whole, within bounds of length, time and number.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::de::DeserializeOwned;
use service::problem::Problem;
use tokio::sync::Semaphore;

/// The longest body in bytes.
pub(crate) const LONGEST: usize = 64 * 1024;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bodies that are held at the same time: 4 MiB in all, however many clients are slow on purpose.
const AT_ONCE: usize = 64;

/// The bodies that are being read.
#[derive(Debug)]
pub(crate) struct Uploads {
    room: Semaphore,
}

impl Uploads {
    pub(crate) fn new() -> Self {
        Self { room: Semaphore::new(AT_ONCE) }
    }

    /// Reads `body`, which belongs to a request with `headers`, up to `longest` bytes.
    ///
    /// # Errors
    /// 413 where it is longer, 408 where it takes longer than ten seconds, 400 where its framing is broken, 503 where too many
    /// bodies are being read.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Incoming, longest: usize) -> Result<Bytes, Problem> {
        let _place = self.room.try_acquire().map_err(|_| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{AT_ONCE} bodies are being read already"))
                .header(RETRY_AFTER, HeaderValue::from_static("1"))
        })?;
        // Who asks before sending (Expect: 100-continue) is told so without being asked for a body that is of no use.
        if body.size_hint().lower() > longest as u64 && headers.contains_key(EXPECT) {
            return Err(too_long(longest));
        }
        tokio::time::timeout(PATIENCE, whole(body, longest)).await.map_err(|_| {
            let detail = format!("the body was not complete within {} s", PATIENCE.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
        })?
    }

    /// Reads `body` as JSON. Its type has to say so: a page elsewhere can then not send it without being allowed to (Fetch
    /// standard, CORS-preflight).
    ///
    /// # Errors
    /// As [`Uploads::read`]; 415 for another type, 400 where it is not what is expected.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        body: Incoming,
        longest: usize,
    ) -> Result<T, Problem> {
        let bytes = self.read(headers, body, longest).await?;
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            let detail = "the body has to be JSON, and Content-Type to say so: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body is not accepted: {error}")))
    }
}

async fn whole(mut body: Incoming, longest: usize) -> Result<Bytes, Problem> {
    match Limited::new(&mut body, longest).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let all = crate::discard_body(&mut body).await;
            let problem = too_long(longest);
            // What is left unread takes the connection with it, and who sent it must not count on the connection.
            Err(if all { problem } else { problem.header(CONNECTION, HeaderValue::from_static("close")) })
        }
        Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("the body can't be read: {error}"))),
    }
}

fn too_long(longest: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {longest} bytes here"))
}
