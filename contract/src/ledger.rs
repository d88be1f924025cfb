//! The ledger of a load as JSON: `client load` writes it; `client spread`, the end-to-end tests and the proof read it.
//! The page saves as much of it as a page can know.
//!
//! `client/README.md` documents each field. [`FORMAT`] grows when one changes its meaning. Times in seconds count from the start
//! of the load.

use serde::{Deserialize, Serialize};

/// The value of [`Ledger::format`].
pub const FORMAT: u32 = 1;

/// What became of every request of a load.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the client.
    pub client: String,
    /// First part of every request id: request `i` has `RUN-i`, from 0.
    pub run: String,
    /// Start, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// From the start to the end of the last request.
    pub seconds: f64,
    /// A signal ended it, and not its duration.
    pub stopped_early: bool,
    /// What was asked for.
    pub plan: Plan,
    /// All requests, by what became of them.
    pub requests: Requests,
    /// The rate that was kept.
    pub sent_per_second: f64,
    /// Losses by kind.
    pub lost: Vec<Lost>,
    /// Losses one by one, as many as the client lists.
    pub losses: Vec<Loss>,
    /// How many more there were.
    pub losses_unlisted: u64,
    /// Complete replies, accepted or not, by status.
    pub statuses: Vec<Status>,
    /// Who answered, by hop.
    pub services: Vec<Service>,
    /// From when a request was due to the end of its answer; none without an answer.
    pub latency_ms: Option<Latency>,
    /// The longest time without an answer.
    pub longest_gap: Gap,
    /// What happened to connections.
    pub connections: Connections,
    /// The client's own lateness.
    pub client_lag_ms: Lag,
    /// Requests that found no idle connection.
    pub queue: Queue,
    /// Answers and losses over time.
    pub timeline: Timeline,
}

/// What a load was asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Method of every request.
    pub method: String,
    /// Where to.
    pub targets: Vec<Target>,
    /// Requests a second.
    pub rate: f64,
    /// For how long requests come due.
    pub seconds: f64,
    /// How many do.
    pub requests: u64,
    /// Connections to each host and port.
    pub connections: usize,
    /// A connection for each request instead of kept ones.
    pub new_connections: bool,
    /// The pretended distance, there and back.
    pub round_trip_seconds: f64,
    /// From when a request is due to when it is lost.
    pub timeout_seconds: f64,
}

/// One of the URLs of a load.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Target {
    /// As it was given.
    pub url: String,
    /// Its part of the requests, 0 to 1.
    pub share: f64,
}

/// Numbers of requests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Requests {
    /// Came due; always `answered` + `lost`.
    pub due: u64,
    /// Given to a connection, or to an attempt to open one.
    pub sent: u64,
    /// Answered in time, by the status and the body asked for.
    pub answered: u64,
    /// All others that came due.
    pub lost: u64,
    /// Replies without an `x-request-id`.
    pub unidentified: u64,
    /// Answers without a readable `x-served-by`, or by services past those that are told apart.
    pub unattributed: u64,
}

/// The losses of a kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lost {
    /// As `client load --help` lists them.
    pub kind: String,
    /// How many.
    pub requests: u64,
    /// When the first was noticed.
    pub first_seconds: f64,
    /// When the last was noticed.
    pub last_seconds: f64,
}

/// A loss.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Loss {
    /// Which request.
    pub request_id: String,
    /// What became of it.
    pub kind: String,
    /// When it came due.
    pub due_seconds: f64,
    /// When its loss was noticed.
    pub ended_seconds: f64,
    /// In words.
    pub detail: String,
    /// The far end of its connection, where it had one.
    pub peer: Option<String>,
    /// The status of the reply, where a head arrived.
    pub status: Option<u16>,
    /// Who sent that head.
    pub served_by: Option<String>,
}

/// The replies with a status.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// The status.
    pub status: u16,
    /// How many.
    pub replies: u64,
}

/// A hop that answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub service: String,
    /// Its versions.
    pub versions: Vec<Version>,
}

/// A version that answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Version {
    /// As in `x-served-by`.
    pub version: String,
    /// Answers that it had a hand in.
    pub answers: u64,
    /// When the first was complete.
    pub first_seconds: f64,
    /// When the last was complete.
    pub last_seconds: f64,
    /// Its pods.
    pub pods: Vec<Pod>,
}

/// A pod that answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub pod: String,
    /// Answers that it had a hand in.
    pub answers: u64,
    /// When the first was complete.
    pub first_seconds: f64,
    /// When the last was complete.
    pub last_seconds: f64,
}

/// Time from when a request was due to the end of its answer, in milliseconds; the quantiles at most 0.8 % too high.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the answers took no longer.
    pub p50: f64,
    /// 90 % took no longer: past it are replies that were asked to be slow.
    pub p90: f64,
    /// 99 % took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// A time without an answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gap {
    /// Its length.
    pub seconds: f64,
    /// Where it began.
    pub from_seconds: f64,
}

/// What happened to connections.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Connections {
    /// Opened.
    pub opened: u64,
    /// Closed by the server after a reply that said so.
    pub closed_announced: u64,
    /// Found closed while idle, without a word.
    pub closed_idle: u64,
}

/// The client's own lateness, in milliseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lag {
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Requests that found no idle connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Queue {
    /// How many.
    pub requests: u64,
    /// The longest wait, in milliseconds.
    pub wait_ms_max: f64,
}

/// Counts over time, in bins of `bin_ms`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Length of a bin, in milliseconds.
    pub bin_ms: u64,
    /// Answers, by hop, version and pod.
    pub answers: Vec<AnswerSeries>,
    /// Losses, by kind.
    pub lost: Vec<LostSeries>,
}

/// Answers over time by a pod.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AnswerSeries {
    /// Its service.
    pub service: String,
    /// Its version.
    pub version: String,
    /// Its name.
    pub pod: String,
    /// Index of the bin that `counts` begins with: bin `i` covers `i * bin_ms` up to `(i + 1) * bin_ms`.
    pub first_bin: u64,
    /// One for each bin from there.
    pub counts: Vec<u64>,
}

/// Losses of a kind over time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LostSeries {
    /// As in [`Lost`].
    pub kind: String,
    /// As in [`AnswerSeries`].
    pub first_bin: u64,
    /// One for each bin from there.
    pub counts: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn keys(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    found.insert(key.clone());
                    keys(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
            _ => {}
        }
    }

    #[test]
    fn the_readme_of_the_client_names_each_field() {
        let whole = Ledger {
            plan: Plan { targets: vec![Target::default()], ..Plan::default() },
            lost: vec![Lost::default()],
            losses: vec![Loss::default()],
            statuses: vec![Status::default()],
            services: vec![Service {
                versions: vec![Version { pods: vec![Pod::default()], ..Version::default() }],
                ..Service::default()
            }],
            latency_ms: Some(Latency::default()),
            timeline: Timeline {
                answers: vec![AnswerSeries::default()],
                lost: vec![LostSeries::default()],
                ..Timeline::default()
            },
            ..Ledger::default()
        };
        let (_, readme) = include_str!("../../client/README.md").split_once("\n## The ledger as JSON\n").unwrap();
        let quoted: BTreeSet<&str> =
            readme.split('`').skip(1).step_by(2).flat_map(|code| code.split(['.', '['])).collect();
        let mut fields = BTreeSet::new();
        keys(&serde_json::to_value(&whole).unwrap(), &mut fields);
        for field in &fields {
            assert!(quoted.contains(&**field), "client/README.md does not name the field {field}");
        }
        assert!(fields.len() > 50, "{fields:?}");
    }
}
