//! A request's body on its way to the upstream, frame by frame, with its beginning kept for another try.
//!
//! What a client has sent can't be asked for again. So up to 64 KiB are kept as they pass, as long as there is room for it
//! among the bodies of other requests; what turns out longer streams on, and its request can't be tried again any more.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use service::message::body::BodyError;
use service::message::incoming::Incoming;
use service::message::room::{Held, Room, passed_on};
use tokio::time::Instant;

use crate::body::deadline::{self, Late, Progress};

/// The most that is kept of a body.
pub const MOST_KEPT: usize = 64 * 1024;

/// The most of it that is sent again at a time.
const PART: usize = 16 * 1024;

/// A request's body, over all tries.
pub(crate) struct RequestBody<B = Incoming> {
    arriving: Mutex<Arriving<B>>,
}

struct Arriving<B> {
    /// What has not come yet.
    body: B,
    /// What has come, from the start; none once it was too much.
    kept: Option<Held>,
    /// The body ended with an error, so that no try can send it whole.
    broken: bool,
    /// How much of it may still come.
    allowed: u64,
    too_long: bool,
    /// The try that may read; earlier ones are over.
    attempt: u32,
    progress: Progress,
}

/// The body as one try sends it.
pub(crate) struct Replay<B = Incoming> {
    body: Arc<RequestBody<B>>,
    attempt: u32,
    /// How many of the kept bytes have been sent.
    sent: usize,
}

impl<B> RequestBody<B> {
    /// A body of which nothing has been sent, and of which at most `longest` bytes are accepted. What is kept of it takes
    /// `room`.
    pub(crate) fn new(body: B, longest: u64, room: &Room) -> Arc<Self> {
        let arriving = Arriving {
            body,
            kept: Some(room.body()),
            broken: false,
            allowed: longest,
            too_long: false,
            attempt: 0,
            progress: Progress { advanced: Instant::now(), starved: false },
        };
        Arc::new(Self { arriving: Mutex::new(arriving) })
    }

    /// The body for the next try, from its start. An earlier try can't read on.
    pub(crate) fn replay(self: &Arc<Self>) -> Replay<B> {
        let mut arriving = self.lock();
        arriving.attempt += 1;
        Replay { body: Arc::clone(self), attempt: arriving.attempt, sent: 0 }
    }

    pub(crate) fn can_be_sent_again(&self) -> bool {
        let arriving = self.lock();
        arriving.kept.is_some() && !arriving.broken
    }

    /// Whether it ended before its end, or was too long: the client's doing.
    pub(crate) fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// Whether more of it came than is accepted, so that no try could be completed.
    pub(crate) fn is_too_long(&self) -> bool {
        self.lock().too_long
    }

    /// Runs `work` until `limit` has passed since it began and since the body last advanced: a long upload is no slow upstream.
    ///
    /// # Errors
    /// Which side was waited for when the time ran out.
    pub(crate) fn within<T>(
        &self,
        limit: Duration,
        work: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = Result<T, Late>> {
        deadline::within(limit, || self.lock().progress, work)
    }

    fn lock(&self) -> MutexGuard<'_, Arriving<B>> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Arriving<B> {
    fn keep(&mut self, data: &[u8]) {
        let Some(kept) = &mut self.kept else { return };
        if kept.as_ref().len() + data.len() > MOST_KEPT || kept.extend(data).is_err() {
            self.kept = None;
        }
    }

    /// What is kept beyond its first `sent` bytes.
    fn again(&self, sent: usize) -> &[u8] {
        self.kept.as_ref().and_then(|kept| kept.as_ref().get(sent..)).unwrap_or_default()
    }
}

impl<B> Body for Replay<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let replay = &mut *self;
        let mut arriving = replay.body.lock();
        if arriving.attempt != replay.attempt {
            return Poll::Ready(Some(Err("this try is over".into())));
        }
        let again = arriving.again(replay.sent);
        if !again.is_empty() {
            let part = Bytes::copy_from_slice(&again[..again.len().min(PART)]);
            replay.sent += part.len();
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        let frame = Pin::new(&mut arriving.body).poll_frame(context);
        arriving.progress.starved = frame.is_pending();
        let frame = ready!(frame);
        arriving.progress.advanced = Instant::now();
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let Some(allowed) = arriving.allowed.checked_sub(data.len() as u64) else {
                        arriving.too_long = true;
                        arriving.broken = true;
                        return Poll::Ready(Some(Err("the request's body is too long".into())));
                    };
                    arriving.allowed = allowed;
                    arriving.keep(data);
                    replay.sent += data.len();
                }
            }
            Some(Err(_)) => arriving.broken = true,
            None => {}
        }
        let is_last = arriving.body.is_end_stream();
        let on = |frame: Frame<Bytes>| if is_last { frame } else { frame.map_data(passed_on) };
        Poll::Ready(frame.map(|frame| frame.map(on).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        let arriving = self.body.lock();
        arriving.again(self.sent).is_empty() && arriving.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let arriving = self.body.lock();
        let again = arriving.again(self.sent).len() as u64;
        let rest = arriving.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + again);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + again);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt;

    use super::*;

    /// Parts that are there, one after the other, then the end.
    struct Parts(VecDeque<Result<Bytes, BodyError>>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(self.0.pop_front().map(|part| part.map(Frame::data)))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0.iter().flatten().map(|part| part.len() as u64).sum())
        }
    }

    fn body<const N: usize>(parts: [&[u8]; N]) -> Arc<RequestBody<Parts>> {
        body_in(&Room::new(MOST_KEPT), parts)
    }

    fn body_in<const N: usize>(room: &Room, parts: [&[u8]; N]) -> Arc<RequestBody<Parts>> {
        RequestBody::new(
            Parts(parts.into_iter().map(|part| Ok(Bytes::copy_from_slice(part))).collect()),
            u64::MAX,
            room,
        )
    }

    async fn next(replay: &mut Replay<Parts>) -> Option<Bytes> {
        replay.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn a_second_try_sends_what_the_first_did_and_then_the_rest() {
        let body = body([b"one", b"two", b"three"]);
        let mut first = body.replay();
        assert_eq!(next(&mut first).await.unwrap(), "one");
        assert_eq!(next(&mut first).await.unwrap(), "two");
        assert!(body.can_be_sent_again());
        let second = body.replay();
        assert_eq!(second.size_hint().exact(), Some(11));
        assert!(!second.is_end_stream());
        assert!(first.frame().await.unwrap().is_err(), "two tries must not share what comes");
        assert_eq!(second.collect().await.unwrap().to_bytes(), "onetwothree");
        let third = body.replay();
        assert_eq!((third.size_hint().exact(), third.is_end_stream()), (Some(11), false));
        assert_eq!(third.collect().await.unwrap().to_bytes(), "onetwothree");
    }

    #[tokio::test]
    async fn what_is_too_long_streams_on_and_is_not_kept() {
        let half = vec![b'x'; MOST_KEPT / 2];
        let body = body([&half, &half, b"!", b"end"]);
        let mut replay = body.replay();
        next(&mut replay).await;
        next(&mut replay).await;
        assert!(body.can_be_sent_again(), "as much as is kept");
        assert_eq!(next(&mut replay).await.unwrap(), "!");
        assert!(!body.can_be_sent_again());
        assert_eq!(replay.size_hint().exact(), Some(3));
        assert_eq!(next(&mut replay).await.unwrap(), "end");
        assert!(replay.is_end_stream() && next(&mut replay).await.is_none());
    }

    #[tokio::test]
    async fn what_there_is_no_room_for_streams_on_and_is_not_kept() {
        let room = Room::new(1024);
        let others = body_in(&room, [&[b'x'; 1000], b"end"]);
        let mut replay = others.replay();
        next(&mut replay).await;
        assert!(others.can_be_sent_again() && room.taken() == 1024);
        let body = body_in(&room, [b"one", b"two"]);
        let replay = body.replay();
        assert_eq!(replay.collect().await.unwrap().to_bytes(), "onetwo");
        assert!(!body.can_be_sent_again());
        drop((others, body));
        assert_eq!(room.taken(), 1024, "the first is still being sent");
    }

    #[tokio::test]
    async fn what_is_sent_again_comes_in_parts() {
        let half = vec![b'x'; MOST_KEPT / 2];
        let body = body([&half, &half]);
        assert_eq!(body.replay().collect().await.unwrap().to_bytes().len(), MOST_KEPT);
        let mut again = body.replay();
        for left in [3, 2, 1, 0] {
            assert_eq!(next(&mut again).await.unwrap().len(), PART);
            assert_eq!((again.size_hint().exact(), again.is_end_stream()), (Some((left * PART) as u64), left == 0));
        }
        assert!(next(&mut again).await.is_none());
    }

    #[tokio::test]
    async fn a_body_that_broke_is_not_sent_again() {
        let body = RequestBody::new(
            Parts(VecDeque::from([Ok(Bytes::from("one")), Err("gone".into())])),
            u64::MAX,
            &Room::new(MOST_KEPT),
        );
        let replay = body.replay();
        assert!(body.can_be_sent_again());
        assert!(replay.collect().await.is_err());
        assert!(body.is_broken() && !body.can_be_sent_again());
    }

    #[tokio::test]
    async fn more_than_is_accepted_ends_the_body() {
        for (longest, fits) in [(5, false), (6, true)] {
            let parts = [Ok(Bytes::from("one")), Ok(Bytes::from("two"))];
            let body = RequestBody::new(Parts(VecDeque::from(parts)), longest, &Room::new(MOST_KEPT));
            assert_eq!(body.replay().collect().await.is_ok(), fits, "{longest}");
            assert_eq!((body.is_too_long(), body.can_be_sent_again()), (!fits, fits), "{longest}");
        }
    }

    #[tokio::test]
    async fn no_body_ends_at_once_in_every_try() {
        let body = body([]);
        for _ in 0..2 {
            let replay = body.replay();
            assert!(replay.is_end_stream());
            assert_eq!(replay.size_hint().exact(), Some(0));
        }
    }
}
