//! The byte stream of one connection: what comes passes by [`Framing`], and a peer that is too slow ends it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::pace::{Demand, Pace};
use crate::exchange::traffic::Traffic;
use crate::message::framing::{Framing, Part, Refusal};
use crate::settings::limits::Limits;
use crate::telemetry::metrics::{Awaited, Metrics};

/// A stream that notes in [`Traffic`] what passes, and what is wrong with requests; it fails where its peer is too slow:
///
/// - with a head, from its first byte to its last (before that the connection is idle, which hyper bounds);
/// - with a body, while the app waits for more of it;
/// - to take a reply, while there is more of it to send.
pub(crate) struct Stream<'a> {
    socket: &'a mut TcpStream,
    framing: Framing,
    traffic: &'a Traffic,
    limits: &'a Limits,
    metrics: Option<&'a Metrics>,
    reading: Pace,
    /// What the pace of reading is for.
    part: (u64, Part),
    writing: Pace,
    /// The request whose reply the pace of writing is for.
    reply: u64,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<'a> Stream<'a> {
    /// The stream of `socket`; those of its clients that were too slow are counted in `metrics`.
    pub(crate) fn new(
        socket: &'a mut TcpStream,
        limits: &'a Limits,
        traffic: &'a Traffic,
        metrics: Option<&'a Metrics>,
    ) -> Self {
        Self {
            socket,
            framing: Framing::new(limits.body_bytes),
            traffic,
            limits,
            metrics,
            reading: Pace::new(demand(Part::Nothing, limits)),
            part: (0, Part::Nothing),
            writing: Pace::new(reply_demand(limits)),
            reply: 0,
            read_timer: None,
            write_timer: None,
        }
    }

    /// Follows `bytes`.
    ///
    /// # Errors
    /// Where they spoil a body that the app is reading: its end may be among them, and must not look like a good one. A
    /// request that is refused by its head goes on to hyper, so that it is answered.
    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reading.moved(bytes.len() as u64, now);
        let followed = self.framing.follow(bytes);
        self.traffic.follow(&self.framing);
        let before = self.part;
        self.part = (self.framing.request(), self.framing.awaited());
        if before != self.part {
            self.reading = Pace::new(demand(self.part.1, self.limits));
        }
        let Err(refusal) = followed else { return Ok(()) };
        self.traffic.refuse(self.framing.request(), refusal);
        let of_the_body = before == (self.framing.request(), Part::Body);
        if of_the_body { Err(io::Error::new(io::ErrorKind::InvalidData, refusal.detail)) } else { Ok(()) }
    }

    /// Ready once the peer has been waited for as long as it may be.
    fn poll_slow_sender(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let (number, part) = self.part;
        let awaited = match part {
            Part::Nothing => return Poll::Pending,
            Part::Head => Awaited::Head,
            Part::Body => Awaited::Body,
        };
        ready!(poll_until(&mut self.read_timer, self.reading.waits(now()), context));
        if part == Part::Body {
            let detail = "the request's body came too slowly";
            self.traffic.refuse(number, Refusal { status: StatusCode::REQUEST_TIMEOUT, detail });
        }
        self.cut(awaited);
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer sends too slowly"))
    }

    fn cut(&self, awaited: Awaited) {
        if let Some(metrics) = self.metrics {
            metrics.cut(awaited);
        }
    }

    /// What became of a write, and an error once the peer has been waited for as long as it may be.
    fn bound(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if self.reply != self.part.0 {
            self.reply = self.part.0;
            self.writing = Pace::new(reply_demand(self.limits));
        }
        self.traffic.blocked.store(written.is_pending(), Relaxed);
        if let Poll::Ready(written) = written {
            self.writing.moved(*written.as_ref().unwrap_or(&0) as u64, now);
            return Poll::Ready(written);
        }
        ready!(poll_until(&mut self.write_timer, self.writing.waits(now()), context));
        self.cut(Awaited::Reply);
        // Or the kernel would keep what it has of the reply, and offer it for minutes. It fails only on a dead connection.
        let _ = self.socket.set_zero_linger();
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes the reply too slowly")))
    }
}

fn demand(part: Part, limits: &Limits) -> Demand {
    match part {
        // However many bytes of it have come: a head earns no more time.
        Part::Nothing | Part::Head => Demand { patience: limits.head, bytes_per_second: u32::MAX },
        Part::Body => Demand { patience: limits.body, bytes_per_second: limits.bytes_per_second },
    }
}

fn reply_demand(limits: &Limits) -> Demand {
    Demand { patience: limits.reply, bytes_per_second: limits.bytes_per_second }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Ready at `deadline`. The timer is kept for the next time.
fn poll_until(
    timer: &mut Option<Pin<Box<Sleep>>>,
    deadline: std::time::Instant,
    context: &mut Context<'_>,
) -> Poll<()> {
    let deadline = Instant::from_std(deadline);
    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(context)
}

impl AsyncRead for Stream<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut *self.socket).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                if buffer.filled().len() == before {
                    self.traffic.heard_out.store(true, Relaxed);
                }
                let came = self.came(&buffer.filled()[before..]);
                if came.is_err() {
                    buffer.set_filled(before);
                }
                Poll::Ready(came)
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_slow_sender(context).map(Err),
        }
    }
}

impl AsyncWrite for Stream<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.socket).poll_write(context, bytes);
        self.bound(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.socket).poll_write_vectored(context, slices);
        self.bound(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut *self.socket).poll_shutdown(context);
        self.traffic.said_all.store(matches!(shut, Poll::Ready(Ok(()))), Relaxed);
        shut
    }
}
