//! What an order goes through, as a state machine: its payment is reserved, then what is in stock; where either can't be, what was
//! reserved is released again. Time and chance are the caller's.
//!
//! ```text
//! ReservePayment -- done --> ReserveInventory -- done --> Confirmed
//!       |  |                       |  |
//!       |  `-- given up -----------|--|---------------------.
//!       |                  refused |  `-- given up          |
//!       | refused                  |          v             v
//!       |                          |  ReleaseInventory --> ReleasePayment --> Failed
//!       |                          `-----------------------^                    ^
//!       `-----------------------------------------------------------------------'
//! ```
//!
//! A command that brought no answer may have been done all the same, so it is sent again, and one that is given up is released as if
//! it had been done. That asks two things of whoever takes commands: the same one again does nothing more, and what was released
//! can't be reserved any more, by a command that was late.

use std::time::Duration;

/// The pause before a command is sent again; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How often it doubles: the longest is 12.8 s.
const DOUBLINGS: u32 = 7;

/// What is to be done next, or that nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    ReservePayment,
    ReserveInventory,
    ReleaseInventory,
    ReleasePayment,
    Confirmed,
    Failed,
}

/// How a command has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was done, by this one or by the same before.
    Done,
    /// It was not, and never will be.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// How far an order is. Times are those since any fixed moment, which all who have it in hand share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Saga {
    /// What is next.
    pub(crate) step: Step,
    /// How often that was sent without an answer.
    pub(crate) tries: u32,
    /// When it is to be sent.
    pub(crate) due: Duration,
    /// When reserving is given up. Releasing never is.
    pub(crate) deadline: Duration,
}

impl Step {
    /// Every step, in their order, and its name in the database and in the log.
    const NAMES: [(Self, &'static str); 6] = [
        (Self::ReservePayment, "reserve-payment"),
        (Self::ReserveInventory, "reserve-inventory"),
        (Self::ReleaseInventory, "release-inventory"),
        (Self::ReleasePayment, "release-payment"),
        (Self::Confirmed, "confirmed"),
        (Self::Failed, "failed"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The step with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find_map(|(step, own)| (*own == name).then_some(*step))
    }

    /// Nothing follows it.
    pub(crate) fn is_last(self) -> bool {
        matches!(self, Self::Confirmed | Self::Failed)
    }
}

impl Saga {
    /// What is next after the command of its step has ended so, at `now`.
    pub(crate) fn after(self, outcome: Outcome, now: Duration) -> Self {
        use Outcome::{Done, Refused, Unknown};
        use Step::{Confirmed, Failed, ReleaseInventory, ReleasePayment, ReserveInventory, ReservePayment};
        let given_up = now >= self.deadline;
        let step = match (self.step, outcome) {
            (ReservePayment, Done) => ReserveInventory,
            (ReserveInventory, Done) => Confirmed,
            (ReservePayment, Refused) | (ReleasePayment, Done) => Failed,
            (ReserveInventory, Unknown) if given_up => ReleaseInventory,
            (ReservePayment, Unknown) if given_up => ReleasePayment,
            (ReserveInventory, Refused) | (ReleaseInventory, Done) => ReleasePayment,
            (step, _) => step,
        };
        if step != self.step {
            return Self { step, tries: 0, due: now, ..self };
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.tries.min(DOUBLINGS));
        Self { tries: self.tries.saturating_add(1), due: now + pause, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEGUN: Saga =
        Saga { step: Step::ReservePayment, tries: 0, due: Duration::ZERO, deadline: Duration::from_secs(30) };

    #[test]
    fn steps_by_the_table() {
        use Outcome::{Done, Refused, Unknown};
        use Step::{Confirmed, Failed, ReleaseInventory, ReleasePayment, ReserveInventory, ReservePayment};
        for (step, outcome, early, late) in [
            (ReservePayment, Done, ReserveInventory, ReserveInventory),
            (ReservePayment, Refused, Failed, Failed),
            (ReservePayment, Unknown, ReservePayment, ReleasePayment),
            (ReserveInventory, Done, Confirmed, Confirmed),
            (ReserveInventory, Refused, ReleasePayment, ReleasePayment),
            (ReserveInventory, Unknown, ReserveInventory, ReleaseInventory),
            (ReleaseInventory, Done, ReleasePayment, ReleasePayment),
            (ReleaseInventory, Refused, ReleaseInventory, ReleaseInventory),
            (ReleaseInventory, Unknown, ReleaseInventory, ReleaseInventory),
            (ReleasePayment, Done, Failed, Failed),
            (ReleasePayment, Refused, ReleasePayment, ReleasePayment),
            (ReleasePayment, Unknown, ReleasePayment, ReleasePayment),
        ] {
            for (now, next) in [(29, early), (30, late)] {
                let saga = Saga { step, ..BEGUN }.after(outcome, Duration::from_secs(now));
                assert_eq!(saga.step, next, "{step:?} {outcome:?} at {now}");
            }
        }
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut saga = BEGUN;
        let pauses: Vec<_> = (0..10)
            .map(|_| {
                saga = saga.after(Outcome::Unknown, Duration::ZERO);
                saga.due.as_millis()
            })
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 12800, 12800]);
    }

    #[test]
    fn names_lead_back_to_their_steps() {
        for (step, name) in Step::NAMES {
            assert_eq!((Step::named(name), step.name()), (Some(step), name));
        }
        assert_eq!(Step::named("done"), None);
    }

    /// A service that takes commands, as `shop::reservations` does.
    #[derive(Debug, Default)]
    struct Taker {
        reserved: bool,
        /// Refused or released: nothing is reserved any more.
        closed: bool,
    }

    impl Taker {
        fn reserve(&mut self, has: bool) -> Outcome {
            if !self.reserved && !self.closed {
                (self.reserved, self.closed) = (has, !has);
            }
            if self.reserved { Outcome::Done } else { Outcome::Refused }
        }

        fn release(&mut self) -> Outcome {
            (self.reserved, self.closed) = (false, true);
            Outcome::Done
        }
    }

    proptest! {
        /// Whatever is lost on the way there or back, whenever who has the order in hand is killed, and whatever comes late once
        /// more: the order ends, and what is reserved is what it says.
        #[test]
        fn an_order_ends_and_what_is_reserved_is_what_it_says(
            troubles in proptest::collection::vec((0_u8..5, 0_u64..20), 0..60),
            pays in any::<bool>(),
            stocked in any::<bool>(),
        ) {
            let (mut payment, mut inventory) = (Taker::default(), Taker::default());
            let (mut saga, mut now) = (BEGUN, Duration::ZERO);
            let mut late: Vec<Step> = Vec::new();
            let mut troubles = troubles.into_iter();
            let mut sent = 0;
            while !saga.step.is_last() {
                let (trouble, wait) = troubles.next().unwrap_or((0, 0));
                now = now.max(saga.due) + Duration::from_secs(wait);
                sent += 1;
                prop_assert!(sent < 100, "{saga:?}");
                let mut take = |step| match step {
                    Step::ReservePayment => payment.reserve(pays),
                    Step::ReserveInventory => inventory.reserve(stocked),
                    Step::ReleaseInventory => inventory.release(),
                    _ => payment.release(),
                };
                match trouble {
                    // The request is lost, or it is on its way for long.
                    1 => saga = saga.after(Outcome::Unknown, now),
                    2 => {
                        late.push(saga.step);
                        saga = saga.after(Outcome::Unknown, now);
                    }
                    // The reply is lost; or who waits for it is killed, and the database knows nothing of it.
                    3 => {
                        take(saga.step);
                        saga = saga.after(Outcome::Unknown, now);
                    }
                    4 => {
                        take(saga.step);
                    }
                    _ => {
                        let outcome = take(saga.step);
                        saga = saga.after(outcome, now);
                    }
                }
                // A request that was late arrives. One that only was to be released never is after the end: nothing was given up.
                if wait > 10 && let Some(step) = late.pop() {
                    take(step);
                }
            }
            let confirmed = saga.step == Step::Confirmed;
            let releases = late.iter().filter(|step| matches!(step, Step::ReleaseInventory | Step::ReleasePayment)).count();
            prop_assert!(!confirmed || releases == 0);
            for step in late {
                match step {
                    Step::ReservePayment => payment.reserve(pays),
                    Step::ReserveInventory => inventory.reserve(stocked),
                    Step::ReleaseInventory => inventory.release(),
                    _ => payment.release(),
                };
            }
            prop_assert_eq!(payment.reserved, confirmed);
            prop_assert_eq!(inventory.reserved, confirmed);
            prop_assert!(!confirmed || (pays && stocked));
        }
    }
}
