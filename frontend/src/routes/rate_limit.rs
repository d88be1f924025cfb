//! How many requests a client may make in a while.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A): one moment for each client, at which its allowance would be whole
//! again. It admits bursts up to the limit and no more than the limit in the long run, and needs no timer.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::headers;
use crate::mistakes::Section;

const MOST_LIMITED: u32 = 1_000_000;
/// The shortest and the longest period of a limit, in seconds.
const PERIODS: RangeInclusive<f64> = 0.1..=3600.0;
/// Clients of a limit that are told apart at a time.
const CLIENTS_TOLD_APART: usize = 10_000;

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Requests, at least 1; as many may come at once.
    pub(crate) limit: u32,
    /// In this time, at least a millisecond.
    pub(crate) period: Duration,
    /// Clients that are told apart at a time, at least 1. All others share one allowance.
    pub(crate) clients: usize,
}

/// What becomes of a request, and what its client can do from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) admitted: bool,
    /// As many more could come at once.
    pub(crate) remaining: u32,
    /// When the allowance is whole again, from now.
    pub(crate) reset: Duration,
    /// When the next request would be admitted, from now; zero if one would be now.
    pub(crate) retry_after: Duration,
}

/// What a client whose allowance is not whole takes at most, in bytes: 24 of a digest and a moment and one of the table's own,
/// in a table that doubles when it is seven eighths full, and is there twice while it moves.
pub(crate) const CLIENT_BYTES: usize = 64;

/// The allowances of clients. Time is what its caller says: that since any fixed moment, never going back.
#[derive(Debug, Clone)]
pub(crate) struct RateLimit {
    quota: Quota,
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
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl RateLimit {
    pub(crate) fn new(quota: Quota) -> Self {
        Self {
            quota,
            whole_at: HashMap::new(),
            others_whole_at: 0,
            swept: Duration::ZERO,
            secrets: [RandomState::new(), RandomState::new()],
        }
    }

    /// Judges a request of `client`, and counts it if it is admitted.
    pub(crate) fn judge(&mut self, client: &[u8], now: Duration) -> Verdict {
        let quota = self.quota;
        let whole_at = self.allowance(client, now);
        let start = Duration::from_nanos(*whole_at).max(now);
        let after = start + quota.period / quota.limit;
        let admitted = after <= now + quota.period;
        if admitted {
            *whole_at = after.as_nanos() as u64;
        }
        quota.verdict(admitted, Duration::from_nanos(*whole_at).saturating_sub(now))
    }

    /// Forgets the clients whose allowance is whole, and gives back the memory that they took.
    pub(crate) fn sweep(&mut self, now: Duration) {
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
            |limit: &Self| limit.whole_at.len() >= limit.quota.clients && !limit.whole_at.contains_key(&digest);
        if is_full(self) && now >= self.swept + SWEEP_EVERY {
            self.sweep(now);
        }
        if is_full(self) {
            return &mut self.others_whole_at;
        }
        self.whole_at.entry(digest).or_default()
    }
}

impl Quota {
    /// What becomes of a request after which the allowance is whole again after `reset`.
    pub(super) fn verdict(self, admitted: bool, reset: Duration) -> Verdict {
        let retry_after = (reset + self.period / self.limit).saturating_sub(self.period);
        Verdict { admitted, remaining: self.remaining(reset), reset, retry_after }
    }

    /// Requests that can come at once when the allowance is whole again after `reset`.
    fn remaining(self, reset: Duration) -> u32 {
        let spare = self.period.saturating_sub(reset);
        (spare.as_nanos() / (self.period / self.limit).as_nanos().max(1)).min(u128::from(self.limit)) as u32
    }
}

/// How many requests each client of a route may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PerClient {
    pub(crate) quota: Quota,
    client: ClientKey,
    /// Of all gateways that share a store, and not of each.
    pub(crate) global: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ClientKey {
    /// The address that the connection comes from: behind another proxy, that proxy's.
    Address,
    /// The value of this header. Requests without it are told apart by address.
    Header(HeaderName),
    /// The name that the route's `auth` knows it by.
    Client,
}

impl PerClient {
    /// What tells the client of a request with `headers` apart, that comes from `address` and is of the `client` that `auth` knows.
    pub(crate) fn key(&self, headers: &HeaderMap, client: Option<&HeaderValue>, address: IpAddr) -> Vec<u8> {
        let named = match &self.client {
            ClientKey::Address => None,
            ClientKey::Client => client,
            ClientKey::Header(name) => headers.get(name),
        };
        // Which no address is: whoever names itself like the address of another must not use up what that one may do.
        let named = named.map(|name| [b"=", name.as_bytes()].concat());
        named.unwrap_or_else(|| address.to_string().into_bytes())
    }

    /// What a client may still do, as headers (draft-ietf-httpapi-ratelimit-headers-03, the form that clients know).
    pub(crate) fn allowance(&self, verdict: Verdict) -> [(HeaderName, HeaderValue); 3] {
        [
            (HeaderName::from_static("ratelimit-limit"), self.quota.limit.into()),
            (HeaderName::from_static("ratelimit-remaining"), verdict.remaining.into()),
            (HeaderName::from_static("ratelimit-reset"), headers::seconds(verdict.reset)),
        ]
    }

    pub(super) fn document(&self) -> Value {
        let mut document = json!({"requests": self.quota.limit, "periodSeconds": self.quota.period.as_secs_f64()});
        match &self.client {
            ClientKey::Address => {}
            ClientKey::Header(name) => document["byHeader"] = name.as_str().into(),
            ClientKey::Client => document["byClient"] = true.into(),
        }
        if self.global {
            document["global"] = true.into();
        }
        document
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Entry {
    requests: u32,
    period_seconds: f64,
    by_header: Option<String>,
    #[serde(default)]
    by_client: bool,
    #[serde(default)]
    global: bool,
}

impl Entry {
    /// Checks it, on a route that knows its clients if it `has_auth`.
    pub(super) fn check(self, section: &mut Section, has_auth: bool) -> Option<PerClient> {
        let limit = section.within("rateLimit.requests", Some(self.requests), 1..=MOST_LIMITED);
        let period = section.seconds("rateLimit.periodSeconds", Some(self.period_seconds), PERIODS);
        let mut client = if self.by_client { ClientKey::Client } else { ClientKey::Address };
        if let Some(text) = &self.by_header {
            match HeaderName::from_bytes(text.as_bytes()) {
                Ok(name) if headers::claims_client(&name) => {
                    section.mistake(format!("rateLimit.byHeader: {text} is the gateway's own: use byClient"));
                }
                Ok(name) => client = ClientKey::Header(name),
                Err(_) => section.mistake(format!("rateLimit.byHeader: {text:?} is no name of a header")),
            }
        }
        if self.by_client && !has_auth {
            section.mistake("rateLimit.byClient: nobody says who the client is: add auth, or use byHeader");
        }
        if self.by_client && self.by_header.is_some() {
            section.mistake("rateLimit: accepted is either byHeader or byClient");
        }
        let quota = Quota { limit: limit?, period: period?, clients: CLIENTS_TOLD_APART };
        Some(PerClient { quota, client, global: self.global })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { limit: 10, period: Duration::from_secs(1), clients: 3 };

    fn admitted(limit: &mut RateLimit, client: &str, requests: u32, now: Duration) -> u32 {
        (0..requests).map(|_| u32::from(limit.judge(client.as_bytes(), now).admitted)).sum()
    }

    #[test]
    fn a_burst_up_to_the_limit_and_then_one_by_one() {
        let mut limit = RateLimit::new(QUOTA);
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
        let mut limit = RateLimit::new(QUOTA);
        for client in ["a", "b", "c"] {
            assert_eq!(admitted(&mut limit, client, 20, Duration::ZERO), 10, "{client}");
        }
        assert_eq!(admitted(&mut limit, "d", 20, Duration::ZERO), 10);
        assert_eq!(admitted(&mut limit, "e", 20, Duration::ZERO), 0, "d had it");
        let later = Duration::from_secs(2);
        assert_eq!(admitted(&mut limit, "e", 20, later), 10, "a, b and c are forgotten");
        assert_eq!(admitted(&mut limit, "d", 20, later), 10);
        assert!(limit.whole_at.len() <= QUOTA.clients);
    }

    #[test]
    fn clients_whose_allowance_is_whole_are_given_back() {
        let mut limit = RateLimit::new(Quota { clients: 10_000, ..QUOTA });
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
            let mut limit = RateLimit::new(Quota { clients: 6, ..QUOTA });
            let mut now = Duration::ZERO;
            let mut history = Vec::new();
            for (wait, client, requests) in steps {
                now += Duration::from_millis(wait);
                let client = client.to_string();
                let count = admitted(&mut limit, &client, requests, now);
                prop_assert!(count <= QUOTA.limit);
                history.push((now, client.clone(), count));
                let verdict = limit.clone().judge(client.as_bytes(), now);
                prop_assert!(limit.clone().judge(client.as_bytes(), now + verdict.retry_after).admitted);
                prop_assert!(verdict.reset <= QUOTA.period && verdict.remaining <= QUOTA.limit);
            }
            for (end, who, _) in &history {
                let start = end.saturating_sub(QUOTA.period);
                let total: u32 =
                    history.iter().filter(|(at, client, _)| client == who && *at > start && at <= end).map(|(_, _, n)| n).sum();
                prop_assert!(total <= 2 * QUOTA.limit, "{who}: {total} in the period until {end:?}");
            }
        }
    }
}
