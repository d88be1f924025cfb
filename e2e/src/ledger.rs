//! The client's ledger, as far as it is read here; `client/README.md` documents every field.

use std::collections::BTreeSet;

use serde::Deserialize;

/// How many losses a failed assertion shows.
const SHOWN: usize = 20;

/// What became of every request of a load.
#[derive(Clone, Debug, Deserialize)]
pub struct Ledger {
    /// First part of every request id: request `i` has `RUN-i`.
    pub run: String,
    /// Start, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// A signal ended it, and not its duration.
    pub stopped_early: bool,
    /// All of them, by what became of them.
    pub requests: Requests,
    /// Losses by kind.
    pub lost: Vec<Lost>,
    /// Losses one by one, as many as the client lists.
    pub losses: Vec<Loss>,
    /// How many more there were.
    pub losses_unlisted: u64,
    /// Complete replies, accepted or not, by status.
    pub statuses: Vec<Status>,
    /// Who answered.
    pub services: Vec<Service>,
    /// None without an answer.
    pub latency_ms: Option<Latency>,
    /// The longest time without an answer.
    pub longest_gap: Gap,
    /// The client's own lateness.
    pub client_lag_ms: Lag,
    /// Answers and losses over time.
    pub timeline: Timeline,
}

/// Numbers of requests.
#[derive(Clone, Debug, Deserialize)]
pub struct Requests {
    /// Came due.
    pub due: u64,
    /// Given to a connection, or to an attempt to open one.
    pub sent: u64,
    /// Answered in time, by the status and the body asked for.
    pub answered: u64,
    /// All others that came due.
    pub lost: u64,
}

/// The losses of a kind.
#[derive(Clone, Debug, Deserialize)]
pub struct Lost {
    /// As `client load --help` lists them.
    pub kind: String,
    /// How many.
    pub requests: u64,
}

/// A loss.
#[derive(Clone, Debug, Deserialize)]
pub struct Loss {
    /// Which request.
    pub request_id: String,
    /// What became of it.
    pub kind: String,
    /// In words.
    pub detail: String,
    /// When it came due, in seconds from the start.
    pub due_seconds: f64,
}

/// The replies with a status.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The status.
    pub status: u16,
    /// How many.
    pub replies: u64,
}

/// A hop that answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Service {
    /// Its name.
    pub service: String,
    /// Its versions.
    pub versions: Vec<Version>,
}

/// A version that answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Version {
    /// As in `x-served-by`.
    pub version: String,
}

/// Time from when a request was due to the end of its answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Latency {
    /// The 90th percentile, in milliseconds: past it are replies that were asked to be slow.
    pub p90: f64,
}

/// A time without an answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Gap {
    /// Its length.
    pub seconds: f64,
}

/// Time from when a request was due to when it was sent.
#[derive(Clone, Debug, Deserialize)]
pub struct Lag {
    /// The 99th percentile, in milliseconds.
    pub p99: f64,
}

/// Counts over time, in bins of `bin_ms`.
#[derive(Clone, Debug, Deserialize)]
pub struct Timeline {
    /// Length of a bin, in milliseconds.
    pub bin_ms: u64,
    /// Answers, by hop, version and pod.
    pub answers: Vec<AnswerSeries>,
    /// Losses, by kind.
    pub lost: Vec<LostSeries>,
}

/// Answers over time by a pod.
#[derive(Clone, Debug, Deserialize)]
pub struct AnswerSeries {
    /// Its service.
    pub service: String,
    /// Its version.
    pub version: String,
    /// Its name.
    pub pod: String,
    /// Where the counts begin.
    pub first_bin: u64,
    /// One for each bin from there.
    pub counts: Vec<u64>,
}

/// Losses of a kind over time.
#[derive(Clone, Debug, Deserialize)]
pub struct LostSeries {
    /// Where the counts begin.
    pub first_bin: u64,
    /// One for each bin from there.
    pub counts: Vec<u64>,
}

impl Ledger {
    /// Reads what a load printed.
    ///
    /// # Errors
    /// If it is not a ledger, or its counts do not add up.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ledger: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Requests { due, answered, lost, .. } = ledger.requests;
        if answered + lost != due {
            return Err(format!("{answered} answered and {lost} lost are not {due} due"));
        }
        Ok(ledger)
    }

    /// Requests sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.requests.sent
    }

    /// Requests lost, whatever the reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.requests.lost
    }

    /// Whether a version of a service answered.
    #[must_use]
    pub fn saw(&self, service: &str, version: &str) -> bool {
        let named = self.services.iter().filter(|entry| entry.service == service);
        named.flat_map(|entry| &entry.versions).any(|entry| entry.version == version)
    }

    /// Asserts that every request was answered, and enough of them were sent to mean something.
    ///
    /// # Panics
    /// If not; the message has the losses.
    #[track_caller]
    pub fn assert_nothing_lost(&self, at_least: u64) {
        let shown = &self.losses[..self.losses.len().min(SHOWN)];
        assert_eq!(self.lost(), 0, "requests were lost: {}; the first of them: {shown:#?}", self.losses_by_kind());
        assert!(self.sent() >= at_least, "only {} requests were sent, not {at_least}", self.sent());
    }

    /// `v1 v2` or, where the services differ, `backend v1 v2, frontend v1`.
    #[must_use]
    pub fn versions(&self) -> String {
        let by_service: Vec<(&str, String)> = self
            .services
            .iter()
            .map(|service| {
                let versions: BTreeSet<&str> = service.versions.iter().map(|version| &*version.version).collect();
                (&*service.service, versions.into_iter().collect::<Vec<_>>().join(" "))
            })
            .collect();
        match by_service.split_first() {
            None => "none".to_owned(),
            Some(((_, first), rest)) if rest.iter().all(|(_, versions)| versions == first) => first.clone(),
            Some(_) => {
                by_service.iter().map(|(name, versions)| format!("{name} {versions}")).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// `2 closed, 1 timeout`; empty if nothing was lost.
    #[must_use]
    pub fn losses_by_kind(&self) -> String {
        self.lost.iter().map(|lost| format!("{} {}", lost.requests, lost.kind)).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 42 requests 40 were answered.
    const SAMPLE: &str = r#"{"run": "a1", "started_unix_ms": 1, "stopped_early": true,
        "requests": {"due": 42, "sent": 42, "answered": 40, "lost": 2}, "lost": [{"kind": "closed", "requests": 2}],
        "losses": [{"request_id": "a1-7", "kind": "closed", "detail": "FIN", "due_seconds": 1.5}], "losses_unlisted": 1,
        "statuses": [{"status": 200, "replies": 40}],
        "services": [{"service": "backend", "versions": [{"version": "v2"}, {"version": "v1"}]},
                     {"service": "frontend", "versions": [{"version": "v1"}]}],
        "latency_ms": null, "longest_gap": {"seconds": 0}, "client_lag_ms": {"p99": 0},
        "timeline": {"bin_ms": 100, "answers": [], "lost": []}}"#;

    #[test]
    fn a_ledger_tells_who_answered_and_what_was_lost() {
        let mut ledger = Ledger::parse(SAMPLE).unwrap();
        assert!(ledger.saw("backend", "v2") && !ledger.saw("frontend", "v2"));
        assert_eq!(ledger.losses_by_kind(), "2 closed");
        assert_eq!(ledger.versions(), "backend v1 v2, frontend v1");
        ledger.services.pop();
        assert_eq!(ledger.versions(), "v1 v2");
        ledger.services.pop();
        assert_eq!(ledger.versions(), "none");
    }

    #[test]
    #[should_panic(expected = "requests were lost: 2 closed")]
    fn a_loss_fails_the_assertion() {
        Ledger::parse(SAMPLE).unwrap().assert_nothing_lost(1);
    }

    #[test]
    fn a_ledger_that_does_not_add_up_is_refused() {
        let error = Ledger::parse(&SAMPLE.replace("\"due\": 42", "\"due\": 43")).unwrap_err();
        assert!(error.contains("43 due"), "{error}");
    }
}
