//! What was tried on the cluster and what came of it, told while it happens.

use std::time::{Duration, Instant};

use e2e::Error;

use crate::cluster::Cluster;
use crate::judge::finding::Finding;
use crate::voice::Voice;

/// How long nothing may be said.
const SILENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Trial<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) voice: Voice,
    lacking: usize,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(cluster: &'a Cluster, voice: Voice) -> Self {
        Self { cluster, voice, lacking: 0 }
    }

    /// How many things do not hold.
    pub(crate) fn lacking(&self) -> usize {
        self.lacking
    }

    pub(crate) fn tell(&mut self, finding: &Finding) {
        self.lacking += usize::from(finding.found.is_some());
        self.voice.finding(finding);
    }

    /// Asks until there is an answer, or `limit` is over: then it is a thing that does not hold. What is seen meanwhile is told.
    pub(crate) fn wait<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut ask: impl FnMut(&Cluster) -> Result<Result<T, String>, Error>,
    ) -> Result<Option<T>, Error> {
        let start = Instant::now();
        let (mut told, mut told_at) = (String::new(), None);
        loop {
            let seen = match ask(self.cluster)? {
                Ok(answer) => return Ok(Some(answer)),
                Err(seen) => seen,
            };
            let elapsed = start.elapsed();
            if elapsed >= limit {
                self.tell(&Finding::fails(what, format!("{seen}, after {} s", elapsed.as_secs())));
                return Ok(None);
            }
            if told_at.is_none() {
                self.voice.say(&format!("  waiting  {what}, {} s at most", limit.as_secs()));
            }
            if seen != told || told_at.is_none_or(|at: Instant| at.elapsed() >= SILENCE) {
                self.voice.say(&format!("           {:3} s  {seen}", elapsed.as_secs()));
                told_at = Some(Instant::now());
                told = seen;
            }
            self.cluster.shell().hold(PAUSE)?;
        }
    }

    /// As [`Trial::wait`], and tells what holds when it does.
    pub(crate) fn expect(
        &mut self,
        limit: Duration,
        what: &str,
        ask: impl FnMut(&Cluster) -> Result<Result<(), String>, Error>,
    ) -> Result<bool, Error> {
        let held = self.wait(limit, what, ask)?.is_some();
        if held {
            self.tell(&Finding::holds(what));
        }
        Ok(held)
    }
}
