//! The jobs in the store: what each script is called with, and what its reply means.
//!
//! ```text
//! submit -> queued -- take --> running -- complete --> done --(JOBS_KEEP_SECONDS)--> gone
//!             ^                  |
//!             |<-- release ------|  a worker that has to end gives it back
//!             |<-- lease over ---|  a worker that died, or a wait after `fail`
//!             |                  `-- last try --> dead -- put back --> queued
//! ```
//!
//! A job is delivered at least once: a worker that was late, or cut off from the store, may still work on a job that another
//! has taken over. It is completed exactly once: the first result stays. Whatever else a late worker says is ignored, because
//! its lease is not the job's any more.

use std::time::Duration;

use serde::Serialize;

use super::kind::Kind;
use crate::script::Script;
use store::meaning::{count as count_of, fields, number, strange, text, yes};
use store::unavailable::Unavailable;
use store::{Store, Value};

/// What every key of the jobs begins with.
const SYSTEM: &str = "{jobs}";

service::settings! {
    /// Bounds of the jobs, besides how many may wait.
    #[derive(Debug, Clone, Copy)]
    pub struct Bounds {
        /// dead letters that are kept; of more, the oldest are dropped
        dead: u64 = number("JOBS_DEAD_MAX", "1000", 1, 100_000);
        /// how long a job that is done, and its Idempotency-Key, are kept
        keep: Duration = seconds("JOBS_KEEP_SECONDS", "3600", Duration::from_secs(1));
        /// tries of a job before it is a dead letter
        tries: u32 = number("JOBS_MAX_TRIES", "5", 1, 100);
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Queue {
    store: Store,
    bounds: Bounds,
    /// Jobs that may wait.
    queued: u64,
}

/// What became of a job that was submitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Submitted {
    New(u64),
    /// It was there before, under the same idempotency key.
    Same(u64),
    /// The idempotency key belongs to a job with another input.
    Other,
    Full,
}

/// What became of a dead letter that was to be put back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PutBack {
    Queued,
    NoDeadLetter,
    Full,
}

/// A job to be worked on.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) id: u64,
    pub(crate) lease: u64,
    /// Which try this is, from 1.
    pub(crate) tries: u32,
    /// The job as it was submitted, perhaps to another version of this program.
    pub(crate) input: String,
}

/// A job as a client sees it.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    id: u64,
    kind: String,
    /// `queued`, `running`, `done` or `dead`.
    state: String,
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<serde_json::Value>,
    /// Why the last try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A job that was given up.
#[derive(Debug, Serialize)]
pub(crate) struct DeadLetter {
    id: u64,
    kind: String,
    tries: u32,
    error: String,
}

/// Jobs by state.
#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    queued: u64,
    running: u64,
    /// Since the store was new, those included that are gone.
    done: u64,
    dead: u64,
}

impl Queue {
    pub(crate) fn new(store: Store, bounds: Bounds, queued: u64) -> Self {
        Self { store, bounds, queued }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// Adds a job, once for each idempotency key.
    pub(crate) async fn submit(&self, kind: &Kind, key: Option<&str>) -> Result<Submitted, Unavailable> {
        let input = serde_json::to_vec(kind).expect("numbers and strings serialize");
        let most = self.queued.to_string();
        let arguments = [kind.name().as_bytes(), &input, key.unwrap_or_default().as_bytes(), most.as_bytes()];
        let reply = self.run(Script::Submit, &arguments).await?;
        let [word, id] = fields(reply)?;
        match text(&word)? {
            "new" => Ok(Submitted::New(number(&id)?)),
            "same" => Ok(Submitted::Same(number(&id)?)),
            "other" => Ok(Submitted::Other),
            "full" => Ok(Submitted::Full),
            _ => Err(strange()),
        }
    }

    /// Takes the oldest job for `lease`, if there is one.
    pub(crate) async fn take(&self, lease: Duration) -> Result<Option<Taken>, Unavailable> {
        let (tries, dead) = (self.bounds.tries.to_string(), self.bounds.dead.to_string());
        let reply = self.run(Script::Take, &[ms(lease).as_bytes(), tries.as_bytes(), dead.as_bytes()]).await?;
        if reply == Value::Nil {
            return Ok(None);
        }
        let [id, lease, tries, input] = fields(reply)?;
        let input = text(&input)?.to_owned();
        Ok(Some(Taken { id: number(&id)?, lease: number(&lease)?, tries: number(&tries)? as u32, input }))
    }

    /// Makes the lease end `length` from now. False where it is another's by now.
    pub(crate) async fn renew(&self, job: &Taken, length: Duration) -> Result<bool, Unavailable> {
        self.holding(Script::Renew, job, &[ms(length).as_bytes()]).await
    }

    /// Writes the result. False where there was one already.
    pub(crate) async fn complete(&self, id: u64, result: &[u8]) -> Result<bool, Unavailable> {
        let (id, keep) = (id.to_string(), ms(self.bounds.keep));
        self.run(Script::Complete, &[id.as_bytes(), result, keep.as_bytes()]).await.and_then(|reply| yes(&reply))
    }

    /// Notes that a try has failed; the next one comes after `pause`. False where the lease is another's by now.
    pub(crate) async fn fail(&self, job: &Taken, why: &str, pause: Duration) -> Result<bool, Unavailable> {
        let (tries, dead) = (self.bounds.tries.to_string(), self.bounds.dead.to_string());
        let pause = ms(pause);
        self.holding(Script::Fail, job, &[why.as_bytes(), pause.as_bytes(), tries.as_bytes(), dead.as_bytes()]).await
    }

    /// Gives a job back. False where the lease is another's by now.
    pub(crate) async fn release(&self, job: &Taken) -> Result<bool, Unavailable> {
        self.holding(Script::Release, job, &[]).await
    }

    pub(crate) async fn put_back(&self, id: u64) -> Result<PutBack, Unavailable> {
        let (id, most) = (id.to_string(), self.queued.to_string());
        match text(&self.run(Script::PutBack, &[id.as_bytes(), most.as_bytes()]).await?)? {
            "queued" => Ok(PutBack::Queued),
            "none" => Ok(PutBack::NoDeadLetter),
            "full" => Ok(PutBack::Full),
            _ => Err(strange()),
        }
    }

    /// The newest dead letters, `most` of them.
    pub(crate) async fn dead(&self, most: usize) -> Result<Vec<DeadLetter>, Unavailable> {
        let Value::Array(found) = self.run(Script::Dead, &[most.to_string().as_bytes()]).await? else {
            return Err(strange());
        };
        let letter = |fields_of| {
            let [id, kind, tries, error] = fields(fields_of)?;
            let (id, tries) = (number(&id)?, number(&tries)? as u32);
            Ok(DeadLetter { id, kind: text(&kind)?.to_owned(), tries, error: text(&error)?.to_owned() })
        };
        found.into_iter().map(letter).collect()
    }

    /// The job with this id, unless there is none.
    pub(crate) async fn status(&self, id: u64) -> Result<Option<Status>, Unavailable> {
        let key = format!("{SYSTEM}:job:{id}");
        let command: [&[u8]; 7] = [b"HMGET", key.as_bytes(), b"kind", b"state", b"tries", b"result", b"error"];
        let [kind, state, tries, result, error] = fields(self.store.ask(&command).await?)?;
        if state == Value::Nil {
            return Ok(None);
        }
        let optional = |value: Value| match value {
            Value::Nil => Ok(None),
            value => text(&value).map(|text| Some(text.to_owned())),
        };
        let result = optional(result)?.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| strange())?;
        let (kind, state) = (text(&kind)?.to_owned(), text(&state)?.to_owned());
        Ok(Some(Status { id, kind, state, tries: number(&tries)? as u32, result, error: optional(error)? }))
    }

    /// How many jobs are in each state. Asked one after the other: of jobs on the move, one may be missed or seen twice.
    pub(crate) async fn counts(&self) -> Result<Counts, Unavailable> {
        let count = async |command: &'static [u8], name: &str| {
            count_of(&self.store.ask(&[command, format!("{SYSTEM}:{name}").as_bytes()]).await?)
        };
        Ok(Counts {
            queued: count(b"LLEN", "queued").await? + count(b"ZCARD", "retries").await?,
            running: count(b"ZCARD", "leases").await?,
            done: count(b"GET", "done").await?,
            dead: count(b"ZCARD", "dead").await?,
        })
    }

    async fn run(&self, script: Script, arguments: &[&[u8]]) -> Result<Value, Unavailable> {
        self.store.run(script, SYSTEM, arguments).await
    }

    /// Runs a script that changes nothing unless `job` still has its lease, and says whether it has.
    async fn holding(&self, script: Script, job: &Taken, more: &[&[u8]]) -> Result<bool, Unavailable> {
        let (id, lease) = (job.id.to_string(), job.lease.to_string());
        let arguments = [&[id.as_bytes(), lease.as_bytes()], more].concat();
        self.run(script, &arguments).await.and_then(|reply| yes(&reply))
    }
}

fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;
    use testing::redis::Redis;

    use super::*;
    use store::address::Address;
    use store::password::Password;

    const BOUNDS: Bounds = Bounds { dead: 10, keep: Duration::from_secs(60), tries: 2 };
    const INSTANT: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(60);

    fn queue(redis: &Redis) -> Queue {
        let (host, password) = ("127.0.0.1".to_owned(), Password::None);
        let target = Address { host, port: redis.port, database: 0, user: None, password };
        Queue::new(Store::start(target, Duration::from_secs(20), Gauge::default(), &Script::SOURCES), BOUNDS, 10)
    }

    async fn submitted(queue: &Queue) -> u64 {
        match queue.submit(&Kind::Fail { times: None }, None).await {
            Ok(Submitted::New(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// The next job, once there is one.
    async fn taken(queue: &Queue, lease: Duration) -> Taken {
        loop {
            if let Some(job) = queue.take(lease).await.unwrap() {
                return job;
            }
            tokio::time::sleep(INSTANT).await;
        }
    }

    async fn state(queue: &Queue, id: u64) -> String {
        queue.status(id).await.unwrap().unwrap().state
    }

    #[tokio::test]
    async fn of_two_workers_on_one_job_the_first_result_stays() {
        let redis = Redis::start(&[]);
        let queue = queue(&redis);
        let id = submitted(&queue).await;
        let late = taken(&queue, INSTANT).await;
        let other = taken(&queue, LONG).await;
        assert_eq!((late.id, late.tries, other.id, other.tries), (id, 1, id, 2));
        // What needs the lease is not the late one's to do, and changes nothing.
        assert!(!queue.renew(&late, LONG).await.unwrap());
        assert!(!queue.fail(&late, "why", LONG).await.unwrap());
        assert!(!queue.release(&late).await.unwrap());
        assert_eq!(state(&queue, id).await, "running");
        assert!(queue.renew(&other, LONG).await.unwrap());
        assert!(queue.complete(id, br#"{"by":"late"}"#).await.unwrap());
        assert!(!queue.complete(id, br#"{"by":"other"}"#).await.unwrap());
        assert!(!queue.fail(&other, "why", LONG).await.unwrap());
        let done = queue.status(id).await.unwrap().unwrap();
        assert_eq!((done.state.as_str(), done.result), ("done", Some(serde_json::json!({"by": "late"}))));
        assert_eq!(queue.counts().await.unwrap().done, 1);
        assert!(queue.take(LONG).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_job_that_was_completed_late_is_not_done_again_wherever_it_waits() {
        let redis = Redis::start(&[]);
        let queue = queue(&redis);
        let queued = submitted(&queue).await;
        let job = taken(&queue, LONG).await;
        assert!(queue.release(&job).await.unwrap());
        assert!(queue.complete(queued, b"{}").await.unwrap());
        let dead = submitted(&queue).await;
        for tries in [1, 2] {
            let job = taken(&queue, LONG).await;
            assert_eq!((job.id, job.tries), (dead, tries));
            assert!(queue.fail(&job, "why", INSTANT).await.unwrap());
        }
        assert_eq!(state(&queue, dead).await, "dead");
        assert!(queue.complete(dead, b"{}").await.unwrap());
        assert_eq!((state(&queue, queued).await.as_str(), state(&queue, dead).await.as_str()), ("done", "done"));
        assert_eq!(queue.put_back(dead).await, Ok(PutBack::NoDeadLetter));
        assert!(queue.take(LONG).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_job_whose_workers_all_die_is_given_up() {
        let redis = Redis::start(&[]);
        let queue = queue(&redis);
        let id = submitted(&queue).await;
        for tries in [1, 2] {
            assert_eq!(taken(&queue, INSTANT).await.tries, tries);
        }
        while state(&queue, id).await != "dead" {
            assert!(queue.take(LONG).await.unwrap().is_none());
        }
        let letters = queue.dead(1).await.unwrap();
        assert_eq!(letters[0].error, "the lease ended before the job did, in try 2");
        assert_eq!(queue.put_back(id).await, Ok(PutBack::Queued));
        assert_eq!(taken(&queue, LONG).await.tries, 1);
    }
}
