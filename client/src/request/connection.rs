//! One HTTP/1.1 connection, without a pool and without a second try: what happens to it is what is reported.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version, header::CONNECTION};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::addresses::look_up;
use super::cause::{Cause, Kind};
use super::dial;
use super::distance::Distant;
use super::url::Origin;

/// An open connection. Dropping it closes the socket at once.
pub(crate) struct ClientConnection {
    sender: SendRequest<Full<Bytes>>,
    /// Reads and writes the socket; ends when the connection does.
    driver: JoinHandle<()>,
    pub(crate) peer: SocketAddr,
}

pub(crate) enum SendError {
    /// The connection was found closed before any of the request was written. The request is handed back: sending it
    /// over another connection is its first try.
    Unwritten(Box<Request<Full<Bytes>>>),
    /// All or part of the request may have been written. It is lost.
    Lost(Cause),
}

/// The loss of a request that was sent over a fresh connection.
impl From<SendError> for Cause {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Lost(cause) => cause,
            SendError::Unwritten(_) => Self::new(Kind::Closed, "closed as soon as it was accepted"),
        }
    }
}

impl ClientConnection {
    /// Connects to the first of `addresses` that accepts, as if it took `round_trip` to get there and back. Must run on a
    /// [`tokio::task::LocalSet`].
    pub(crate) async fn open(addresses: &[SocketAddr], round_trip: Duration) -> Result<Self, Cause> {
        tokio::time::sleep(round_trip).await;
        let (stream, peer) = dial::connect(addresses).await?;
        // Nagle's algorithm would hold a request back until the last one is acknowledged.
        stream.set_nodelay(true).map_err(|error| Cause::connecting(&error))?;
        let (sender, driving) = http1::handshake(TokioIo::new(Distant::new(stream, round_trip / 2)))
            .await
            .map_err(|error| Cause::new(Kind::ConnectFailed, error.to_string()))?;
        // An error of the connection reaches the request that it belongs to; without one it is an idle close.
        let driver = tokio::task::spawn_local(async move { drop(driving.await) });
        Ok(Self { sender, driver, peer })
    }

    /// Connects to the first address of `origin` that accepts, as browsers and curl do.
    ///
    /// # Errors
    /// Those of resolving and of connecting.
    pub(crate) async fn open_any(origin: &Origin) -> Result<Self, Cause> {
        let addresses = dial::interleaved(look_up(origin).await?);
        Self::open(&addresses, Duration::ZERO).await
    }

    /// Waits until the connection is closed, by whichever side. Safe to cancel.
    pub(crate) async fn closed(&mut self) {
        // It fails when the task was aborted, which only `drop` does.
        drop((&mut self.driver).await);
    }

    /// Sends `request` and waits for the head of the reply.
    ///
    /// # Errors
    /// [`SendError`] tells whether anything was written.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, SendError> {
        self.sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::Unwritten(Box::new(request)),
            None => SendError::Lost(Cause::before_head(error.error())),
        })
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Whether a reply says that the server closes the connection after it (RFC 9112, section 9.3).
pub(crate) fn says_close(version: Version, headers: &HeaderMap) -> bool {
    let has = |option: &str| {
        headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(option))
    };
    has("close") || (version < Version::HTTP_11 && !has("keep-alive"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn which_replies_announce_the_close() {
        let says = |version, value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONNECTION, HeaderValue::from_static(value));
            }
            says_close(version, &headers)
        };
        assert!(!says(Version::HTTP_11, None));
        assert!(says(Version::HTTP_11, Some("Close")));
        assert!(says(Version::HTTP_11, Some("upgrade, close")));
        assert!(!says(Version::HTTP_11, Some("closed")));
        assert!(says(Version::HTTP_10, None));
        assert!(!says(Version::HTTP_10, Some("keep-alive")));
    }
}
