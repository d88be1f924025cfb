//! How many requests a client may make in a while.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A): one moment for each client, at which its allowance would be whole
//! again. It admits bursts up to the limit and no more than the limit in the long run, and needs no timer.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Requests, at least 1; as many may come at once.
    pub limit: u32,
    /// In this time, at least a millisecond.
    pub period: Duration,
    /// Clients that are told apart at a time, at least 1. All others share one allowance.
    pub clients: usize,
}

/// What becomes of a request, and what its client can do from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// It may pass.
    pub admitted: bool,
    /// As many more could come at once.
    pub remaining: u32,
    /// When the allowance is whole again, from now.
    pub reset: Duration,
    /// When the next request would be admitted, from now; zero if one would be now.
    pub retry_after: Duration,
}

/// The allowances of clients that are told apart by `K`. Time is what its caller says: that since any fixed moment, never
/// going back.
#[derive(Debug, Clone)]
pub struct RateLimit<K> {
    terms: Terms,
    /// When the allowance of each is whole again.
    whole_at: HashMap<K, Duration>,
    /// The same for all who are too many.
    others_whole_at: Duration,
    /// When those whose allowance is whole were last forgotten.
    swept: Duration,
}

/// Forgetting looks at every client, so a flood of new ones must not make each request do it.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl<K: Eq + Hash> RateLimit<K> {
    /// Every client's allowance is whole.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, whole_at: HashMap::new(), others_whole_at: Duration::ZERO, swept: Duration::ZERO }
    }

    /// Judges a request of `client`, and counts it if it is admitted.
    pub fn judge<Q>(&mut self, client: &Q, now: Duration) -> Verdict
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let terms = self.terms;
        let whole_at = self.allowance(client, now);
        let start = (*whole_at).max(now);
        let after = start + terms.period / terms.limit;
        let admitted = after <= now + terms.period;
        if admitted {
            *whole_at = after;
        }
        let whole_at = (*whole_at).max(now);
        let reset = whole_at.saturating_sub(now);
        let retry_after = (whole_at + terms.period / terms.limit).saturating_sub(now + terms.period);
        Verdict { admitted, remaining: terms.remaining(reset), reset, retry_after }
    }

    fn allowance<Q>(&mut self, client: &Q, now: Duration) -> &mut Duration
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let full = self.whole_at.len() >= self.terms.clients;
        if full && now >= self.swept + SWEEP_EVERY && !self.whole_at.contains_key(client) {
            self.whole_at.retain(|_, whole_at| *whole_at > now);
            self.swept = now;
        }
        if self.whole_at.len() >= self.terms.clients && !self.whole_at.contains_key(client) {
            return &mut self.others_whole_at;
        }
        self.whole_at.entry(client.to_owned()).or_default()
    }
}

impl Terms {
    /// Requests that can come at once when the allowance is whole again after `reset`.
    fn remaining(self, reset: Duration) -> u32 {
        let spare = self.period.saturating_sub(reset);
        (spare.as_nanos() / (self.period / self.limit).as_nanos().max(1)).min(u128::from(self.limit)) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TERMS: Terms = Terms { limit: 10, period: Duration::from_secs(1), clients: 3 };

    fn admitted(limit: &mut RateLimit<String>, client: &str, requests: u32, now: Duration) -> u32 {
        (0..requests).map(|_| u32::from(limit.judge(client, now).admitted)).sum()
    }

    #[test]
    fn a_burst_up_to_the_limit_and_then_one_by_one() {
        let mut limit = RateLimit::new(TERMS);
        let first = limit.judge("a", Duration::ZERO);
        let tenth = Duration::from_millis(100);
        assert_eq!(first, Verdict { admitted: true, remaining: 9, reset: tenth, retry_after: Duration::ZERO },);
        assert_eq!(admitted(&mut limit, "a", 20, Duration::ZERO), 9);
        let refused = limit.judge("a", Duration::ZERO);
        assert_eq!(refused, Verdict { admitted: false, remaining: 0, reset: tenth * 10, retry_after: tenth });
        assert_eq!(admitted(&mut limit, "a", 20, tenth), 1);
        assert_eq!(admitted(&mut limit, "b", 20, tenth), 10, "another client");
        assert_eq!(admitted(&mut limit, "a", 20, tenth * 11), 10, "whole again");
    }

    #[test]
    fn clients_that_are_too_many_share_one_allowance_until_there_is_room() {
        let mut limit = RateLimit::new(TERMS);
        for client in ["a", "b", "c"] {
            assert_eq!(admitted(&mut limit, client, 20, Duration::ZERO), 10, "{client}");
        }
        assert_eq!(admitted(&mut limit, "d", 20, Duration::ZERO), 10);
        assert_eq!(admitted(&mut limit, "e", 20, Duration::ZERO), 0, "d had it");
        let later = Duration::from_secs(2);
        assert_eq!(admitted(&mut limit, "e", 20, later), 10, "a, b and c are forgotten");
        assert_eq!(admitted(&mut limit, "d", 20, later), 10);
        assert!(limit.whole_at.len() <= TERMS.clients);
    }

    proptest! {
        /// Whatever comes when: at most the limit at once; at most twice the limit in any period of a client that is told
        /// apart, as a burst may follow on a period of the steady rate; and who waits as long as it is told is admitted.
        #[test]
        fn bounded_in_every_period_and_true_about_when_to_come_back(
            steps in proptest::collection::vec((0_u64..700, 0_u8..6, 1_u32..15), 1..60),
        ) {
            let mut limit = RateLimit::new(Terms { clients: 6, ..TERMS });
            let mut now = Duration::ZERO;
            let mut history = Vec::new();
            for (wait, client, requests) in steps {
                now += Duration::from_millis(wait);
                let client = client.to_string();
                let count = admitted(&mut limit, &client, requests, now);
                prop_assert!(count <= TERMS.limit);
                history.push((now, client.clone(), count));
                let verdict = limit.clone().judge(client.as_str(), now);
                prop_assert!(limit.clone().judge(client.as_str(), now + verdict.retry_after).admitted);
                prop_assert!(verdict.reset <= TERMS.period && verdict.remaining <= TERMS.limit);
            }
            for (end, who, _) in &history {
                let start = end.saturating_sub(TERMS.period);
                let total: u32 =
                    history.iter().filter(|(at, client, _)| client == who && *at > start && at <= end).map(|(_, _, n)| n).sum();
                prop_assert!(total <= 2 * TERMS.limit, "{who}: {total} in the period until {end:?}");
            }
        }
    }
}
