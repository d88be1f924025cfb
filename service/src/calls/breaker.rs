//! Stops asking an upstream, or one endpoint of it, that only fails, and finds out with one request when it is back.
//!
//! Two things are counted:
//!
//! - That of an upstream counts requests, after all their retries: one that counted tries would open at the blip of a rollout, and
//!   turn it into half a minute of refusals.
//! - That of an endpoint, of an upstream that has several, counts tries: it is that endpoint which they failed at. It refuses
//!   nothing, it takes the endpoint out of rotation.
//!
//! | what happened | counts as |
//! | --- | --- |
//! | the head of a reply, whatever its status | success |
//! | a connection refused or not made in time; it broke, was silent too long, or brought no HTTP, before the head | failure |
//! | no address, or no place in the bulkhead: nobody was asked | nothing |
//! | the client's body stopped, broke off or was too long; the client went away | nothing |
//!
//! What counts as nothing leaves the count as it was.

use std::time::Duration;

/// The most failures in a row that can be asked for.
pub const MOST_FAILURES: u32 = 1_000_000;

/// When to open, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// Failures in a row, of requests or tries, that open it; 1 to [`MOST_FAILURES`].
    pub failures: u32,
    /// How long it stays open before it lets a trial through.
    pub open: Duration,
}

impl Default for Threshold {
    fn default() -> Self {
        Self { failures: 5, open: Duration::from_secs(30) }
    }
}

/// A breaker. Time is what its caller says: that since any fixed moment, never going back.
#[derive(Debug, Clone)]
pub struct Breaker {
    threshold: Threshold,
    state: State,
}

/// What a breaker does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Lets all through; so many have failed since one succeeded.
    Closed {
        /// Failures in a row.
        failures: u32,
    },
    /// Refuses all until then.
    Open {
        /// When the next request is a trial.
        until: Duration,
    },
    /// One trial is on its way, all others are refused.
    HalfOpen,
}

/// Whether a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// It may. Its outcome is to be told with this pass.
    Admitted(Pass),
    /// It may not, and asking again makes no sense before this has passed.
    Refused(Duration),
}

/// What an admitted request was: its outcome means something else in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// One of many.
    Usual,
    /// The one that decides whether the breaker closes.
    Trial,
}

/// How a request, after all its retries, or one try at an endpoint has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A reply came.
    Success,
    /// The upstream failed.
    Failure,
    /// Nothing was learnt of the upstream, or nobody has heard the end.
    Unknown,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(threshold: Threshold) -> Self {
        Self { threshold, state: State::Closed { failures: 0 } }
    }

    /// What it does now.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether a request would be admitted, without asking for it.
    pub fn would_admit(&self, now: Duration) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } => now >= until,
            State::HalfOpen => false,
        }
    }

    /// Asks for a request to go. Each that is admitted must be followed by one [`Breaker::record`].
    pub fn admit(&mut self, now: Duration) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Admitted(Pass::Usual),
            State::Open { until } if now < until => Admission::Refused(until.saturating_sub(now)),
            State::Open { .. } => {
                self.state = State::HalfOpen;
                Admission::Admitted(Pass::Trial)
            }
            // How long the trial takes is not known; one second is the shortest that Retry-After can say.
            State::HalfOpen => Admission::Refused(Duration::from_secs(1)),
        }
    }

    /// Tells how an admitted request ended.
    pub fn record(&mut self, pass: Pass, outcome: Outcome, now: Duration) {
        self.state = match (self.state, pass, outcome) {
            (State::Closed { .. }, Pass::Usual, Outcome::Success)
            | (State::HalfOpen, Pass::Trial, Outcome::Success) => State::Closed { failures: 0 },
            (State::Closed { failures }, Pass::Usual, Outcome::Failure) if failures + 1 < self.threshold.failures => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. }, Pass::Usual, Outcome::Failure)
            | (State::HalfOpen, Pass::Trial, Outcome::Failure) => State::Open { until: now + self.threshold.open },
            // The next request is the trial.
            (State::HalfOpen, Pass::Trial, Outcome::Unknown) => State::Open { until: now },
            // What was sent before it opened says nothing about now. A trial cannot end in another state than its own.
            (state, _, _) => state,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPEN: Duration = Duration::from_secs(30);

    fn second(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    fn tripped() -> Breaker {
        let mut breaker = Breaker::new(Threshold::default());
        for _ in 0..5 {
            assert_eq!(breaker.admit(second(0)), Admission::Admitted(Pass::Usual));
            breaker.record(Pass::Usual, Outcome::Failure, second(0));
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_in_between_starts_over() {
        let mut breaker = Breaker::new(Threshold::default());
        for outcome in [Outcome::Failure; 4].into_iter().chain([Outcome::Success]).chain([Outcome::Failure; 4]) {
            breaker.record(Pass::Usual, outcome, second(0));
        }
        assert_eq!(breaker.state(), State::Closed { failures: 4 });
        breaker.record(Pass::Usual, Outcome::Unknown, second(0));
        assert_eq!(breaker.state(), State::Closed { failures: 4 });
        breaker.record(Pass::Usual, Outcome::Failure, second(1));
        assert_eq!(breaker.state(), State::Open { until: second(31) });
        assert_eq!(breaker.admit(second(11)), Admission::Refused(second(20)));
    }

    #[test]
    fn one_trial_decides() {
        for (outcome, state) in [
            (Outcome::Success, State::Closed { failures: 0 }),
            (Outcome::Failure, State::Open { until: second(32) + OPEN }),
            (Outcome::Unknown, State::Open { until: second(32) }),
        ] {
            let mut breaker = tripped();
            assert!(!breaker.would_admit(second(29)));
            assert!(breaker.would_admit(second(30)));
            assert_eq!(breaker.admit(second(30)), Admission::Admitted(Pass::Trial));
            assert_eq!(breaker.admit(second(31)), Admission::Refused(second(1)));
            // Sent before it opened, ended now.
            breaker.record(Pass::Usual, Outcome::Success, second(31));
            assert_eq!(breaker.state(), State::HalfOpen);
            breaker.record(Pass::Trial, outcome, second(32));
            assert_eq!(breaker.state(), state, "{outcome:?}");
        }
    }

    proptest! {
        /// Whatever ends when and in which order: there is never more than one trial, no request while it is open, and it
        /// admits again as soon as its time is over and no trial is on its way.
        #[test]
        fn never_two_trials_and_never_shut_for_good(
            steps in proptest::collection::vec((0_u64..20, 0_usize..4, 0_u8..3), 1..200),
        ) {
            let mut breaker = Breaker::new(Threshold { failures: 3, open: OPEN });
            let mut now = Duration::ZERO;
            let mut on_their_way = Vec::new();
            for (wait, which, outcome) in steps {
                now += second(wait);
                if which == 0 || on_their_way.is_empty() {
                    let before = breaker.state();
                    match breaker.admit(now) {
                        Admission::Admitted(pass) => {
                            if let State::Open { until } = before {
                                prop_assert!(now >= until && pass == Pass::Trial);
                            }
                            on_their_way.push(pass);
                        }
                        Admission::Refused(wait) => {
                            let closed = matches!(before, State::Closed { .. });
                            prop_assert!(!closed);
                            prop_assert!(wait <= OPEN && !wait.is_zero());
                        }
                    }
                } else {
                    let pass = on_their_way.swap_remove(which % on_their_way.len());
                    let outcome = [Outcome::Success, Outcome::Failure, Outcome::Unknown][usize::from(outcome)];
                    breaker.record(pass, outcome, now);
                }
                let trials = on_their_way.iter().filter(|pass| **pass == Pass::Trial).count();
                prop_assert_eq!(trials, usize::from(breaker.state() == State::HalfOpen));
                prop_assert!(trials == 1 || breaker.would_admit(now + OPEN));
            }
        }
    }
}
