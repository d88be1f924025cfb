//! A client that is far away: what it sends arrives later, and so does what it hears, the end of the connection included.
//!
//! Within one machine both ends of a connection know the same to a tenth of a millisecond. What clients lose because they
//! do not know yet (RFC 9112, section 9.6: a server closes a connection while a request is on its way on it) is as likely
//! as the way is long, so it can't be seen there. This makes the way long, without a network to do it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Most of one read or write.
const CHUNK: usize = 16 * 1024;
/// Chunks on their way in one direction, at most; more wait at their sender, as in a full window.
const MAX_ON_THE_WAY: usize = 64;

/// A stream to the other end, `one_way` away.
pub(crate) struct Distant<S> {
    stream: S,
    one_way: Duration,
    /// What was sent, and when it gets there.
    outbound: Way<Bytes>,
    /// What was heard, and when it gets here. An empty chunk is the end.
    inbound: Way<io::Result<Bytes>>,
    /// Whether the end has been heard, or an error: there is nothing after it.
    ended: bool,
}

impl<S> Distant<S> {
    /// With no distance it is `stream`, and nothing else.
    pub(crate) fn new(stream: S, one_way: Duration) -> Self {
        Self { stream, one_way, outbound: Way::default(), inbound: Way::default(), ended: false }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Distant<S> {
    /// Hands what has got there to the stream; ready when nothing is on its way.
    fn deliver(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(chunk) = ready!(self.outbound.first(context)) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, chunk))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            chunk.advance(written);
            if chunk.is_empty() {
                self.outbound.remove_first();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes from the stream what there is, on its way from now on.
    fn hear(&mut self, context: &mut Context<'_>) {
        while !self.ended && self.inbound.has_room() {
            let mut chunk = vec![0; CHUNK];
            let mut buffer = ReadBuf::new(&mut chunk);
            let heard = match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => return,
                Poll::Ready(heard) => heard,
            };
            let length = buffer.filled().len();
            chunk.truncate(length);
            self.ended = length == 0 || heard.is_err();
            self.inbound.add(heard.map(|()| chunk.into()), self.one_way);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Distant<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.one_way.is_zero() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        // Who waits for a reply reads, and nothing else: what it sent must get there meanwhile. That it does not is heard
        // from the stream.
        drop(self.deliver(context));
        self.hear(context);
        match ready!(self.inbound.first(context)) {
            Some(Ok(chunk)) if chunk.is_empty() => {}
            Some(Ok(chunk)) => {
                let length = chunk.len().min(buffer.remaining());
                buffer.put_slice(&chunk.split_to(length));
                if chunk.is_empty() {
                    self.inbound.remove_first();
                }
            }
            Some(Err(error)) => return Poll::Ready(Err(error.kind().into())),
            None => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Distant<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.one_way.is_zero() {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        if !self.outbound.has_room() {
            ready!(self.deliver(context))?;
        }
        let length = bytes.len().min(CHUNK);
        let one_way = self.one_way;
        self.outbound.add(Bytes::copy_from_slice(&bytes[..length]), one_way);
        Poll::Ready(Ok(length))
    }

    /// What is on its way has left, so there is nothing to wait for; but someone has to come back when it gets there.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.one_way.is_zero() {
            return Pin::new(&mut self.stream).poll_flush(context);
        }
        match self.deliver(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.deliver(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What is on its way in one direction, and when it arrives.
struct Way<T> {
    chunks: VecDeque<(Instant, T)>,
    /// Rings when the first of them arrives; made when there is one to wait for.
    arrival: Option<Pin<Box<Sleep>>>,
}

impl<T> Default for Way<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), arrival: None }
    }
}

impl<T> Way<T> {
    fn has_room(&self) -> bool {
        self.chunks.len() < MAX_ON_THE_WAY
    }

    fn add(&mut self, chunk: T, one_way: Duration) {
        self.chunks.push_back((Instant::now() + one_way, chunk));
    }

    /// The first that was sent, once it has arrived; none if nothing is on its way.
    fn first(&mut self, context: &mut Context<'_>) -> Poll<Option<&mut T>> {
        let Some((arrives, chunk)) = self.chunks.front_mut() else {
            return Poll::Ready(None);
        };
        if *arrives > Instant::now() {
            let arrival = self.arrival.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(*arrives)));
            if arrival.deadline() != *arrives {
                arrival.as_mut().reset(*arrives);
            }
            ready!(arrival.as_mut().poll(context));
        }
        Poll::Ready(Some(chunk))
    }

    fn remove_first(&mut self) {
        self.chunks.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const ONE_WAY: Duration = Duration::from_millis(50);

    fn ends(one_way: Duration) -> (Distant<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(4 * CHUNK * MAX_ON_THE_WAY);
        (Distant::new(near, one_way), far)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_takes_the_way_there_and_back() {
        let (mut near, mut far) = ends(ONE_WAY);
        let start = Instant::now();
        let server = tokio::spawn(async move {
            let mut request = [0; 4];
            far.read_exact(&mut request).await.unwrap();
            assert!(start.elapsed() >= ONE_WAY && start.elapsed() < ONE_WAY * 3 / 2, "{:?}", start.elapsed());
            far.write_all(b"pong").await.unwrap();
            far
        });
        near.write_all(b"ping").await.unwrap();
        near.flush().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        let mut reply = [0; 4];
        near.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"pong");
        assert!(start.elapsed() >= 2 * ONE_WAY && start.elapsed() < 3 * ONE_WAY, "{:?}", start.elapsed());
        drop(server.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_connection_is_heard_as_late_as_all_else() {
        let (mut near, mut far) = ends(ONE_WAY);
        let start = Instant::now();
        far.write_all(b"bye").await.unwrap();
        drop(far);
        let mut heard = Vec::new();
        near.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"bye");
        assert!(start.elapsed() >= ONE_WAY && start.elapsed() < 2 * ONE_WAY, "{:?}", start.elapsed());
        assert_eq!(near.read(&mut [0; 1]).await.unwrap(), 0, "and stays the end");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_at_once_travels_side_by_side_and_arrives_in_order() {
        let (mut near, mut far) = ends(ONE_WAY);
        let start = Instant::now();
        let sent: Vec<u8> = (0..3 * CHUNK * MAX_ON_THE_WAY).map(|i| (i % 251) as u8).collect();
        let expected = sent.clone();
        let sender = tokio::spawn(async move {
            near.write_all(&sent).await.unwrap();
            near.shutdown().await.unwrap();
        });
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        sender.await.unwrap();
        assert!(heard == expected);
        // Three windows, one after the other.
        assert!(start.elapsed() >= 3 * ONE_WAY && start.elapsed() < 4 * ONE_WAY, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_heard_as_late_as_all_else() {
        struct Reset;
        impl AsyncRead for Reset {
            fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
        impl AsyncWrite for Reset {
            fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
        let start = Instant::now();
        let error = Distant::new(Reset, ONE_WAY).read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(start.elapsed() >= ONE_WAY, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn without_distance_nothing_takes_time() {
        let (mut near, mut far) = ends(Duration::ZERO);
        near.write_all(b"ping").await.unwrap();
        let mut request = [0; 4];
        far.read_exact(&mut request).await.unwrap();
        drop(far);
        assert_eq!(near.read(&mut request).await.unwrap(), 0);
    }
}
