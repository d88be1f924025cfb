//! A reply's body on its way through the gateway, frame by frame: nothing is collected, and the upstream is held to a pace.

use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use service::message::body::BodyError;
use service::message::room::passed_on;
use tokio::time::Sleep;

use crate::body::RequestBody;
use crate::upstream::bulkhead::Place;
use crate::upstream::endpoint::Try;
use crate::upstream::failure::{Failure, Kind};
use crate::upstream::link::Link;

/// A reply's body on its way from the upstream to the client. Gives the connection back to its endpoint when it has ended; a
/// body that is given up takes its connection with it.
pub(crate) struct ReplyBody {
    body: Incoming,
    /// The connection it comes over, and the try that it ends.
    link: Option<(Link, Try)>,
    /// The request's body, of which some may still be on its way.
    request: Weak<RequestBody>,
    /// How long the upstream may send nothing.
    patience: Duration,
    /// Runs only while the upstream is waited for: a client that reads slowly does not count against it.
    silence: Option<Pin<Box<Sleep>>>,
}

impl ReplyBody {
    /// Wraps the body of a reply that came over `link`, to a request with the body `request`.
    pub(super) fn new(body: Incoming, link: Link, this: Try, request: &Arc<RequestBody>, patience: Duration) -> Self {
        let request = Arc::downgrade(request);
        let mut reply = Self { body, link: Some((link, this)), request, patience, silence: None };
        if reply.body.is_end_stream() {
            reply.give_back();
        }
        reply
    }

    /// That of a reply 101: nothing, which keeps the try from its end, and never gives the connection back.
    pub(super) fn switched(body: Incoming, link: Link, this: Try, patience: Duration) -> Self {
        Self { body, link: Some((link, this)), request: Weak::new(), patience, silence: None }
    }

    /// Keeps the `place` of its request until it has ended.
    pub(super) fn hold(&mut self, place: Place) {
        if let Some((_, this)) = &mut self.link {
            this.hold(place);
        }
    }

    fn give_back(&mut self) {
        let Some((mut link, this)) = self.link.take() else {
            return;
        };
        if link.sender.is_ready() {
            this.give_back(link);
            return;
        }
        // The connection's task has yet to see the end of the exchange: the request's body may still be on its way, or the
        // upstream has said that it closes. Only then is it known whether there will be a next request. An upstream that takes
        // no more of the body is not waited for longer than one that sends nothing.
        let (request, patience) = (self.request.clone(), self.patience);
        tokio::spawn(async move {
            let ready = match request.upgrade() {
                Some(body) => body.within(patience, pin!(link.sender.ready())).await.ok(),
                None => tokio::time::timeout(patience, link.sender.ready()).await.ok(),
            };
            if ready.is_some_and(|ready| ready.is_ok()) {
                this.give_back(link);
            }
        });
    }

    /// The end of a reply that is not whole. Its connection ends with it.
    fn broken_off(&mut self, failure: Failure) -> BodyError {
        if let Some((_, this)) = self.link.take() {
            this.count(&failure);
        }
        failure.into()
    }

    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        let patience = self.patience;
        let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        silence.as_mut().poll(context).is_ready()
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return if self.is_silent(context) {
                Poll::Ready(Some(Err(self.broken_off(Kind::BodyTimeout.into()))))
            } else {
                Poll::Pending
            };
        };
        self.silence = None;
        let mut frame = frame.map(|frame| frame.map_err(|error| self.broken_off(Kind::BodyBroken.by(error))));
        if self.body.is_end_stream() {
            self.give_back();
        } else {
            // A client that takes nothing lets several of them wait.
            frame = frame.map(|frame| frame.map(|frame| frame.map_data(passed_on)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
