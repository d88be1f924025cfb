//! A latency histogram of fixed size: every value is kept within 1/128 (0.8 %) of what was recorded.
//!
//! The layout is the log-linear one of `HdrHistogram`: each power of two is cut into 128 equal buckets, and values
//! below 256 have a bucket each. Recording is one shift and one addition, and the memory does not grow with the run. The longest
//! value is kept as it is.

use std::time::Duration;

/// log2 of the buckets in one power of two.
const SUB_BUCKET_BITS: u32 = 7;
const SUB_BUCKETS: u64 = 1 << SUB_BUCKET_BITS;
/// Longest latency told apart, in microseconds: 2^36 us is 19 hours. Longer ones are counted as this long.
const MAX_BITS: u32 = 36;
const BUCKETS: usize = ((MAX_BITS - SUB_BUCKET_BITS) as usize + 1) * SUB_BUCKETS as usize;

/// Counts of durations, in microseconds.
pub(crate) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into_boxed_slice(), total: 0, max: 0 }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min((1 << MAX_BITS) - 1);
        self.counts[bucket_of(micros)] += 1;
        self.total += 1;
        self.max = self.max.max(micros);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The longest duration, exact; zero when nothing was recorded.
    pub(crate) fn max(&self) -> Duration {
        Duration::from_micros(self.max)
    }

    /// The duration that `share` (0 to 1) of those recorded did not exceed; zero when nothing was recorded.
    ///
    /// Errs upwards only, by at most 1/128.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_sign_loss, reason = "a share of a count is never negative")]
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(highest_of(bucket).min(self.max));
            }
        }
        Duration::ZERO
    }
}

fn bucket_of(micros: u64) -> usize {
    if micros < SUB_BUCKETS {
        return micros as usize;
    }
    let shift = micros.ilog2() - SUB_BUCKET_BITS;
    (u64::from(shift) * SUB_BUCKETS + (micros >> shift)) as usize
}

fn highest_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SUB_BUCKETS {
        return bucket;
    }
    let shift = bucket / SUB_BUCKETS - 1;
    ((bucket - shift * SUB_BUCKETS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_one_in_128_of_its_bucket() {
        let mut value = 0u64;
        while value < 1 << MAX_BITS {
            for v in [value, value + 1] {
                let high = highest_of(bucket_of(v));
                assert!(high >= v, "{v} is counted below itself, as {high}");
                assert!((high - v) * 128 <= v, "{v} is counted as {high}");
            }
            value = value * 17 / 16 + 1;
        }
    }

    #[test]
    fn buckets_follow_each_other_without_a_hole() {
        for bucket in 1..BUCKETS {
            assert_eq!(bucket_of(highest_of(bucket - 1) + 1), bucket);
        }
    }

    #[test]
    fn quantiles_of_one_to_a_thousand_milliseconds() {
        let mut histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        for (share, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0)] {
            let got = histogram.quantile(share).as_secs_f64() * 1e3;
            assert!((expected..=expected * 1.008).contains(&got), "{share}: {got}");
        }
        assert_eq!(histogram.max(), Duration::from_secs(1));
    }

    #[test]
    fn an_empty_histogram_has_zeros_and_a_huge_value_is_kept() {
        let mut histogram = Histogram::default();
        assert!(histogram.is_empty());
        assert_eq!(histogram.quantile(0.99), Duration::ZERO);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.max(), Duration::from_micros((1 << MAX_BITS) - 1));
    }
}
