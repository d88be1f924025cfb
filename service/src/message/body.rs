//! The body of a reply: bytes at hand, or a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Frame, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// An error of a streamed body. The connection is then cut, which is how the peer learns that the body is incomplete.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a reply. Bytes at hand, by far the most frequent, cost no allocation and no dynamic call.
pub struct Body(Content);

enum Content {
    Bytes(Bytes),
    Stream(UnsyncBoxBody<Bytes, BodyError>),
}

impl Body {
    /// A body without content.
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// A body that is produced while it is sent.
    pub fn stream<B>(stream: B) -> Self
    where
        B: hyper::body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self(Content::Stream(stream.boxed_unsync()))
    }

    /// The reply with this body.
    pub fn reply(self, status: StatusCode, headers: &[(HeaderName, &'static str)]) -> Response<Self> {
        let mut response = Response::new(self);
        *response.status_mut() = status;
        for (name, value) in headers {
            response.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
        }
        response
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Content::Bytes(bytes.into()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Stream(stream) => Pin::new(stream).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(stream) => stream.size_hint(),
        }
    }
}
