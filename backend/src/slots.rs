//! A bounded number of burns, and when the next slot is free. The clock is injected.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Slots that are free or busy until an expected time.
#[derive(Debug)]
pub(crate) struct Slots {
    busy_until: Mutex<Vec<Option<Instant>>>,
}

/// A taken slot; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    index: usize,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self { busy_until: Mutex::new(vec![None; count]) }
    }

    /// Takes a slot at `now` for about `length`.
    ///
    /// # Errors
    /// Where every slot is busy: how long until one is expected to be free, at least 1 ms.
    pub(crate) fn take(slots: &Arc<Self>, now: Instant, length: Duration) -> Result<Slot, Duration> {
        let mut busy_until = slots.lock();
        if let Some(index) = busy_until.iter().position(Option::is_none) {
            busy_until[index] = Some(now + length);
            return Ok(Slot { slots: Arc::clone(slots), index });
        }
        let next = busy_until.iter().flatten().min().copied().unwrap_or(now);
        Err(next.saturating_duration_since(now).max(Duration::from_millis(1)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Option<Instant>>> {
        // A panic while the lock is held cannot leave the vector half changed.
        self.busy_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock()[self.index] = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_until_the_first_slot_is_free() {
        let slots = Arc::new(Slots::new(2));
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let first = Slots::take(&slots, now, 3 * second).unwrap();
        let _other = Slots::take(&slots, now, 8 * second).unwrap();
        assert_eq!(Slots::take(&slots, now + second, second).unwrap_err(), 2 * second);
        // Late ones are expected any moment.
        let late = Slots::take(&slots, now + 20 * second, second).unwrap_err();
        assert_eq!(late, Duration::from_millis(1));
        drop(first);
        assert!(Slots::take(&slots, now + second, second).is_ok());
    }
}
