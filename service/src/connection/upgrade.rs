//! A connection that leaves HTTP: what is done with its socket after a reply 101 (RFC 9110, section 15.2.2).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::process::lifecycle::Phase;

/// What an app does with a connection once its client has been told that it switches. Goes with the reply, as an extension of
/// a response 101; on any other it means nothing. Without one, the connection ends behind a reply 101.
#[derive(Clone)]
pub struct Upgrade(Arc<Mutex<Option<Begin>>>);

type Begin = Box<dyn FnOnce(Switched) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A connection that has switched.
pub struct Switched {
    /// The client's connection.
    pub socket: TcpStream,
    /// What the client has sent behind its request.
    pub read: Bytes,
    /// The server's life. A connection that is still there when it has stopped is cut.
    pub phase: watch::Receiver<Phase>,
}

impl Upgrade {
    /// Goes on with `work`, which holds the connection's place among those of the server until it is done.
    pub fn new<F>(work: impl FnOnce(Switched) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let begin: Begin = Box::new(|switched| Box::pin(work(switched)));
        Self(Arc::new(Mutex::new(Some(begin))))
    }

    /// Does the work, once.
    pub(crate) async fn begin(&self, switched: Switched) {
        let begin = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(begin) = begin {
            begin(switched).await;
        }
    }
}
