//! A reply's body on its way through the gateway, frame by frame: nothing is collected, and the upstream is held to a pace.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use service::message::body::BodyError;
use service::message::room::passed_on;
use tokio::time::Sleep;

use crate::body::replay::RequestBody;
use crate::upstream::endpoint::Try;
use crate::upstream::failure::BodyFailure;
use crate::upstream::pool::Connection;

/// A reply's body on its way from the upstream to the client. Gives the connection back to its endpoint when it has ended; a
/// body that is given up takes its connection with it.
pub struct Download {
    body: Incoming,
    /// The connection it comes over, and the try that it ends.
    connection: Option<(Connection, Try)>,
    /// The request's body, of which some may still be on its way.
    upload: Weak<RequestBody>,
    /// How long the upstream may send nothing.
    patience: Duration,
    /// Runs only while the upstream is waited for: a client that reads slowly does not count against it.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Download {
    /// Wraps the body of a reply that came over `connection`, to a request with the body `upload`.
    #[must_use]
    pub fn new(
        body: Incoming,
        connection: Connection,
        this: Try,
        upload: &Arc<RequestBody>,
        patience: Duration,
    ) -> Self {
        let upload = Arc::downgrade(upload);
        let mut download = Self { body, connection: Some((connection, this)), upload, patience, silence: None };
        if download.body.is_end_stream() {
            download.give_back();
        }
        download
    }

    /// That of a reply 101: nothing, which keeps the try from its end, and never gives the connection back.
    #[must_use]
    pub fn switched(body: Incoming, connection: Connection, this: Try, patience: Duration) -> Self {
        Self { body, connection: Some((connection, this)), upload: Weak::new(), patience, silence: None }
    }

    fn give_back(&mut self) {
        let Some((mut connection, this)) = self.connection.take() else {
            return;
        };
        if connection.sender.is_ready() {
            this.give_back(connection);
            return;
        }
        // The connection's task has yet to see the end of the exchange: the request's body may still be on its way, or the
        // upstream has said that it closes. Only then is it known whether there will be a next request. An upstream that takes
        // no more of the body is not waited for longer than one that sends nothing.
        let (upload, patience) = (self.upload.clone(), self.patience);
        tokio::spawn(async move {
            let ready = match upload.upgrade() {
                Some(body) => body.within(patience, connection.sender.ready()).await.is_ok_and(|ready| ready.is_ok()),
                None => {
                    tokio::time::timeout(patience, connection.sender.ready()).await.is_ok_and(|ready| ready.is_ok())
                }
            };
            if ready {
                this.give_back(connection);
            }
        });
    }

    /// The end of a reply that is not whole. Its connection ends with it.
    fn broken_off(&mut self, failure: BodyFailure) -> BodyError {
        if let Some((_, this)) = self.connection.take() {
            this.count(&failure);
        }
        failure.into()
    }

    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        let patience = self.patience;
        let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        silence.as_mut().poll(context).is_ready()
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return if self.is_silent(context) {
                Poll::Ready(Some(Err(self.broken_off(BodyFailure::Timeout))))
            } else {
                Poll::Pending
            };
        };
        self.silence = None;
        let mut frame = frame.map(|frame| frame.map_err(|error| self.broken_off(BodyFailure::Broken(error))));
        if self.body.is_end_stream() {
            self.give_back();
        } else {
            // A client that takes nothing lets several of them wait.
            frame = frame.map(|frame| frame.map(|frame| frame.map_data(passed_on)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
