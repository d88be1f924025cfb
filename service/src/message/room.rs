//! Request bodies that are held in memory: each in one buffer that grows with it, all of them within one bound.
//!
//! hyper hands a body out in the buffers that it was read into, and a part of one byte keeps 8 KiB or more of them. Who keeps
//! the parts of a body that is sent byte by byte so keeps thousands of times as much as was sent; so what is kept is copied.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::body::Bytes;
use prometheus_client::metrics::gauge::Gauge;

/// The least that is taken for a body, in bytes.
const LEAST: usize = 512;

/// Parts that are shorter are copied where they go on: half of the least that hyper reads into.
const SHORT: usize = 4096;

/// Room for a number of bytes, for all requests together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    taken: AtomicUsize,
    shown: Gauge,
}

/// A body in one buffer. Its room is free again when it is dropped, or the [`Bytes`] that it became.
#[derive(Debug)]
pub struct Held {
    bytes: Vec<u8>,
    /// What it takes of its room.
    taken: usize,
    room: Room,
}

/// There is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Room {
    /// Room for `most` bytes.
    pub fn new(most: usize) -> Self {
        Self::shown_by(most, Gauge::default())
    }

    /// The same, with the bytes that are taken on `gauge`.
    pub(crate) fn shown_by(most: usize, gauge: Gauge) -> Self {
        Self(Arc::new(Shared { most, taken: AtomicUsize::new(0), shown: gauge }))
    }

    /// A body of which nothing has come.
    #[must_use]
    pub fn body(&self) -> Held {
        Held { bytes: Vec::new(), taken: 0, room: self.clone() }
    }

    /// Bytes that are taken.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), Full> {
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= self.0.most);
        self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map_err(|_| Full)?;
        self.0.shown.inc_by(bytes.cast_signed() as i64);
        Ok(())
    }

    fn give_back(&self, bytes: usize) {
        self.0.taken.fetch_sub(bytes, Ordering::Relaxed);
        self.0.shown.dec_by(bytes.cast_signed() as i64);
    }
}

impl Held {
    /// Adds a copy of `part`.
    ///
    /// # Errors
    /// Where there is no room for it; the body is as before.
    pub fn extend(&mut self, part: &[u8]) -> Result<(), Full> {
        let needed = self.bytes.len() + part.len();
        if needed > self.taken {
            let after = needed.next_power_of_two().max(LEAST);
            self.room.take(after - self.taken)?;
            self.taken = after;
            self.bytes.reserve_exact(after - self.bytes.len());
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    /// The body, whose room stays taken until the last of its bytes is dropped.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.give_back(self.taken);
    }
}

/// `part` of a body that is passed on and may have to wait, in memory that is at most about twice as long.
pub fn passed_on(part: Bytes) -> Bytes {
    if part.len() < SHORT { Bytes::copy_from_slice(&part) } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_sent_byte_by_byte_takes_at_most_twice_its_length() {
        let room = Room::new(1 << 20);
        let mut held = room.body();
        for byte in 0..10_000_usize {
            held.extend(&[byte as u8]).unwrap();
            assert!(room.taken() <= (2 * (byte + 1)).max(LEAST), "{} for {byte}", room.taken());
        }
        assert!(held.as_ref().iter().enumerate().all(|(at, byte)| *byte == at as u8));
        assert_eq!(room.taken(), held.bytes.capacity());
    }

    #[test]
    fn what_is_taken_is_free_again_with_the_last_of_the_bytes() {
        let room = Room::new(LEAST);
        let mut held = room.body();
        assert_eq!(room.taken(), 0, "a request without a body takes nothing");
        held.extend(b"body").unwrap();
        let part = held.freeze().slice(1..2);
        assert_eq!(room.body().extend(b"x"), Err(Full), "the reply with it may be on its way");
        drop(part);
        assert_eq!((room.taken(), room.body().extend(b"x")), (0, Ok(())));
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let room = Room::new(3 * LEAST);
        let mut held = room.body();
        held.extend(&[1; LEAST]).unwrap();
        assert_eq!(held.extend(&[2; 2 * LEAST]), Err(Full));
        assert_eq!((held.as_ref(), room.taken()), (&[1; LEAST][..], LEAST));
        held.extend(&[2]).unwrap();
    }
}
