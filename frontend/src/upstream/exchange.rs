//! One request and its reply over a connection to an endpoint; and what of a reply is not taken for one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode};
use service::calls::breaker::Outcome;

use crate::body::{Replay, RequestBody};
use crate::tunnel::Handshake;
use crate::upstream::endpoint::Try;
use crate::upstream::failure::{Failure, Kind};
use crate::upstream::link::Link;
use crate::upstream::reply::ReplyBody;

/// What became of a request that was to be sent over a kept connection.
pub(super) enum Kept {
    Answered(Response<ReplyBody>),
    /// There is no such connection: here are the try and the request, for a new one.
    None(Try, Request<Replay>),
}

/// Why a request has no reply.
pub(super) enum Unanswered {
    /// The connection did not take it: here it is, for another one.
    Unsent(Failure, Box<Request<Replay>>),
    /// Some of it may have got there.
    Sent(Failure),
}

/// Sends `request`, whose body is `body`, over a connection that was kept. The endpoint may be silent for as long as
/// `patience`: before its reply's head, and between parts of the body.
///
/// A connection that turns out closed before anything was written costs no try: the request comes back whole and goes to the
/// next one. That is what happens while an endpoint drains.
///
/// # Errors
/// Why it has failed, after some of the request may have got there.
pub(super) async fn over_kept(
    mut this: Try,
    mut request: Request<Replay>,
    body: &Arc<RequestBody>,
    patience: Duration,
) -> Result<Kept, Failure> {
    while let Some(link) = this.kept() {
        match exchange(link, request, body, patience).await {
            Ok(answered) => return Ok(Kept::Answered(received(this, answered, body, patience))),
            Err(Unanswered::Unsent(_, unsent)) => request = *unsent,
            Err(Unanswered::Sent(failure)) => return Err(failed(&mut this, failure, body)),
        }
    }
    Ok(Kept::None(this, request))
}

/// Sends `request` over the new connection `link`, as [`over_kept`] does.
pub(super) async fn over(
    mut this: Try,
    link: Link,
    request: Request<Replay>,
    body: &Arc<RequestBody>,
    patience: Duration,
) -> Result<Response<ReplyBody>, Unanswered> {
    match exchange(link, request, body, patience).await {
        Ok(answered) => Ok(received(this, answered, body, patience)),
        // Where the body is broken, another connection could not send it either.
        Err(Unanswered::Unsent(failure, unsent)) if !body.is_broken() => {
            Err(Unanswered::Unsent(failed(&mut this, failure, body), unsent))
        }
        Err(Unanswered::Unsent(failure, _) | Unanswered::Sent(failure)) => {
            Err(Unanswered::Sent(failed(&mut this, failure, body)))
        }
    }
}

/// Sends `request` over `link`, and waits for the head of its reply.
async fn exchange(
    link: Link,
    request: Request<Replay>,
    body: &RequestBody,
    patience: Duration,
) -> Result<(Response<Incoming>, Link), Unanswered> {
    let sent = pin!(send(link, request));
    body.within(patience, sent).await.unwrap_or_else(|late| Err(Unanswered::Sent(late.into())))
}

async fn send(mut link: Link, request: Request<Replay>) -> Result<(Response<Incoming>, Link), Unanswered> {
    let handshake = request.extensions().get::<Handshake>().cloned();
    let response = match link.sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            let unsent = error.take_message();
            let error = error.into_error();
            return Err(match unsent {
                Some(request) => Unanswered::Unsent(Kind::Unsent.by(error), Box::new(request)),
                None => Unanswered::Sent(Failure::after_sending(error)),
            });
        }
    };
    check(&response, handshake.as_ref()).map_err(Unanswered::Sent)?;
    Ok((response, link))
}

/// What hyper lets pass: a switch that nobody asked for, a coding that nobody asked for, which would reach the client without its
/// name, and several ways to tell the body's end, of which the client could go by another than hyper did. RFC 9112, section 6.3,
/// takes that for an attack.
fn check(response: &Response<Incoming>, handshake: Option<&Handshake>) -> Result<(), Failure> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let asked = handshake.ok_or("nobody asked for it");
        asked.and_then(|handshake| handshake.check(response)).map_err(|how| Kind::Switched.by(how))?;
    }
    framing(response.headers()).map_err(|how| Kind::Malformed.by(how))
}

fn framing(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(()),
        (None, Some(length)) if length.as_bytes().iter().all(u8::is_ascii_digit) && lengths.next().is_none() => Ok(()),
        (None, Some(_)) => Err("a Content-Length that is not one number"),
        (Some(_), Some(_)) => Err("both Transfer-Encoding and Content-Length"),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
            Ok(())
        }
        (Some(_), None) => Err("a Transfer-Encoding other than chunked"),
    }
}

fn received(
    mut this: Try,
    (response, link): (Response<Incoming>, Link),
    body: &Arc<RequestBody>,
    patience: Duration,
) -> Response<ReplyBody> {
    this.tell(Outcome::Success);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response.map(|reply| ReplyBody::switched(reply, link, this, patience));
    }
    response.map(|reply| ReplyBody::new(reply, link, this, body, patience))
}

fn failed(this: &mut Try, failure: Failure, body: &RequestBody) -> Failure {
    // The upstream could not have answered: any client could take it out of service otherwise.
    let failure = if body.is_broken() { Kind::ClientBroke.into() } else { failure };
    this.tell((&failure).into());
    failure
}
