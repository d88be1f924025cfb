//! One reply of several upstreams: all are asked at once, and what each has answered becomes a member of one JSON object.
//!
//! As in other gateways, a part that is missing makes the reply poorer and not an error, and the client is told. A route can say which
//! part it is nothing without, and what an upstream has written stays as it was, to the last digit of a number.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{self, Poll};

use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, SizeHint};
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::de::IgnoredAny;
use service::message::body::{Body, BodyError};
use service::message::correlation::Correlation;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::message::room::Room;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::body::RequestBody;
use crate::routes::aggregate::{ERRORS, Part};
use crate::routes::{Live, Route, origin_form};
use crate::upstream::{Failure, Persistence, Upstream};

/// Parts of all aggregates together that may be under way; more wait, within their time.
pub(crate) const MOST_PARTS_UNDER_WAY: usize = 64;

/// What all parts of one reply have in common.
pub(super) struct Asked<'a> {
    pub(super) live: &'a Live,
    pub(super) route: &'a Route,
    /// Of the request, as it goes to upstreams, with the path that the client asked for.
    pub(super) head: &'a Parts,
    /// Those of [`MOST_PARTS_UNDER_WAY`].
    pub(super) places: &'a Semaphore,
    /// For what has come of the parts.
    pub(super) room: &'a Room,
}

/// What has come of a part, or why it is missing.
type Outcome = Result<Bytes, Problem>;

/// Makes the headers of a client's request those of a GET that asks for the whole of something, as JSON that can be read.
pub(super) fn ask_for_json(head: &mut Parts) {
    let conditions = [IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE];
    for name in conditions.into_iter().chain([ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT]) {
        head.headers.remove(name);
    }
    head.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    head.method = Method::GET;
}

impl Asked<'_> {
    /// Asks for all parts, tells `log` of each upstream that gave no reply, and puts together what has come.
    ///
    /// # Errors
    /// The problem of a part that is required, or where all are missing, that of the first.
    pub(super) async fn answer(&self, log: impl Fn(&Failure, &Upstream) + Sync) -> Result<Response<Body>, Problem> {
        let parts = &self.route.aggregate;
        let mut under_way: Vec<_> = parts.iter().map(|part| Some(Box::pin(self.ask(part, &log)))).collect();
        let mut outcomes: Vec<Outcome> = parts.iter().map(|_| Ok(Bytes::new())).collect();
        poll_fn(|context| {
            for (index, asking) in under_way.iter_mut().enumerate() {
                let Some(Poll::Ready(outcome)) = asking.as_mut().map(|asking| asking.as_mut().poll(context)) else {
                    continue;
                };
                *asking = None;
                match outcome {
                    // The others would be for nothing.
                    Err(problem) if parts[index].required => return Poll::Ready(Err(problem)),
                    outcome => outcomes[index] = outcome,
                }
            }
            if under_way.iter().all(Option::is_none) { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await?;
        drop(under_way);
        let all_missing = outcomes.iter().all(Result::is_err);
        match outcomes.first() {
            Some(Err(problem)) if all_missing => Err(problem.clone()),
            _ => Ok(together(parts, outcomes)),
        }
    }

    async fn ask(&self, part: &Part, log: impl Fn(&Failure, &Upstream)) -> Outcome {
        let upstream = self.live.named(&part.upstream);
        let upstream = upstream.ok_or_else(|| Problem::new(StatusCode::BAD_GATEWAY, "the part leads nowhere"))?;
        let failed = |failure: Failure| {
            log(&failure, upstream);
            failure.problem(upstream.name())
        };
        let mut head = self.head.clone();
        let uri = &self.head.uri;
        head.uri = origin_form(self.route.target_at(part.rewrite.as_deref(), uri.path(), uri.query()))?;
        head.headers.insert(HOST, upstream.authority().clone());
        let persistence = self.route.persistence.over(upstream.persistence());
        let end = Instant::now() + persistence.overall;
        let busy = |_| Problem::busy("too many replies are being put together: try again later", 1);
        let place = timeout_at(end, self.places.acquire()).await.map_err(busy)?;
        let persistence = Persistence { overall: end.duration_since(Instant::now()), ..persistence };
        let nothing = RequestBody::new(Incoming::empty(), 0, &Room::new(0));
        let reply = upstream.send(head, &nothing, persistence).await.map_err(failed)?;
        let refused = |status: StatusCode, what: &str| {
            let name = upstream.name();
            if status.is_server_error() {
                let correlation = Correlation::of(&self.head.headers);
                tracing::warn!(
                    request_id = correlation.request_id(),
                    trace_id = correlation.trace_id(),
                    upstream = name,
                    error = what,
                    "a part of the reply is missing"
                );
            }
            Problem::new(status, format!("upstream {name} {what}")).upstream(name)
        };
        let (reply, mut body) = reply.into_parts();
        if !reply.status.is_success() {
            // What is wrong with the request is the client's to know.
            let status = if reply.status.is_client_error() { reply.status } else { StatusCode::BAD_GATEWAY };
            return Err(refused(status, &format!("answered {}", reply.status)));
        }
        let mut content = self.room.body();
        let mut left = self.route.most_reply_bytes;
        let whole = async {
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| refused(StatusCode::BAD_GATEWAY, "sent a reply that broke off"))?;
                let Some(data) = frame.data_ref() else { continue };
                left = left.checked_sub(data.len() as u64).ok_or_else(|| {
                    let most = self.route.most_reply_bytes;
                    refused(StatusCode::BAD_GATEWAY, &format!("sent a reply that is longer than {most} bytes"))
                })?;
                let full = |_| Problem::busy("there is no room for replies that are put together: try again later", 1);
                content.extend(data).map_err(full)?;
            }
            Ok::<(), Problem>(())
        };
        let late = |_| refused(StatusCode::GATEWAY_TIMEOUT, "did not send its whole reply in time");
        timeout_at(end, whole).await.map_err(late)??;
        drop(place);
        if !is_blank(content.as_ref()) && serde_json::from_slice::<IgnoredAny>(content.as_ref()).is_err() {
            return Err(refused(StatusCode::BAD_GATEWAY, "sent a reply that is no JSON"));
        }
        Ok(content.freeze())
    }
}

/// Whether there is nothing but what JSON takes for white space (RFC 8259 2).
fn is_blank(content: &[u8]) -> bool {
    content.iter().all(|byte| b" \t\r\n".contains(byte))
}

/// The reply of the parts that have come. A reply without content is null, as a part that is missing; only the latter is among the
/// errors.
fn together(parts: &[Part], outcomes: Vec<Outcome>) -> Response<Body> {
    let mut pieces = VecDeque::new();
    let mut errors = serde_json::Map::new();
    let mut before = "{";
    for (part, outcome) in parts.iter().zip(outcomes) {
        let mut piece = format!("{before}\"{}\":", part.name);
        let content = outcome.unwrap_or_else(|problem| {
            let status = problem.status().as_u16();
            errors.insert(part.name.clone(), serde_json::json!({"status": status, "detail": problem.detail()}));
            Bytes::new()
        });
        if is_blank(&content) {
            piece.push_str("null");
        }
        pieces.extend([piece.into(), content]);
        before = ",";
    }
    let mut end = String::from("}");
    let is_whole = errors.is_empty();
    if !is_whole {
        end.clear();
        // A String takes whatever is written.
        let _ = write!(end, ",\"{ERRORS}\":{}}}", serde_json::Value::from(errors));
    }
    pieces.push_back(end.into());
    let mut response = Body::stream(Pieces(pieces)).reply(StatusCode::OK, &[(CONTENT_TYPE, "application/json")]);
    if !is_whole {
        let degraded = HeaderName::from_static("x-degraded");
        response.headers_mut().insert(degraded, HeaderValue::from_static("aggregate"));
    }
    response
}

/// A body that is there, in pieces.
struct Pieces(VecDeque<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}
