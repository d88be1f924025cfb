//! Whether each request was done once: the ids of the ledgers against the log lines of the backends.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::{Error, Ledger, try_eventually};

use crate::logs::{Logs, Sightings};
use crate::rows::Demand;
use crate::stream::{Kind, Stream};

/// How long the last lines may take from a backend to its file.
const LAST_LINES: Duration = Duration::from_secs(5);

/// What the backends' logs say to the requests of a load.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Identity {
    /// Answered, but no backend says that it did it.
    pub(crate) missing: Vec<String>,
    /// Done more than once.
    pub(crate) repeated: Vec<String>,
    /// Lost, though a backend says that it did it.
    pub(crate) done_but_lost: u64,
}

/// Compares the ledgers of all loads with the logs; in the order of the ledgers.
pub(crate) fn compare(logs: Logs, ledgers: &[(Stream, Ledger)]) -> Result<Vec<Identity>, Error> {
    let mut files = logs.files()?;
    let mut seen = Sightings::default();
    let compared =
        |seen: &Sightings| -> Vec<_> { ledgers.iter().map(|(_, ledger)| Identity::of(ledger, seen)).collect() };
    let complete = try_eventually(LAST_LINES, "every answer is in a log", || {
        files.count(&mut seen)?;
        let identities = compared(&seen);
        let all = identities.iter().all(|identity| identity.missing.is_empty());
        Ok(if all { Ok(identities) } else { Err(String::new()) })
    });
    // Answers that are in no log are for the verdict.
    complete.or_else(|error| if error == Error::Interrupted { Err(error) } else { Ok(compared(&seen)) })
}

impl Identity {
    fn of(ledger: &Ledger, seen: &Sightings) -> Self {
        let lost: BTreeSet<&str> = ledger.losses.iter().map(|loss| &*loss.request_id).collect();
        let mut identity = Self::default();
        for number in 0..ledger.requests.due {
            let times = seen.of(&ledger.run, number);
            if times == 1 && lost.is_empty() {
                continue;
            }
            let id = format!("{}-{number}", ledger.run);
            let is_lost = lost.contains(&*id);
            if times > 1 {
                identity.repeated.push(id.clone());
            }
            match (is_lost, times) {
                // Of losses past those that the ledger lists nobody knows the ids.
                (false, 0) if ledger.losses_unlisted == 0 => identity.missing.push(id),
                (true, 1..) => identity.done_but_lost += 1,
                _ => {}
            }
        }
        identity
    }

    /// Whether the load shows what it has to, where `demand` is made of its row.
    ///
    /// # Errors
    /// What it does not show, with an example.
    pub(crate) fn verdict(&self, stream: Stream, demand: Demand) -> Result<(), String> {
        let example = |ids: &[String]| ids.first().map_or_else(String::new, |id| format!(" ({id} for one)"));
        let mut wrong = Vec::new();
        if demand.is_once(stream) && !self.missing.is_empty() {
            let (count, one) = (self.missing.len(), example(&self.missing));
            wrong.push(format!("{count}{one} answered, but in no backend's log"));
        }
        if (demand.is_once(stream) || stream.kind == Kind::Post) && !self.repeated.is_empty() {
            let (count, one) = (self.repeated.len(), example(&self.repeated));
            wrong.push(format!("{count}{one} done more than once"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}: {}", stream.name(), wrong.join(", "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Entry;
    use crate::summary::tests::sample;

    const POST: Stream = Stream { entry: Entry::NodePort, kind: Kind::Post, rate: 1 };
    const GET: Stream = Stream { kind: Kind::Kept, ..POST };

    fn logged(ids: &[u64]) -> Sightings {
        let mut seen = Sightings::default();
        for id in ids {
            seen.count(&format!("t stdout F {{\"message\":\"request\",\"request_id\":\"a1-{id}\"}}\n"));
        }
        seen
    }

    #[test]
    fn each_id_must_be_in_the_logs_once() {
        let ledger = sample(0);
        let all: Vec<u64> = (0..40).collect();
        let identity = Identity::of(&ledger, &logged(&all));
        assert_eq!(identity, Identity::default());
        assert_eq!(identity.verdict(POST, Demand::Lossless), Ok(()));

        let missing = Identity::of(&ledger, &logged(&all[1..]));
        let error = missing.verdict(GET, Demand::Lossless).unwrap_err();
        assert!(error.contains("1 (a1-0 for one) answered, but in no"), "{error}");
        assert_eq!(missing.verdict(GET, Demand::Baseline), Ok(()), "a kill can come before the line");
    }

    #[test]
    fn a_post_is_done_once_even_where_losses_are_only_counted() {
        let mut ids: Vec<u64> = (0..40).collect();
        ids.push(7);
        let twice = Identity::of(&sample(0), &logged(&ids));
        let error = twice.verdict(POST, Demand::Baseline).unwrap_err();
        assert!(error.contains("nodeport-post: 1 (a1-7 for one) done more than once"), "{error}");
        assert!(twice.verdict(GET, Demand::Lossless).is_err());
        assert_eq!(twice.verdict(GET, Demand::Baseline), Ok(()), "a GET may be repeated");
        assert_eq!(twice.verdict(GET, Demand::LosslessIdempotent), Ok(()), "that is how it is not lost");
        assert!(twice.verdict(POST, Demand::LosslessIdempotent).is_err());
    }

    #[test]
    fn what_was_lost_need_not_be_done() {
        // Of 42 requests the last two were lost, and one of them was done.
        let ids: Vec<u64> = (0..41).collect();
        let identity = Identity::of(&sample(2), &logged(&ids));
        assert_eq!(identity, Identity { done_but_lost: 1, ..Identity::default() });
    }
}
