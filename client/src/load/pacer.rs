//! Wakes the load when a request is due, to a tenth of a millisecond.
//!
//! Tokio's timer counts whole milliseconds, which would add up to one of them to every latency that this client reports.
//! A thread that sleeps in the kernel is late by some 60 us instead, and costs one wake-up a request.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::plan::schedule::Schedule;

/// A thread that keeps a [`Schedule`]'s time. Ends at the schedule's end, or soon after this handle is dropped.
pub(crate) struct Pacer {
    due: Arc<Notify>,
}

impl Pacer {
    /// Starts to tick for every request of `schedule`, counted from `start`.
    pub(crate) fn start(schedule: Schedule, start: Instant) -> std::io::Result<Self> {
        let due = Arc::new(Notify::new());
        let pacer = Self { due: Arc::clone(&due) };
        thread::Builder::new().name("pacer".into()).stack_size(64 * 1024).spawn(move || tick(schedule, start, &due))?;
        Ok(pacer)
    }

    /// Waits until at least one more request is due.
    pub(crate) async fn tick(&self) {
        self.due.notified().await;
    }
}

fn tick(schedule: Schedule, start: Instant, due: &Arc<Notify>) {
    /// How long the thread outlives its handle at most.
    const LONGEST_SLEEP: Duration = Duration::from_secs(1);
    let mut next = 0;
    while next < schedule.total() && Arc::strong_count(due) > 1 {
        let early = schedule.due(next).saturating_sub(start.elapsed());
        if early.is_zero() {
            next = schedule.due_by(start.elapsed());
            due.notify_one();
        } else {
            thread::sleep(early.min(LONGEST_SLEEP));
        }
    }
}
