//! Idle connections to one endpoint of an upstream.
//!
//! A pool of our own, because hyper-util's loses what the gateway needs: its errors do not give back a request that was
//! never written, it has no maximum age, and it reuses the connection that was used last, so that a few connections to a few
//! pods carry everything. This one takes the connection that was idle longest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::body::replay::Upload;

/// The most idle connections that are kept, to all endpoints together. A burst that needed more is over when that many are idle.
pub const MOST_IDLE: usize = 128;

/// The pool.
pub struct Pool {
    idle: Mutex<VecDeque<Idle>>,
    /// How long a connection may be idle. Below the upstream's own idle timeout, so that it is this side that closes.
    longest_idle: Duration,
    /// Places for idle connections, here and in other pools.
    places: Arc<Semaphore>,
}

struct Idle {
    connection: Connection,
    since: Instant,
    _place: OwnedSemaphorePermit,
}

/// A connection that carries no request.
pub struct Connection {
    /// Sends a request; the connection itself is driven by its own task.
    pub sender: SendRequest<Upload>,
    /// That task.
    pub driver: Driver,
    /// Age after which it is not used again. Closing between requests, from the client's side, loses nothing.
    pub expires: Option<Instant>,
}

/// The task that drives a connection. It ends with its connection, whatever it waits for: an upstream that takes nothing more
/// could keep it, and the client's connection with it, for ever.
#[derive(Debug)]
pub struct Driver(JoinHandle<()>);

impl Driver {
    /// Starts it.
    pub fn start(driver: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(driver))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pool {
    /// An empty pool, which takes `places` for what it keeps, and is swept until it is dropped. Needs a runtime.
    #[must_use]
    pub fn new(longest_idle: Duration, places: Arc<Semaphore>) -> Arc<Self> {
        let pool = Arc::new(Self { idle: Mutex::new(VecDeque::new()), longest_idle, places });
        let swept = Arc::downgrade(&pool);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(longest_idle / 2).await;
                let Some(pool) = swept.upgrade() else { return };
                pool.sweep(Instant::now());
            }
        });
        pool
    }

    /// The usable connection that has been idle longest.
    pub fn take(&self, now: Instant) -> Option<Connection> {
        let mut idle = self.lock();
        while let Some(next) = idle.pop_front() {
            if self.is_usable(&next, now) {
                return Some(next.connection);
            }
        }
        None
    }

    /// Keeps a connection whose exchange has ended, unless it is too old, the upstream has closed it, or there is no place.
    pub fn put(&self, connection: Connection, now: Instant) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let idle = Idle { connection, since: now, _place: place };
        if self.is_usable(&idle, now) {
            self.lock().push_back(idle);
        }
    }

    /// Connections kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// No connection is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn sweep(&self, now: Instant) {
        self.lock().retain(|idle| self.is_usable(idle, now));
    }

    fn is_usable(&self, idle: &Idle, now: Instant) -> bool {
        !idle.connection.sender.is_closed()
            && idle.connection.expires.is_none_or(|end| now < end)
            && now < idle.since + self.longest_idle
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
