//! Which URL each request of a load goes to: shares kept exactly, and spread evenly over time.
//!
//! Smooth weighted round robin, as nginx has it: each turn every URL gains its weight, the richest one is chosen and
//! pays the sum of all weights. Over any run of requests each URL is within one request of its share.

/// What a share of 1 (all requests) is in whole units of weight.
pub(crate) const WHOLE: u64 = 1_000_000;

/// Chooses an index for each request.
pub(crate) struct Mix {
    /// Weight and credit of each choice.
    choices: Vec<(i64, i64)>,
    sum: i64,
}

impl Mix {
    /// A mix of as many choices as there are `weights`, which must not all be zero.
    pub(crate) fn new(weights: impl IntoIterator<Item = u64>) -> Self {
        let choices: Vec<_> =
            weights.into_iter().map(|weight| (i64::try_from(weight).unwrap_or(i64::MAX), 0)).collect();
        let sum = choices.iter().map(|(weight, _)| weight).sum();
        Self { choices, sum }
    }

    /// The choice for the next request.
    pub(crate) fn next(&mut self) -> usize {
        let mut richest = 0;
        for index in 0..self.choices.len() {
            let (weight, credit) = &mut self.choices[index];
            *credit += *weight;
            if self.choices[index].1 > self.choices[richest].1 {
                richest = index;
            }
        }
        self.choices[richest].1 -= self.sum;
        richest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(weights: &[u64], draws: usize) -> Vec<usize> {
        let mut mix = Mix::new(weights.iter().copied());
        (0..draws).map(|_| mix.next()).collect()
    }

    #[test]
    fn equal_weights_are_a_round_robin() {
        assert_eq!(drawn(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn one_percent_is_one_in_every_hundred() {
        let drawn = drawn(&[990_000, 10_000], 10_000);
        for hundred in drawn.chunks(100) {
            assert_eq!(hundred.iter().filter(|&&index| index == 1).count(), 1);
        }
    }

    #[test]
    fn a_choice_of_no_weight_is_never_made() {
        assert!(drawn(&[0, 5], 50).iter().all(|&index| index == 1));
    }
}
