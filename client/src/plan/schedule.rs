//! When each request of a load is due: request `i` at `i / rate` after the start, whatever became of those before it.
//!
//! This is what makes the load open-loop: a server that stalls does not slow the schedule down, so its stall shows up
//! in the latency of every request that came due meanwhile, instead of in requests that were never made.

use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Requests per second, in thousandths, so that the arithmetic of the schedule is exact. Zero until one is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rate {
    per_thousand_seconds: u64,
}

impl Rate {
    /// A rate of `per_second` requests a second, which must be positive; rounded to a thousandth.
    pub(crate) fn per_second(per_second: f64) -> Self {
        #[expect(clippy::cast_sign_loss, reason = "the parser admits positive rates only")]
        let per_thousand_seconds = (per_second * 1000.0).round() as u64;
        Self { per_thousand_seconds: per_thousand_seconds.max(1) }
    }

    /// Requests a second.
    pub(crate) fn as_f64(self) -> f64 {
        self.per_thousand_seconds as f64 / 1000.0
    }
}

/// The due times of one load. Pure: it is asked with the time that has passed, and never reads a clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    rate: Rate,
    total: u64,
}

impl Schedule {
    /// A schedule of every request that is due before `length` has passed.
    pub(crate) fn new(rate: Rate, length: Duration) -> Self {
        let mut schedule = Self { rate, total: u64::MAX };
        schedule.total = match length.checked_sub(Duration::from_nanos(1)) {
            Some(last_instant) => schedule.due_by(last_instant),
            None => 0,
        };
        schedule
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// When request `index` (from 0) is due, from the start.
    pub(crate) fn due(&self, index: u64) -> Duration {
        let nanos = (u128::from(index) * NANOS_PER_SECOND * 1000).div_ceil(u128::from(self.rate.per_thousand_seconds));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many requests are due once `elapsed` has passed.
    pub(crate) fn due_by(&self, elapsed: Duration) -> u64 {
        let due = elapsed.as_nanos() * u128::from(self.rate.per_thousand_seconds) / (NANOS_PER_SECOND * 1000) + 1;
        u64::try_from(due).unwrap_or(u64::MAX).min(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_a_second_for_a_minute_is_sixty_thousand() {
        let schedule = Schedule::new(Rate::per_second(1000.0), Duration::from_secs(60));
        assert_eq!(schedule.total(), 60_000);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(59_999), Duration::from_millis(59_999));
    }

    #[test]
    fn a_request_is_due_exactly_when_the_schedule_says_so_and_not_a_nanosecond_before() {
        for rate in [0.01, 0.5, 1.0, 3.0, 7.3, 999.0, 1000.0, 20_000.0] {
            let schedule = Schedule::new(Rate::per_second(rate), Duration::from_secs(3600));
            for index in [1, 2, 10, 35, 3599] {
                if index >= schedule.total() {
                    continue;
                }
                let due = schedule.due(index);
                assert_eq!(schedule.due_by(due), index + 1, "rate {rate}, request {index}");
                let before = due.checked_sub(Duration::from_nanos(1)).unwrap();
                assert_eq!(schedule.due_by(before), index, "rate {rate}, request {index}");
            }
        }
    }

    #[test]
    fn never_more_than_the_total_is_due() {
        let schedule = Schedule::new(Rate::per_second(3.0), Duration::from_secs(2));
        assert_eq!(schedule.total(), 6);
        assert_eq!(schedule.due_by(Duration::from_secs(100)), 6);
    }

    #[test]
    fn a_slow_rate_still_makes_its_first_request_at_once() {
        let schedule = Schedule::new(Rate::per_second(0.01), Duration::from_millis(1));
        assert_eq!(schedule.total(), 1);
        assert_eq!(schedule.due_by(Duration::ZERO), 1);
    }
}
