//! A connection to an upstream, on which a reply is still read when the upstream takes no more of the request.
//!
//! An upstream that refuses a long body answers, and closes with the rest of it unread. The next write then fails, often before
//! the reply was looked at, and hyper gives the connection up with the reply in the socket's buffer. So a write that fails is
//! no end here: what is written from then on goes nowhere, and what comes, the reply or the end, is for the reader to find.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

pub(super) struct Stream<T> {
    inner: T,
    /// A write has failed: the other side takes nothing any more.
    refused: bool,
}

impl<T> Stream<T> {
    /// A connection that is open in both directions.
    pub(super) fn new(inner: T) -> Self {
        Self { inner, refused: false }
    }

    pub(super) fn into_inner(self) -> T {
        self.inner
    }

    /// Takes a write of `bytes` that ended with `written`.
    fn taken(&mut self, written: io::Result<usize>, bytes: usize) -> io::Result<usize> {
        match written {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.refused = true;
                Ok(bytes)
            }
            other => other,
        }
    }
}

impl<T: Read + Unpin> Read for Stream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for Stream<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.refused {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes));
        Poll::Ready(self.taken(written, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        if self.refused {
            return Poll::Ready(Ok(bytes));
        }
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, slices));
        Poll::Ready(self.taken(written, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
