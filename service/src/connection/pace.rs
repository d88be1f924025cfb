//! How slow a peer may be: a bound on each silence, and on all of them together.
//!
//! A bound on silence alone is held by a byte now and then, for ever. So waiting is a budget: what is granted at first, and a
//! little more for every byte that moves. Only the time in which the server waits for the peer counts, not that in which
//! the server has something else to do.

use std::time::{Duration, Instant};

/// What is expected of a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// The longest silence, and what all of them may last together before a byte has moved.
    pub(crate) patience: Duration,
    /// What has to move in a second, on average over the time that is waited; 0 is no bound.
    pub(crate) bytes_per_second: u32,
}

/// The budget of one message in one direction.
#[derive(Debug)]
pub(crate) struct Pace {
    demand: Demand,
    /// When the silence began that lasts.
    since: Option<Instant>,
    /// How long the silences before it were.
    waited: Duration,
    moved: u64,
}

impl Pace {
    /// The budget of a message of which nothing has moved.
    pub(crate) fn new(demand: Demand) -> Self {
        Self { demand, since: None, waited: Duration::ZERO, moved: 0 }
    }

    /// Notes that `bytes` moved. The clock is read only after a silence.
    pub(crate) fn moved(&mut self, bytes: u64, now: impl FnOnce() -> Instant) {
        self.moved += bytes;
        if let Some(since) = self.since.take() {
            self.waited += now() - since;
        }
    }

    /// Notes that nothing moves `now`, and tells until when that may last.
    pub(crate) fn waits(&mut self, now: Instant) -> Instant {
        let since = *self.since.get_or_insert(now);
        let left = match self.demand.bytes_per_second {
            0 => self.demand.patience,
            rate => {
                let earned = Duration::from_millis(self.moved.saturating_mul(1000) / u64::from(rate));
                self.demand.patience.saturating_add(earned).saturating_sub(self.waited)
            }
        };
        since + left.min(self.demand.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_bounded_however_much_has_moved() {
        let zero = Instant::now();
        let mut pace = Pace::new(Demand { patience: 10 * SECOND, bytes_per_second: 100 });
        assert_eq!(pace.waits(zero), zero + 10 * SECOND);
        assert_eq!(pace.waits(zero + 9 * SECOND), zero + 10 * SECOND, "asking again is no progress");
        pace.moved(1_000_000, || zero + 9 * SECOND);
        assert_eq!(pace.waits(zero + 20 * SECOND), zero + 30 * SECOND);
    }

    #[test]
    fn a_byte_now_and_then_uses_the_budget_up() {
        let zero = Instant::now();
        let mut pace = Pace::new(Demand { patience: 10 * SECOND, bytes_per_second: 100 });
        for second in [0, 2, 4, 6, 8] {
            assert!(pace.waits(zero + second * SECOND) > zero + second * SECOND);
            pace.moved(1, || zero + (second + 2) * SECOND);
        }
        // Ten seconds were waited, five bytes earn 50 ms.
        assert_eq!(pace.waits(zero + 10 * SECOND), zero + 10 * SECOND + Duration::from_millis(50));
    }

    #[test]
    fn time_that_nobody_waits_does_not_count() {
        let zero = Instant::now();
        let mut pace = Pace::new(Demand { patience: SECOND, bytes_per_second: 1 });
        pace.moved(1, || unreachable!("no silence, no clock"));
        assert_eq!(pace.waits(zero + 100 * SECOND), zero + 101 * SECOND);
    }

    #[test]
    fn without_a_rate_only_silence_counts() {
        let zero = Instant::now();
        let mut pace = Pace::new(Demand { patience: SECOND, bytes_per_second: 0 });
        for second in 0..100 {
            assert_eq!(pace.waits(zero + second * SECOND), zero + (second + 1) * SECOND);
            pace.moved(1, || zero + second * SECOND + SECOND / 2);
        }
    }
}
