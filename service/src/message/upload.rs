//! Request bodies that are wanted: read whole, within bounds of length, time and memory.

use std::time::Duration;

use crate::message::incoming::Incoming;
use crate::message::problem::Problem;
use crate::message::room::Room;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Bytes};
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderMap};
use serde::de::DeserializeOwned;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads `body`, which belongs to a request with `headers`, up to `longest` bytes. They take `room` until they are dropped.
///
/// # Errors
/// 413 where it is longer, 408 where it takes longer than ten seconds, 400 where its framing is broken, 503 where bodies have
/// taken all the room.
pub async fn read(room: &Room, headers: &HeaderMap, body: Incoming, longest: usize) -> Result<Bytes, Problem> {
    // Who asks before sending (Expect: 100-continue) is told so without being asked for a body that is of no use.
    if body.size_hint().lower() > longest as u64 && headers.contains_key(EXPECT) {
        return Err(too_long(longest));
    }
    tokio::time::timeout(PATIENCE, whole(room, body, longest)).await.map_err(|_| {
        let detail = format!("the body was not complete within {} s", PATIENCE.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    })?
}

/// Reads `body` as JSON. Its type has to say so: a page elsewhere can then not send it without being allowed to (Fetch
/// standard, CORS-preflight).
///
/// # Errors
/// As [`read`]; 415 for another type, 400 where it is not what is expected.
pub async fn json<T: DeserializeOwned>(
    room: &Room,
    headers: &HeaderMap,
    body: Incoming,
    longest: usize,
) -> Result<T, Problem> {
    let bytes = read(room, headers, body, longest).await?;
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let detail = "the body has to be JSON, and Content-Type to say so: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    serde_json::from_slice(&bytes).map_err(|error| Problem::bad(format!("the body is not accepted: {error}")))
}

async fn whole(room: &Room, mut body: Incoming, longest: usize) -> Result<Bytes, Problem> {
    let mut held = room.body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::bad(format!("the body can't be read: {error}")))?;
        let Some(part) = frame.data_ref() else { continue };
        if held.as_ref().len() + part.len() > longest {
            return Err(too_long(longest));
        }
        if held.extend(part).is_err() {
            let detail = "the bodies of other requests take all the memory that there is for them";
            return Err(Problem::busy(detail, 1));
        }
    }
    Ok(held.freeze())
}

fn too_long(longest: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {longest} bytes here"))
}
