//! The part of the client's ledger that the proof reads; `client/README.md` documents every field.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// What became of every request of a load.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ledger {
    /// First part of every request id: request `i` has `RUN-i`.
    pub(crate) run: String,
    /// Start, in milliseconds since 1970.
    pub(crate) started_unix_ms: u64,
    /// A signal ended it, and not its duration.
    pub(crate) stopped_early: bool,
    pub(crate) requests: Requests,
    /// Losses by kind.
    pub(crate) lost: Vec<Lost>,
    pub(crate) services: Vec<Service>,
    /// None without an answer.
    pub(crate) latency_ms: Option<Latency>,
    pub(crate) longest_gap: Gap,
    pub(crate) client_lag_ms: Lag,
    pub(crate) timeline: Timeline,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Requests {
    pub(crate) due: u64,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) lost: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Lost {
    pub(crate) kind: String,
    pub(crate) requests: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Service {
    pub(crate) service: String,
    pub(crate) versions: Vec<Version>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p99: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Gap {
    pub(crate) seconds: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Lag {
    pub(crate) p99: f64,
}

/// Counts over time, in bins of `bin_ms`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) bin_ms: u64,
    pub(crate) answers: Vec<AnswerSeries>,
    pub(crate) lost: Vec<LostSeries>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AnswerSeries {
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) pod: String,
    pub(crate) first_bin: u64,
    pub(crate) counts: Vec<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LostSeries {
    pub(crate) first_bin: u64,
    pub(crate) counts: Vec<u64>,
}

impl Ledger {
    /// Reads the ledger that a load wrote.
    ///
    /// # Errors
    /// If there is none, it is not one, or its counts do not add up.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let ledger: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Requests { due, answered, lost, .. } = ledger.requests;
        if answered + lost != due {
            return Err(format!("{answered} answered and {lost} lost are not {due} due"));
        }
        Ok(ledger)
    }

    /// `v1 v2` or, where the services differ, `backend v1 v2, frontend v1`.
    pub(crate) fn versions(&self) -> String {
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
    pub(crate) fn losses(&self) -> String {
        self.lost.iter().map(|lost| format!("{} {}", lost.requests, lost.kind)).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A ledger of 40 answers by one backend of each version, and of `lost` requests in the third second.
    pub(crate) fn sample(lost: u64) -> Ledger {
        let answers = |version: &str, first_bin: u64| {
            json!({"service": "backend", "version": version, "pod": format!("backend-{version}"), "first_bin": first_bin,
                   "counts": [10, 10]})
        };
        let text = json!({
            "run": "a1", "started_unix_ms": 1_000_000, "stopped_early": true,
            "requests": {"due": 40 + lost, "sent": 40 + lost, "answered": 40, "lost": lost},
            "lost": if lost > 0 { json!([{"kind": "closed", "requests": lost}]) } else { json!([]) },
            "services": [{"service": "backend", "versions": [{"version": "v2"}, {"version": "v1"}]},
                         {"service": "frontend", "versions": [{"version": "v1"}]}],
            "latency_ms": {"p99": 12.34}, "longest_gap": {"seconds": 0.25}, "client_lag_ms": {"p99": 1.0},
            "timeline": {"bin_ms": 1000, "answers": [answers("v1", 0), answers("v2", 2)],
                         "lost": if lost > 0 { json!([{"kind": "closed", "first_bin": 2, "counts": [lost]}]) }
                                 else { json!([]) }}
        });
        Ledger::parse(&text.to_string()).unwrap()
    }

    #[test]
    fn versions_are_told_by_service_where_they_differ() {
        let mut ledger = sample(0);
        assert_eq!(ledger.versions(), "backend v1 v2, frontend v1");
        ledger.services.pop();
        assert_eq!(ledger.versions(), "v1 v2");
        ledger.services.pop();
        assert_eq!(ledger.versions(), "none");
    }

    #[test]
    fn losses_are_told_by_kind() {
        assert_eq!(sample(0).losses(), "");
        assert_eq!(sample(2).losses(), "2 closed");
    }

    #[test]
    fn a_ledger_that_does_not_add_up_is_refused() {
        let text = r#"{"run":"a","started_unix_ms":1,"stopped_early":true,"requests":{"due":3,"sent":3,"answered":1,"lost":1},"lost":[],
            "services":[],"latency_ms":null,"longest_gap":{"seconds":0},"client_lag_ms":{"p99":0},
            "timeline":{"bin_ms":100,"answers":[],"lost":[]}}"#;
        assert!(Ledger::parse(text).unwrap_err().contains("3 due"));
    }
}
