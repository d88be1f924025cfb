//! The life of a server as a pure state machine: what phase it is in, and until when.
//!
//! ```text
//! Starting --Started--> Serving --Terminate--> Draining --time, Terminate--> Closing --Idle, time--> Stopped
//! ```
//!
//! - Serving: `/ready` answers 200.
//! - Draining: `/ready` answers 503; the listener still accepts, and every reply says `Connection: close`, so that clients
//!   leave of their own accord. A server that closes idle connections at once loses the requests that are on their way on
//!   them: 189 to 284 of 1,000 busy keep-alive clients in the measurement behind this order, and none after 300 ms of
//!   `Connection: close`.
//! - Closing: nothing is accepted, idle connections are closed, requests in flight may end until the deadline.
//!
//! In a cluster the `preStop` sleep comes before SIGTERM: Kubernetes removes the endpoint meanwhile, readiness stays true,
//! and the drain begins when most clients have gone already.

use std::time::{Duration, Instant};

crate::settings! {
    /// How long the phases of the drain last: [`Phase::Draining`], and at most [`Phase::Closing`].
    #[derive(Debug, Clone, Copy)]
    pub struct Timing {
        /// after SIGTERM, how long replies say `Connection: close` before connections are closed
        quiet: Duration = seconds("DRAIN_SECONDS", "3", Duration::ZERO);
        /// after that, how long requests in flight may take to end
        longest_request: Duration = seconds("LONGEST_REQUEST_SECONDS", "10", Duration::ZERO);
    }
}

/// A phase in the life of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not ready yet.
    Starting,
    /// Ready.
    Serving,
    /// Asked to stop; sends clients away until the time given.
    Draining {
        /// When the quiet period ends.
        until: Instant,
    },
    /// Accepts nothing; waits for requests in flight until the time given.
    Closing {
        /// When what is left is cut.
        until: Instant,
    },
    /// Over.
    Stopped {
        /// Every connection had ended before the deadline.
        clean: bool,
    },
}

/// What happens to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It can serve.
    Started,
    /// It is asked to stop. Asked a second time, it skips the quiet period.
    Terminate,
    /// No connection is open.
    Idle,
    /// The clock moved.
    Tick,
}

impl Phase {
    /// The phase after `event` at `now`. An event that means nothing in a phase changes nothing.
    #[must_use]
    pub fn next(self, event: Event, now: Instant, timing: Timing) -> Self {
        let closing = Self::Closing { until: now + timing.longest_request };
        match (self, event) {
            (Self::Starting, Event::Started) => Self::Serving,
            (Self::Starting | Self::Serving, Event::Terminate) => Self::Draining { until: now + timing.quiet },
            (Self::Draining { .. }, Event::Terminate) => closing,
            (Self::Draining { until }, Event::Tick) if now >= until => closing,
            (Self::Closing { .. }, Event::Idle) => Self::Stopped { clean: true },
            (Self::Closing { until }, Event::Tick) if now >= until => Self::Stopped { clean: false },
            (unchanged, _) => unchanged,
        }
    }

    /// When the clock next changes this phase.
    pub fn deadline(self) -> Option<Instant> {
        match self {
            Self::Draining { until } | Self::Closing { until } => Some(until),
            Self::Starting | Self::Serving | Self::Stopped { .. } => None,
        }
    }

    /// `/started` answers 200.
    pub fn is_started(self) -> bool {
        self != Self::Starting
    }

    /// `/ready` answers 200.
    pub fn is_ready(self) -> bool {
        self == Self::Serving
    }

    /// New connections are accepted. While starting too: the startup probe has to be answered.
    pub fn is_accepting(self) -> bool {
        matches!(self, Self::Starting | Self::Serving | Self::Draining { .. })
    }

    /// Replies say `Connection: close`.
    pub fn sends_away(self) -> bool {
        !matches!(self, Self::Starting | Self::Serving)
    }

    /// The phase's name in probe replies and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining { .. } => "draining",
            Self::Closing { .. } => "closing",
            Self::Stopped { .. } => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing { quiet: Duration::from_secs(3), longest_request: Duration::from_secs(10) };

    #[test]
    fn transitions_by_the_table() {
        let zero = Instant::now();
        let at = |seconds: u64| zero + Duration::from_secs(seconds);
        let draining = Phase::Draining { until: at(3) };
        let closing = Phase::Closing { until: at(13) };
        let stopped = |clean| Phase::Stopped { clean };
        let table = [
            (Phase::Starting, Event::Started, 0, Phase::Serving),
            (Phase::Starting, Event::Idle, 0, Phase::Starting),
            (Phase::Starting, Event::Terminate, 0, draining),
            (Phase::Serving, Event::Started, 5, Phase::Serving),
            (Phase::Serving, Event::Idle, 5, Phase::Serving),
            (Phase::Serving, Event::Tick, 5, Phase::Serving),
            (Phase::Serving, Event::Terminate, 0, draining),
            // An idle server stays for the whole quiet period: new connections may still be on their way.
            (draining, Event::Idle, 1, draining),
            (draining, Event::Tick, 2, draining),
            (draining, Event::Tick, 3, closing),
            (draining, Event::Terminate, 1, Phase::Closing { until: at(11) }),
            (closing, Event::Tick, 12, closing),
            (closing, Event::Terminate, 5, closing),
            (closing, Event::Idle, 5, stopped(true)),
            (closing, Event::Tick, 13, stopped(false)),
            (stopped(true), Event::Tick, 99, stopped(true)),
            (stopped(false), Event::Idle, 99, stopped(false)),
        ];
        for (from, event, now, to) in table {
            assert_eq!(from.next(event, at(now), TIMING), to, "{from:?} {event:?} {now}");
        }
    }

    #[test]
    fn what_each_phase_does() {
        let until = Instant::now();
        // phase, started, ready, accepting, sends away, has a deadline
        let table = [
            (Phase::Starting, [false, false, true, false, false]),
            (Phase::Serving, [true, true, true, false, false]),
            (Phase::Draining { until }, [true, false, true, true, true]),
            (Phase::Closing { until }, [true, false, false, true, true]),
            (Phase::Stopped { clean: true }, [true, false, false, true, false]),
        ];
        for (phase, expected) in table {
            let seen = [
                phase.is_started(),
                phase.is_ready(),
                phase.is_accepting(),
                phase.sends_away(),
                phase.deadline().is_some(),
            ];
            assert_eq!(seen, expected, "{phase:?}");
        }
    }
}
