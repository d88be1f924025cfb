//! Server-sent events: what is written on the board, each time that it changes, to whoever keeps the reply open.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>
//!
//! Nothing queues up for a slow reader: it is told what is so when it reads on, and not what was meanwhile.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use service::message::body::BodyError;
use service::process::lifecycle::Phase;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;

/// A comment that often, so that who is between knows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The body of a reply.
pub(crate) struct Feed(Pin<Box<dyn Future<Output = (Source, Option<Bytes>)> + Send>>);

/// Where it comes from.
pub(crate) struct Source {
    pub(crate) written: watch::Receiver<Bytes>,
    /// A drain ends it.
    pub(crate) phase: watch::Receiver<Phase>,
    /// Its place among those that may be open.
    pub(crate) _place: OwnedSemaphorePermit,
}

impl Feed {
    /// Begins with what is written now.
    pub(crate) fn new(mut source: Source) -> Self {
        source.written.mark_changed();
        Self(Box::pin(source.next()))
    }
}

impl Source {
    async fn next(mut self) -> (Self, Option<Bytes>) {
        let ending = |phase: &Phase| !matches!(phase, Phase::Starting | Phase::Serving);
        let part = tokio::select! {
            biased;
            _ = self.phase.wait_for(ending) => None,
            changed = self.written.changed() => changed.ok().map(|()| self.written.borrow_and_update().clone()),
            () = sleep(HEARTBEAT) => Some(Bytes::from_static(b":\n\n")),
        };
        (self, part)
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (source, part) = std::task::ready!(self.0.as_mut().poll(context));
        self.0 = Box::pin(source.next());
        Poll::Ready(part.map(|bytes| Ok(Frame::data(bytes))))
    }
}
