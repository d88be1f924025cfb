//! Faults that a request begins, in the one pod that gets it, so that people can watch a probe act: `FAULT_ON_REQUEST`.
//!
//! A pod has one at a time, and each ends by itself: once its readiness fails, a pod is out of the endpoints, and the request that would
//! end the fault may never reach it. A restart ends it as well. The clock is injected.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde::Serialize;
use service::app::probe::Probe;
use service::message::problem::Problem;

/// How long a fault lasts at most: twice what the chart's liveness probe takes to restart a pod.
pub const LASTS: Duration = Duration::from_secs(60);
/// How much later a slow pod answers: a try of the gateway has 4 s.
pub const SLOW: Duration = Duration::from_secs(1);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The probe gets 503.
    Fails(Probe),
    /// All but the probes is answered [`SLOW`] later.
    Slow,
}

/// What a request may ask for: `none` ends what there is.
const NAMED: [(&str, Option<Fault>); 4] = [
    ("not-ready", Some(Fault::Fails(Probe::Ready))),
    ("not-live", Some(Fault::Fails(Probe::Health))),
    ("slow", Some(Fault::Slow)),
    ("none", None),
];

/// What a pod has from now on.
#[derive(Debug, Serialize)]
pub(crate) struct Begun {
    name: &'static str,
    /// Until it ends by itself; 0 where there is nothing to end.
    seconds: u64,
}

/// The fault of this pod, and when it ends.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    present: Mutex<Option<(Fault, Instant)>>,
}

impl Faults {
    /// Begins the fault `name` at `now`, in place of the one before.
    ///
    /// # Errors
    /// 404 where there is none of that name.
    pub(crate) fn begin(&self, name: &str, now: Instant) -> Result<Begun, Problem> {
        let (name, fault) = NAMED.into_iter().find(|(known, _)| *known == name).ok_or_else(|| {
            let known = NAMED.map(|(name, _)| name).join(", ");
            Problem::new(StatusCode::NOT_FOUND, format!("no such fault; there are: {known}"))
        })?;
        *self.lock() = fault.map(|fault| (fault, now + LASTS));
        tracing::warn!(fault = name, "fault: a request asked for it, this is a rehearsal");
        Ok(Begun { name, seconds: fault.map_or(0, |_| LASTS.as_secs()) })
    }

    /// Whether `fault` is what this pod has at `now`.
    pub(crate) fn has(&self, fault: Fault, now: Instant) -> bool {
        self.lock().is_some_and(|(present, ends)| present == fault && now < ends)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Fault, Instant)>> {
        // A panic while the lock is held cannot leave the pair half changed.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_itself_alone_and_ends_by_itself() {
        let faults = Faults::default();
        let now = Instant::now();
        let all = NAMED.into_iter().filter_map(|(name, fault)| Some((name, fault?)));
        for (name, fault) in all.clone() {
            let begun = faults.begin(name, now).unwrap();
            assert_eq!((begun.name, begun.seconds), (name, 60));
            for (_, other) in all.clone() {
                assert_eq!(faults.has(other, now + LASTS.mul_f32(0.99)), other == fault, "{name}: {other:?}");
            }
            assert!(!faults.has(fault, now + LASTS), "{name} lasts");
        }
    }

    #[test]
    fn a_fault_that_is_asked_for_again_lasts_from_then_on_and_none_ends_it() {
        let faults = Faults::default();
        let now = Instant::now();
        faults.begin("slow", now).unwrap();
        faults.begin("slow", now + LASTS / 2).unwrap();
        assert!(faults.has(Fault::Slow, now + LASTS));
        assert_eq!(faults.begin("none", now + LASTS).unwrap().seconds, 0);
        assert!(!faults.has(Fault::Slow, now + LASTS));
    }

    #[test]
    fn what_is_no_fault_changes_nothing() {
        let faults = Faults::default();
        let now = Instant::now();
        faults.begin("slow", now).unwrap();
        for name in ["", "NONE", "none/", "not-ready%20", "not_ready", "..", &"x".repeat(8000)] {
            let problem = faults.begin(name, now).unwrap_err();
            assert_eq!(problem.status(), 404, "{name}");
        }
        assert!(faults.has(Fault::Slow, now));
    }
}
