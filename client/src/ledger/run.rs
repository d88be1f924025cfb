//! A run of a load: what is known of it besides what became of its requests.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::plan::Plan;

/// What is known about a run besides its account.
pub(crate) struct Run {
    pub(crate) plan: Rc<Plan>,
    /// First part of every request's id.
    pub(crate) id: RunId,
    /// Requests that the schedule has.
    pub(crate) planned: u64,
    /// When the first request was due.
    pub(crate) started: SystemTime,
    /// From then to the end of the last request.
    pub(crate) took: Duration,
    /// From then to the last request that came due.
    pub(crate) due_for: Duration,
    pub(crate) stopped_early: bool,
}

impl Run {
    /// The rate that was kept, in requests a second, where `sent` were.
    pub(crate) fn sent_per_second(&self, sent: u64) -> f64 {
        // The last request is due one interval before the end of the time that the schedule covers.
        let covered = self.due_for.as_secs_f64() + 1.0 / self.plan.rate.as_f64();
        (sent as f64 / covered * 10.0).round() / 10.0
    }
}

/// Tells this run's requests from those of all other runs.
#[derive(Clone, Debug)]
pub(crate) struct RunId(pub(crate) String);

impl RunId {
    /// 32 random bits, from the keys that `HashMap` draws.
    pub(crate) fn random() -> Self {
        Self(format!("{:08x}", RandomState::new().build_hasher().finish() as u32))
    }

    /// The `x-request-id` of request `sequence`.
    pub(crate) fn request(&self, sequence: u64) -> String {
        format!("{}-{sequence}", self.0)
    }
}
