//! Counts over time, in bins of equal width.

use std::time::Duration;

/// A run of at most this length is drawn in tenths of a second, a longer one in seconds.
const LONGEST_FINE_RUN: Duration = Duration::from_secs(300);

pub(crate) fn bin_width(length: Duration) -> Duration {
    if length <= LONGEST_FINE_RUN { Duration::from_millis(100) } else { Duration::from_secs(1) }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    counts: Vec<u32>,
}

impl Series {
    pub(crate) fn record(&mut self, at: Duration, bin: Duration) {
        let index = (at.as_micros() / bin.as_micros()) as usize;
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += 1;
    }

    /// The index of the first bin that is not empty, and what is in each from there to the last of them.
    pub(crate) fn trimmed(&self) -> (u64, Vec<u64>) {
        let first_bin = self.counts.iter().take_while(|&&count| count == 0).count();
        (first_bin as u64, self.counts[first_bin..].iter().map(|&count| u64::from(count)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_on_the_edge_belongs_to_the_bin_that_starts_there() {
        let bin = bin_width(Duration::from_secs(60));
        let mut series = Series::default();
        for ms in [299, 300, 399, 500] {
            series.record(Duration::from_millis(ms), bin);
        }
        assert_eq!(series.trimmed(), (2, vec![1, 2, 0, 1]));
    }

    #[test]
    fn nothing_recorded_is_no_bin_at_all() {
        assert!(Series::default().trimmed().1.is_empty());
    }

    #[test]
    fn long_runs_have_bins_of_a_second() {
        assert_eq!(bin_width(Duration::from_secs(301)), Duration::from_secs(1));
    }
}
