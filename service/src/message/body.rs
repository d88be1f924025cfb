//! The body of a reply: bytes at hand, or a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Frame, SizeHint};

use crate::exchange::Exchange;

/// An error of a streamed body. The connection is then cut, which is how the peer learns that the body is incomplete.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a reply. Bytes at hand, by far the most frequent, cost no allocation and no dynamic call.
pub struct Body {
    content: Content,
    /// Accounts for the exchange when the body has ended or was given up.
    exchange: Option<Exchange>,
}

enum Content {
    Bytes(Bytes),
    Stream(UnsyncBoxBody<Bytes, BodyError>),
}

impl Body {
    /// A body without content.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// A body that is produced while it is sent.
    pub fn stream<B>(stream: B) -> Self
    where
        B: hyper::body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self { content: Content::Stream(stream.boxed_unsync()), exchange: None }
    }

    pub(crate) fn ends(mut self, exchange: Exchange) -> Self {
        self.exchange = Some(exchange);
        self
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self { content: Content::Bytes(bytes.into()), exchange: None }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = &mut *self;
        match &mut body.content {
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Stream(stream) => {
                let frame = Pin::new(stream).poll_frame(context);
                if let (Poll::Ready(Some(Err(error))), Some(exchange)) = (&frame, &body.exchange) {
                    exchange.breaks_off(error);
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(stream) => stream.size_hint(),
        }
    }
}
