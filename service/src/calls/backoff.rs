//! How long to wait before a request is tried again.
//!
//! The waits double, so that a burst of failures thins out, and are spread at random, so that those who failed together do
//! not come back together.

use std::time::Duration;

/// The wait before the first retry; each further one is twice as long: 100, 200, 400 ms.
pub const FIRST: Duration = Duration::from_millis(100);
/// The most retries that can be asked for.
pub const MOST_RETRIES: u32 = 3;

/// The wait before retry number `retry`, from 0: between half and one and a half of `FIRST` x 2^`retry`, evenly spread by
/// `random`, of which every value is as likely as any other. Past [`MOST_RETRIES`] it does not grow.
pub fn wait(retry: u32, random: u32) -> Duration {
    let mean = FIRST * 2_u32.pow(retry.min(MOST_RETRIES - 1));
    mean / 2 + mean.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_spread_around_their_mean() {
        for (retry, mean) in [(0, 100), (1, 200), (2, 400), (3, 400), (u32::MAX, 400)] {
            let mean = Duration::from_millis(mean);
            assert_eq!(wait(retry, 0), mean / 2, "retry {retry}");
            assert_eq!(wait(retry, u32::MAX), mean * 3 / 2, "retry {retry}");
            let middle = wait(retry, u32::MAX / 2).as_secs_f64() / mean.as_secs_f64();
            assert!((0.999..1.001).contains(&middle), "retry {retry}: {middle}");
        }
    }
}
