//! The worker: takes jobs and does them, counts votes, and ends without losing any.
//!
//! Each of its lanes does one job after the other. While a job is worked on, its lease is renewed every third of its length: a
//! worker that dies is missed for one lease, and one that only waits for its turn on a busy machine keeps its job. From
//! SIGTERM on no job is taken; one that is not done shortly before the drain's deadline is given back, and another worker
//! takes it at once.

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use prometheus_client::metrics::counter::Counter;
use service::process::lifecycle::Phase;
use service::telemetry::metrics::Metrics;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::jobs::kind::Kind;
use crate::jobs::queue::{Queue, Taken};
use crate::votes::Votes;
use store::unavailable::Unavailable;

/// The pause before the second try of a job; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// The longest pause between two tries.
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// The longest pause before a store that failed is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(200);
/// How long before the drain's deadline a job is given back: enough to tell the store.
const FAREWELL: Duration = Duration::from_secs(1);
/// The most jobs at the same time: half of the threads that the runtime has for work that blocks, so that the store's name can
/// still be looked up, on another of them, while all are busy.
const MOST_CONCURRENT: u64 = 32;
/// Votes that are counted in one step: the store does nothing else meanwhile.
const TALLIED_AT_ONCE: usize = 100;

service::settings! {
    /// How a worker works.
    #[derive(Debug, Clone, Copy)]
    pub struct Settings {
        /// worker: jobs at the same time
        concurrency: usize = number("WORKER_CONCURRENCY", "2", 1, MOST_CONCURRENT);
        /// worker: how long a job stays with a worker that is not heard of any more
        lease: Duration = seconds("WORKER_LEASE_SECONDS", "10", Duration::from_millis(200));
        /// worker: milliseconds between two looks into an empty queue
        poll: Duration = milliseconds("WORKER_POLL_MS", "100", 1, 60_000);
    }
}

#[derive(Debug)]
pub(crate) struct Worker {
    settings: Settings,
    queue: Queue,
    votes: Votes,
    counters: Counters,
}

#[derive(Debug)]
struct Counters {
    done: Counter,
    failed: Counter,
    lost: Counter,
    tallied: Counter,
}

/// How the work on a job ended.
enum End {
    /// With a result, or a reason why there is none.
    Worked(Result<Vec<u8>, String>),
    /// Another worker has it by now.
    Lost,
    /// This worker has to end first.
    Deadline,
}

impl Worker {
    pub(crate) fn new(settings: Settings, queue: Queue, votes: Votes, metrics: &mut Metrics) -> Self {
        let lost = "Jobs that this worker began and another one has, because the lease ended";
        let counters = Counters {
            done: metrics.add("jobs_done", "Jobs whose result this worker wrote"),
            failed: metrics.add("jobs_failed", "Tries of jobs that failed in this worker"),
            lost: metrics.add("jobs_lost", lost),
            tallied: metrics.add("votes_tallied", "Votes that this worker counted"),
        };
        Self { settings, queue, votes, counters }
    }

    /// Works until `phase` says that the server ends.
    pub(crate) async fn run(self: Arc<Self>, mut phase: watch::Receiver<Phase>) {
        // An error means that the server is gone, which ends every lane as well.
        let _ = phase.wait_for(|phase| phase.is_started()).await;
        let mut lanes = JoinSet::new();
        for _ in 0..self.settings.concurrency {
            lanes.spawn(Arc::clone(&self).lane(phase.clone()));
        }
        lanes.spawn(Arc::clone(&self).tally(phase));
        lanes.join_all().await;
    }

    /// Does one job after the other.
    async fn lane(self: Arc<Self>, phase: watch::Receiver<Phase>) {
        while works_on(&phase) {
            match self.queue.take(self.settings.lease).await {
                Ok(Some(job)) => self.work(job, phase.clone()).await,
                Ok(None) => self.rest(self.settings.poll, &phase).await,
                Err(failure) => self.stumble(&failure, &phase).await,
            }
        }
    }

    /// Counts votes as they come.
    async fn tally(self: Arc<Self>, phase: watch::Receiver<Phase>) {
        while works_on(&phase) {
            match self.votes.tally(TALLIED_AT_ONCE).await {
                Ok(0) => self.rest(self.settings.poll, &phase).await,
                Ok(tallied) => {
                    self.counters.tallied.inc_by(tallied);
                }
                Err(failure) => self.stumble(&failure, &phase).await,
            }
        }
    }

    async fn work(&self, job: Taken, phase: watch::Receiver<Phase>) {
        let (id, tries) = (job.id, job.tries);
        let deadline = farewell(phase);
        tokio::pin!(deadline);
        let end = tokio::select! {
            worked = perform(&job) => End::Worked(worked),
            () = self.lose(&job) => End::Lost,
            () = &mut deadline => End::Deadline,
        };
        // What the store was not told in time it learns when the lease ends: the job is then done once more.
        let told = tokio::select! {
            told = self.tell(&job, &end) => told,
            () = sleep(FAREWELL), if matches!(end, End::Deadline) => false,
            () = &mut deadline, if matches!(end, End::Worked(_)) => false,
        };
        match end {
            End::Worked(Ok(_)) if told => {
                self.counters.done.inc();
            }
            End::Worked(Err(why)) if told => {
                self.counters.failed.inc();
                tracing::warn!(id, tries, why, "job: a try has failed");
            }
            End::Deadline if told => tracing::info!(id, tries, "job: given back, the drain ends before it is done"),
            End::Worked(_) | End::Lost | End::Deadline => {
                self.counters.lost.inc();
                tracing::warn!(id, tries, "job: its lease is not held any more, another worker does it");
            }
        }
    }

    /// Renews the lease; ends when it is another's. A store that does not answer says nothing about that.
    async fn lose(&self, job: &Taken) {
        let mut renewals = interval(self.settings.lease / 3);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewals.tick().await; // The first one is at once.
        loop {
            renewals.tick().await;
            if let Ok(false) = self.queue.renew(job, self.settings.lease).await {
                return;
            }
        }
    }

    /// Tells the store how the work ended, until it has heard it. True if that changed something there.
    async fn tell(&self, job: &Taken, end: &End) -> bool {
        loop {
            let told = match end {
                End::Worked(Ok(result)) => self.queue.complete(job.id, result).await,
                End::Worked(Err(why)) => self.queue.fail(job, why, retry_pause(job.tries)).await,
                End::Deadline => self.queue.release(job).await,
                End::Lost => Ok(false),
            };
            match told {
                Ok(changed) => return changed,
                Err(failure) => {
                    tracing::debug!(%failure, id = job.id, "worker: the store was not told");
                    sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    async fn stumble(&self, failure: &Unavailable, phase: &watch::Receiver<Phase>) {
        tracing::debug!(%failure, "worker: no work");
        self.rest(STORE_PAUSE, phase).await;
    }

    /// Waits, but not beyond the moment in which the server begins to end.
    async fn rest(&self, length: Duration, phase: &watch::Receiver<Phase>) {
        let mut phase = phase.clone();
        tokio::select! {
            () = sleep(length) => {}
            _ = phase.wait_for(|phase| !may_take(*phase)) => {}
        }
    }
}

/// Does the job's work; the result as JSON.
async fn perform(job: &Taken) -> Result<Vec<u8>, String> {
    let kind: Kind = serde_json::from_str(&job.input).map_err(|error| format!("this version can't do it: {error}"))?;
    let outcome = kind.work(job.tries).await?;
    serde_json::to_vec(&outcome).map_err(|error| error.to_string())
}

fn works_on(phase: &watch::Receiver<Phase>) -> bool {
    may_take(*phase.borrow())
}

fn may_take(phase: Phase) -> bool {
    phase == Phase::Serving
}

/// Ends when a job has to be given back.
async fn farewell(mut phase: watch::Receiver<Phase>) {
    let closing = phase.wait_for(|phase| matches!(phase, Phase::Closing { .. })).await.map(|phase| *phase);
    if let Ok(Phase::Closing { until }) = closing {
        sleep_until(give_back_at(until, Instant::now().into_std()).into()).await;
    }
}

/// Shortly before the drain's deadline, `until`; halfway there where it is near.
fn give_back_at(until: StdInstant, now: StdInstant) -> StdInstant {
    let before = FAREWELL.min(until.saturating_duration_since(now) / 2);
    until.checked_sub(before).unwrap_or(until)
}

/// The pause after try number `tries`.
fn retry_pause(tries: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        for (tries, ms) in [(0, 100), (1, 100), (2, 200), (3, 400), (8, 10_000), (u32::MAX, 10_000)] {
            assert_eq!(retry_pause(tries), Duration::from_millis(ms), "{tries}");
        }
    }

    #[test]
    fn a_job_is_given_back_before_the_deadline() {
        let now = StdInstant::now();
        for (left, until_then) in [(10_000, 9_000), (2_000, 1_000), (500, 250), (0, 0)] {
            let at = give_back_at(now + Duration::from_millis(left), now);
            assert_eq!(at, now + Duration::from_millis(until_then), "{left}");
        }
    }
}
