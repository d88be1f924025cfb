//! How many requests a client may make in a while.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A): one moment for each client, at which its allowance would be whole
//! again. It admits bursts up to the limit and no more than the limit in the long run, and needs no timer.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
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

/// What a client whose allowance is not whole takes at most, in bytes: 24 of a digest and a moment and one of the table's own,
/// in a table that doubles when it is seven eighths full, and is there twice while it moves.
pub const CLIENT_BYTES: usize = 64;

/// The allowances of clients. Time is what its caller says: that since any fixed moment, never going back.
#[derive(Debug, Clone)]
pub struct RateLimit {
    terms: Terms,
    /// When the allowance of each is whole again, in nanoseconds. Who is not here has a whole one.
    whole_at: HashMap<Digest, u64>,
    /// The same for all who are too many.
    others_whole_at: u64,
    /// When those whose allowance is whole were last forgotten.
    swept: Duration,
    secrets: [RandomState; 2],
}

/// Stands for a client, however long its name is: two `SipHash`es of it under keys that nobody else knows, or clients could be
/// made whose names come out the same.
type Digest = [u64; 2];

/// Forgetting looks at every client, so a flood of new ones must not make each request do it.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl RateLimit {
    /// Every client's allowance is whole.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            whole_at: HashMap::new(),
            others_whole_at: 0,
            swept: Duration::ZERO,
            secrets: [RandomState::new(), RandomState::new()],
        }
    }

    /// Judges a request of `client`, and counts it if it is admitted.
    pub fn judge(&mut self, client: &[u8], now: Duration) -> Verdict {
        let terms = self.terms;
        let whole_at = self.allowance(client, now);
        let start = Duration::from_nanos(*whole_at).max(now);
        let after = start + terms.period / terms.limit;
        let admitted = after <= now + terms.period;
        if admitted {
            *whole_at = after.as_nanos() as u64;
        }
        let whole_at = Duration::from_nanos(*whole_at).max(now);
        let reset = whole_at.saturating_sub(now);
        let retry_after = (whole_at + terms.period / terms.limit).saturating_sub(now + terms.period);
        Verdict { admitted, remaining: terms.remaining(reset), reset, retry_after }
    }

    /// Forgets the clients whose allowance is whole, and gives back the memory that they took.
    pub fn sweep(&mut self, now: Duration) {
        let nanos = now.as_nanos() as u64;
        self.whole_at.retain(|_, whole_at| *whole_at > nanos);
        // What is needed again in a moment is kept.
        if self.whole_at.len() < self.whole_at.capacity() / 4 {
            self.whole_at.shrink_to(2 * self.whole_at.len());
        }
        self.swept = now;
    }

    fn allowance(&mut self, client: &[u8], now: Duration) -> &mut u64 {
        let digest = self.secrets.each_ref().map(|secret| secret.hash_one(client));
        let is_full =
            |limit: &Self| limit.whole_at.len() >= limit.terms.clients && !limit.whole_at.contains_key(&digest);
        if is_full(self) && now >= self.swept + SWEEP_EVERY {
            self.sweep(now);
        }
        if is_full(self) {
            return &mut self.others_whole_at;
        }
        self.whole_at.entry(digest).or_default()
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

    fn admitted(limit: &mut RateLimit, client: &str, requests: u32, now: Duration) -> u32 {
        (0..requests).map(|_| u32::from(limit.judge(client.as_bytes(), now).admitted)).sum()
    }

    #[test]
    fn a_burst_up_to_the_limit_and_then_one_by_one() {
        let mut limit = RateLimit::new(TERMS);
        let first = limit.judge(b"a", Duration::ZERO);
        let tenth = Duration::from_millis(100);
        assert_eq!(first, Verdict { admitted: true, remaining: 9, reset: tenth, retry_after: Duration::ZERO },);
        assert_eq!(admitted(&mut limit, "a", 20, Duration::ZERO), 9);
        let refused = limit.judge(b"a", Duration::ZERO);
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

    #[test]
    fn clients_whose_allowance_is_whole_are_given_back() {
        let mut limit = RateLimit::new(Terms { clients: 10_000, ..TERMS });
        for client in 0..5000_u32 {
            limit.judge(&client.to_be_bytes(), Duration::ZERO);
        }
        let tenth = Duration::from_millis(100);
        limit.judge(b"late", tenth);
        assert!(limit.whole_at.len() == 5001 && limit.whole_at.capacity() >= 5001);
        limit.sweep(tenth);
        assert_eq!(limit.whole_at.len(), 1, "that of the others is whole after a tenth of a second");
        assert!(limit.whole_at.capacity() < 100, "{}", limit.whole_at.capacity());
        assert_eq!(admitted(&mut limit, "late", 20, tenth), 9, "what is not whole is kept");
    }

    #[test]
    fn what_is_stored_of_a_client_is_within_its_bound() {
        let entry = size_of::<(Digest, u64)>() + 1;
        // The most of a table's own places for each client, and half as many again while it moves.
        assert!((16_384 + 8192) * entry / 10_000 < CLIENT_BYTES, "{entry}");
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
                let verdict = limit.clone().judge(client.as_bytes(), now);
                prop_assert!(limit.clone().judge(client.as_bytes(), now + verdict.retry_after).admitted);
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
