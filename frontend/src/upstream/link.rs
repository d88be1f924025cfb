//! A connection to an endpoint, which carries one request after the other.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::body::Replay;
use crate::tunnel::End;
use crate::upstream::failure::{Failure, Kind};
use crate::upstream::stream::Stream;

/// What hyper buffers of it, in each direction, in bytes. A reply's head that needs more than twice as much is refused.
const BUFFER_BYTES: usize = 16 * 1024;
/// What it takes at most, in bytes: its buffers, the parts of bodies that wait there, its task, and what an allocator wastes on
/// all of them.
pub(crate) const LINK_BYTES: u64 = 2 * BUFFER_BYTES as u64 + 64 * 1024;
/// The most header fields of a reply.
const HEADERS: usize = 100;

/// A connection that carries no request.
pub(super) struct Link {
    /// Sends a request; the connection itself is driven by its own task.
    pub(super) sender: SendRequest<Replay>,
    /// Age after which it is not used again. Closing between requests, from the client's side, loses nothing.
    pub(super) expires: Option<Instant>,
    _driver: Driver,
}

/// The task that drives a connection. It ends with its connection, whatever it waits for: an upstream that takes nothing more
/// could keep it, and the client's connection with it, for ever.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Link {
    /// Connects to `address`; it is used until it is `max_age` old.
    pub(super) async fn open(address: SocketAddr, max_age: Option<Duration>) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(|error| Kind::Connect.by(error))?;
        // A head and a small body are two writes; Nagle's algorithm would hold the second back.
        stream.set_nodelay(true).map_err(|error| Kind::Connect.by(error))?;
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .max_headers(HEADERS)
            .handshake(Stream::new(TokioIo::new(stream)))
            .await
            .map_err(|error| Kind::Unsent.by(error))?;
        // Whoever waits for a reply gets the error; between exchanges nobody needs it.
        let driver = Driver(tokio::spawn(async move { drop(driver.with_upgrades().await) }));
        Ok(Self { sender, expires: max_age.map(|age| Instant::now() + age), _driver: driver })
    }
}

/// The connection itself, once the upstream has left HTTP on it; taken from hyper.
pub(crate) async fn switched(upgrade: OnUpgrade) -> Option<End<TcpStream>> {
    let parts = upgrade.await.ok()?.downcast::<Stream<TokioIo<TcpStream>>>().ok()?;
    Some(End { socket: parts.io.into_inner().into_inner(), read: parts.read_buf })
}
