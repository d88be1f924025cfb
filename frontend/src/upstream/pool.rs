//! Idle connections to one endpoint of an upstream.
//!
//! A pool of our own. Of the two that hyper-util 0.1.21 has, the client's loses what the gateway needs: its errors do not give
//! back a request that was never written, and it has no maximum age. The other, `client-pool`, is a stack without a bound on
//! what it keeps, nor on its age. Both reuse the connection that was used last, so that a few connections to a few pods carry
//! everything. This one takes the connection that was idle longest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::upstream::link::Link;

/// The most idle connections that are kept, to all endpoints together. A burst that needed more is over when that many are idle.
pub(crate) const MOST_IDLE: usize = 128;

pub(super) struct Pool {
    idle: Mutex<VecDeque<Idle>>,
    /// How long a connection may be idle. Below the upstream's own idle timeout, so that it is this side that closes.
    longest_idle: Duration,
    /// Places for idle connections, here and in other pools.
    places: Arc<Semaphore>,
}

struct Idle {
    link: Link,
    since: Instant,
    _place: OwnedSemaphorePermit,
}

impl Pool {
    /// An empty pool, which takes `places` for what it keeps, and is swept until it is dropped. Needs a runtime.
    pub(super) fn new(longest_idle: Duration, places: Arc<Semaphore>) -> Arc<Self> {
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
    pub(super) fn take(&self, now: Instant) -> Option<Link> {
        let mut idle = self.lock();
        while let Some(next) = idle.pop_front() {
            if self.is_usable(&next, now) {
                return Some(next.link);
            }
        }
        None
    }

    /// Keeps one whose exchange has ended, unless it is too old, the upstream has closed it, or there is no place.
    pub(super) fn put(&self, link: Link, now: Instant) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let idle = Idle { link, since: now, _place: place };
        if self.is_usable(&idle, now) {
            self.lock().push_back(idle);
        }
    }

    fn sweep(&self, now: Instant) {
        self.lock().retain(|idle| self.is_usable(idle, now));
    }

    fn is_usable(&self, idle: &Idle, now: Instant) -> bool {
        !idle.link.sender.is_closed()
            && idle.link.expires.is_none_or(|end| now < end)
            && now < idle.since + self.longest_idle
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
