//! How many retries a gateway may add to the load.
//!
//! A retry helps when few requests fail. When all of them do, three retries each make four times the load of an upstream
//! that is in trouble already. So retries are bound to a share of the requests that came lately, and to a small number
//! besides, without which a quiet gateway could not retry at all.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back "lately" reaches.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// The parts in which the window moves on.
const SLOT: Duration = Duration::from_secs(1);

/// The largest share of retries that can be asked for.
pub(super) const MOST_PERCENT: u32 = 100;

/// What may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Retries for each hundred requests of the window, 0 to [`MOST_PERCENT`].
    pub percent: u32,
    /// Retries besides, for each second of the window.
    pub reserve_per_second: u32,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { percent: 20, reserve_per_second: 10 }
    }
}

/// The account of requests and retries. Time is what its caller says: that since any fixed moment, never going back.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    allowance: Allowance,
    /// The slots of the window in which anything was, the oldest first.
    slots: VecDeque<Slot>,
    requests: u64,
    retries: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    number: u64,
    requests: u64,
    retries: u64,
}

impl Budget {
    pub(super) fn new(allowance: Allowance) -> Self {
        Self { allowance, slots: VecDeque::new(), requests: 0, retries: 0 }
    }

    /// Enters a request, at its first try.
    pub(super) fn request(&mut self, now: Duration) {
        self.slot(now).requests += 1;
        self.requests += 1;
    }

    /// Enters a retry, and tells whether it may be made; one that may not is no entry.
    pub(super) fn retry(&mut self, now: Duration) -> bool {
        self.forget(now);
        let reserve = u64::from(self.allowance.reserve_per_second) * WINDOW.as_secs();
        let allowed = self.requests * u64::from(self.allowance.percent) / 100 + reserve;
        if self.retries >= allowed {
            return false;
        }
        self.slot(now).retries += 1;
        self.retries += 1;
        true
    }

    /// The slot of `now`, after what is older than the window has gone.
    fn slot(&mut self, now: Duration) -> &mut Slot {
        self.forget(now);
        let number = number(now);
        if self.slots.back().is_none_or(|last| last.number < number) {
            self.slots.push_back(Slot { number, requests: 0, retries: 0 });
        }
        let last = self.slots.len() - 1;
        &mut self.slots[last]
    }

    fn forget(&mut self, now: Duration) {
        let slots_in_window = (WINDOW.as_millis() / SLOT.as_millis()) as u64;
        while let Some(oldest) = self.slots.front().filter(|oldest| oldest.number + slots_in_window <= number(now)) {
            self.requests -= oldest.requests;
            self.retries -= oldest.retries;
            self.slots.pop_front();
        }
    }
}

fn number(now: Duration) -> u64 {
    (now.as_millis() / SLOT.as_millis()) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn granted(budget: &mut Budget, asked: u32, now: Duration) -> u32 {
        (0..asked).map(|_| u32::from(budget.retry(now))).sum()
    }

    #[test]
    fn the_reserve_is_there_without_requests_and_comes_back_after_the_window() {
        let mut budget = Budget::new(Allowance::default());
        assert_eq!(granted(&mut budget, 1000, Duration::ZERO), 100);
        assert_eq!(granted(&mut budget, 1000, WINDOW.saturating_sub(Duration::from_millis(1))), 0);
        assert_eq!(granted(&mut budget, 1000, WINDOW), 100);
    }

    #[test]
    fn a_fifth_of_the_requests_comes_on_top_until_they_are_forgotten() {
        let mut budget = Budget::new(Allowance { percent: 20, reserve_per_second: 0 });
        for _ in 0..1000 {
            budget.request(Duration::ZERO);
        }
        assert_eq!(granted(&mut budget, 150, Duration::from_secs(1)), 150);
        assert_eq!(granted(&mut budget, 1000, Duration::from_secs(9)), 50);
        assert_eq!(granted(&mut budget, 1000, WINDOW), 0);
    }

    proptest! {
        /// Whatever comes when: in no window are there more retries than it and the slot before it pay for.
        #[test]
        fn no_window_has_more_retries_than_it_pays_for(
            steps in proptest::collection::vec((0_u64..3000, 0_u32..200, 0_u32..200), 1..60),
        ) {
            let allowance = Allowance { percent: 20, reserve_per_second: 2 };
            let mut budget = Budget::new(allowance);
            let mut now = Duration::ZERO;
            let mut history = Vec::new();
            for (wait, requests, retries) in steps {
                now += Duration::from_millis(wait);
                for _ in 0..requests {
                    budget.request(now);
                }
                history.push((now, requests, granted(&mut budget, retries, now)));
            }
            for (end, _, _) in &history {
                let window = |from: Duration| history.iter().filter(move |(at, _, _)| *at > from && at <= end);
                let retries: u32 = window((*end + SLOT).saturating_sub(WINDOW)).map(|(_, _, retries)| retries).sum();
                let requests: u32 = window(end.saturating_sub(WINDOW * 2)).map(|(_, requests, _)| requests).sum();
                // Requests at the very start are in the window too, as `from` is open.
                let first: u32 = history.iter().filter(|(at, _, _)| at.is_zero()).map(|(_, requests, _)| requests).sum();
                let paid = (requests + first) * allowance.percent / 100 + 20;
                prop_assert!(retries <= paid, "{retries} retries until {end:?}, {paid} paid for");
            }
        }
    }
}
