//! The body of a request as an app gets it. What an app leaves of it goes back to the connection, which cannot carry another
//! request before its end.
//!
//! RFC 9112, section 9.6: a server that closes with bytes unread has its TCP reset the connection, and the reset overtakes the
//! reply. So there are two ways to leave a body. Where little is to come, it is read on after the reply, and the connection goes
//! on. Else the reply says `Connection: close`, and the connection closes in stages ([`crate::connection::closing`]). Which of the two is
//! decided when the reply's head is sent, because that is what says so.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// The most that is read of a body that nobody wants, in bytes: less than a new connection costs its client, in most cases.
pub(crate) const MOST_READ_ON: u64 = 64 * 1024;

/// The body of a request.
#[derive(Debug)]
pub struct Incoming(Option<Unread>);

/// A body whose end has not been seen.
#[derive(Debug)]
struct Unread {
    body: Option<hyper::body::Incoming>,
    /// The number of its request on the connection, from 1.
    number: u64,
    rest: Arc<Rest>,
    /// Its request's place among those in flight.
    place: Option<Arc<OwnedSemaphorePermit>>,
}

/// What is left of the body of a connection's request.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    state: Mutex<State>,
    /// Something is to be done.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The request that it is about: the last one with a body. Earlier ones have ended.
    number: u64,
    /// What the app has left of it.
    left: Option<hyper::body::Incoming>,
    /// The app may still read it.
    held: bool,
    /// How often the app has read of it.
    reads: u64,
    /// What the reply says: whether the connection goes on. None before its head.
    goes_on: Option<bool>,
    /// The reply has ended.
    replied: bool,
}

/// What a connection has to do about a body.
enum Task {
    Nothing,
    ReadOn(hyper::body::Incoming),
    /// To see to it that the app goes on with it, which it has read so many times.
    Watch(u64),
}

impl Incoming {
    /// No body.
    pub fn empty() -> Self {
        Self(None)
    }

    /// The body of request `number`, of a connection with this `rest`.
    pub(crate) fn new(body: hyper::body::Incoming, number: u64, rest: &Arc<Rest>) -> Self {
        if body.is_end_stream() {
            return Self(None);
        }
        *rest.lock() = State { number, held: true, ..State::default() };
        Self(Some(Unread { body: Some(body), number, rest: Arc::clone(rest), place: None }))
    }

    /// Keeps `place` until its end has been seen or it is dropped: of a reply that comes before that, what takes memory is still
    /// under way.
    pub(crate) fn hold(&mut self, place: &Arc<OwnedSemaphorePermit>) {
        if let Some(unread) = &mut self.0 {
            unread.place = Some(Arc::clone(place));
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(unread) = &mut self.0 else { return Poll::Ready(None) };
        let Some(body) = &mut unread.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if let Some(Ok(_)) = &frame {
            unread.rest.reads(unread.number);
        } else {
            // There is no more of it to leave.
            (unread.body, unread.place) = (None, None);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.unread().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.unread().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Incoming {
    fn unread(&self) -> Option<&hyper::body::Incoming> {
        self.0.as_ref()?.body.as_ref()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.rest.leaves(self.number, self.body.take());
    }
}

impl Rest {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of request `number`, unless a later one has come.
    fn of(&self, number: u64) -> Option<MutexGuard<'_, State>> {
        Some(self.lock()).filter(|state| state.number == number)
    }

    fn reads(&self, number: u64) {
        if let Some(mut state) = self.of(number) {
            state.reads += 1;
        }
    }

    fn leaves(&self, number: u64, body: Option<hyper::body::Incoming>) {
        let Some(mut state) = self.of(number) else { return };
        state.held = false;
        // Dropped where the connection does not go on: that is how it learns that it can end.
        state.left = body.filter(|_| state.goes_on != Some(false));
        self.changed.notify_one();
    }

    /// Whether anything has been read of the body of request `number`.
    pub(crate) fn is_begun(&self, number: u64) -> bool {
        self.of(number).is_some_and(|state| state.reads > 0)
    }

    /// The head of the reply to request `number` says whether the connection goes on.
    pub(crate) fn decide(&self, number: u64, goes_on: bool) {
        let Some(mut state) = self.of(number) else { return };
        state.goes_on = Some(goes_on);
        if !goes_on {
            state.left = None;
        }
        self.changed.notify_one();
    }

    pub(crate) fn replied(&self, number: u64) {
        let Some(mut state) = self.of(number) else { return };
        state.replied = true;
        self.changed.notify_one();
    }

    /// Reads on what is left. Ends where the app keeps a body after the reply, and has read nothing of it for `patience`: the
    /// connection could wait for that for ever.
    pub(crate) async fn attend(&self, patience: Duration) {
        loop {
            let task = self.task();
            match task {
                Task::Nothing => self.changed.notified().await,
                // How long that takes is up to the pace that every body is held to.
                Task::ReadOn(mut body) => while let Some(Ok(_)) = body.frame().await {},
                Task::Watch(reads) => {
                    let changed = tokio::time::timeout(patience, self.changed.notified()).await.is_ok();
                    if !changed && matches!(self.task(), Task::Watch(now) if now == reads) {
                        return;
                    }
                }
            }
        }
    }

    fn task(&self) -> Task {
        let mut state = self.lock();
        match state.goes_on.and_then(|_| state.left.take()) {
            Some(body) => Task::ReadOn(body),
            None if state.held && state.replied => Task::Watch(state.reads),
            None => Task::Nothing,
        }
    }
}
