//! The ledger as JSON. `README.md` next to this crate documents each field; `format` grows when one changes its meaning.

#![expect(clippy::struct_field_names, reason = "the fields are the format's, not this module's")]

use std::{
    collections::BTreeMap,
    io,
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;

use super::{
    account::{Ledger, Loss, Server},
    timeline::Trimmed,
};
use crate::{VERSION, load::Run, plan::mix};

const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    client: &'static str,
    run: &'a str,
    started_unix_ms: u64,
    seconds: f64,
    stopped_early: bool,
    plan: Plan<'a>,
    requests: Requests,
    sent_per_second: f64,
    lost: Vec<Lost>,
    losses: Vec<Listed<'a>>,
    losses_unlisted: u64,
    statuses: Vec<Status>,
    services: Vec<Service<'a>>,
    latency_ms: Option<Latency>,
    longest_gap: Gap,
    connections: Connections,
    client_lag_ms: Lag,
    queue: Queue,
    timeline: Timeline<'a>,
}

#[derive(Serialize)]
struct Plan<'a> {
    method: &'a str,
    targets: Vec<Target<'a>>,
    rate: f64,
    seconds: f64,
    requests: u64,
    connections: usize,
    new_connections: bool,
    round_trip_seconds: f64,
    timeout_seconds: f64,
}

#[derive(Serialize)]
struct Target<'a> {
    url: &'a str,
    share: f64,
}

#[derive(Serialize)]
struct Requests {
    due: u64,
    sent: u64,
    answered: u64,
    lost: u64,
    unidentified: u64,
    unattributed: u64,
}

#[derive(Serialize)]
struct Lost {
    kind: &'static str,
    requests: u64,
    first_seconds: f64,
    last_seconds: f64,
}

#[derive(Serialize)]
struct Listed<'a> {
    request_id: String,
    kind: &'static str,
    due_seconds: f64,
    ended_seconds: f64,
    detail: &'a str,
    peer: Option<String>,
    status: Option<u16>,
    served_by: Option<&'a str>,
}

#[derive(Serialize)]
struct Status {
    status: u16,
    replies: u64,
}

#[derive(Serialize)]
struct Service<'a> {
    service: &'a str,
    versions: Vec<Version<'a>>,
}

#[derive(Serialize)]
struct Version<'a> {
    version: &'a str,
    answers: u64,
    first_seconds: f64,
    last_seconds: f64,
    pods: Vec<Pod<'a>>,
}

#[derive(Serialize)]
struct Pod<'a> {
    pod: &'a str,
    answers: u64,
    first_seconds: f64,
    last_seconds: f64,
}

#[derive(Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

#[derive(Serialize)]
struct Gap {
    seconds: f64,
    from_seconds: f64,
}

#[derive(Serialize)]
struct Connections {
    opened: u64,
    closed_announced: u64,
    closed_idle: u64,
}

#[derive(Serialize)]
struct Lag {
    p99: f64,
    max: f64,
}

#[derive(Serialize)]
struct Queue {
    requests: u64,
    wait_ms_max: f64,
}

#[derive(Serialize)]
struct Timeline<'a> {
    bin_ms: u64,
    answers: Vec<AnswerSeries<'a>>,
    lost: Vec<LostSeries<'a>>,
}

#[derive(Serialize)]
struct AnswerSeries<'a> {
    service: &'a str,
    version: &'a str,
    pod: &'a str,
    #[serde(flatten)]
    series: Trimmed<'a>,
}

#[derive(Serialize)]
struct LostSeries<'a> {
    kind: &'static str,
    #[serde(flatten)]
    series: Trimmed<'a>,
}

/// The ledger as one JSON object and a newline.
///
/// # Errors
/// None are known: all keys are strings and all numbers finite.
pub(crate) fn json(run: &Run, ledger: &Ledger) -> io::Result<String> {
    let mut text = serde_json::to_string(&document(run, ledger))?;
    text.push('\n');
    Ok(text)
}

fn document<'a>(run: &'a Run, ledger: &'a Ledger) -> Document<'a> {
    let started = run.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let listed: Vec<_> = ledger.listed.iter().map(|loss| listed(run, loss)).collect();
    let lost = |(kind, losses): (&crate::request::cause::Kind, &crate::ledger::account::Losses)| Lost {
        kind: kind.name(),
        requests: losses.requests,
        first_seconds: seconds(losses.first),
        last_seconds: seconds(losses.last),
    };
    let status = |(&status, &replies): (&u16, &u64)| Status { status, replies };
    Document {
        format: FORMAT,
        client: VERSION,
        run: &run.id,
        started_unix_ms: started.as_millis() as u64,
        seconds: seconds(run.took),
        stopped_early: run.stopped_early,
        plan: plan(run),
        requests: Requests {
            due: ledger.due,
            sent: ledger.sent,
            answered: ledger.answered,
            lost: ledger.lost,
            unidentified: ledger.unidentified,
            unattributed: ledger.unattributed,
        },
        sent_per_second: run.sent_per_second(ledger),
        lost: ledger.losses.iter().map(lost).collect(),
        losses_unlisted: ledger.lost - listed.len() as u64,
        losses: listed,
        statuses: ledger.statuses.iter().map(status).collect(),
        services: services(ledger),
        latency_ms: (!ledger.latency.is_empty()).then(|| Latency {
            p50: millis(ledger.latency.quantile(0.5)),
            p90: millis(ledger.latency.quantile(0.9)),
            p99: millis(ledger.latency.quantile(0.99)),
            max: millis(ledger.latency.max()),
        }),
        longest_gap: Gap { seconds: seconds(ledger.longest_gap.0), from_seconds: seconds(ledger.longest_gap.1) },
        connections: Connections {
            opened: ledger.connections.opened,
            closed_announced: ledger.connections.closed_announced,
            closed_idle: ledger.connections.closed_idle,
        },
        client_lag_ms: Lag { p99: millis(ledger.lag.quantile(0.99)), max: millis(ledger.lag.max()) },
        queue: Queue { requests: ledger.queued, wait_ms_max: millis(ledger.queue_wait.max()) },
        timeline: timeline(ledger),
    }
}

fn plan(run: &Run) -> Plan<'_> {
    let options = &run.options;
    Plan {
        method: options.message.method.as_str(),
        targets: options
            .targets
            .iter()
            .map(|(target, weight)| Target { url: &target.url, share: *weight as f64 / mix::WHOLE as f64 })
            .collect(),
        rate: options.rate.as_f64(),
        seconds: seconds(options.duration),
        requests: run.planned,
        connections: options.connections,
        new_connections: options.new_connections,
        round_trip_seconds: options.round_trip.as_secs_f64(),
        timeout_seconds: seconds(options.timeout),
    }
}

fn listed<'a>(run: &Run, loss: &'a Loss) -> Listed<'a> {
    Listed {
        request_id: run.request_id(loss.sequence),
        kind: loss.failure.kind.name(),
        due_seconds: seconds(loss.due),
        ended_seconds: seconds(loss.ended),
        detail: &loss.failure.detail,
        peer: loss.peer.map(|peer| peer.to_string()),
        status: loss.status.map(|status| status.as_u16()),
        served_by: loss.served_by.as_deref(),
    }
}

fn services(ledger: &Ledger) -> Vec<Service<'_>> {
    let mut services = BTreeMap::<&str, BTreeMap<&str, Vec<&Server>>>::new();
    for server in ledger.servers.values() {
        services.entry(&server.service).or_default().entry(&server.version).or_default().push(server);
    }
    let service = |(service, versions): (_, BTreeMap<_, _>)| Service {
        service,
        versions: versions.into_iter().map(version).collect(),
    };
    services.into_iter().map(service).collect()
}

fn version<'a>((version, mut servers): (&'a str, Vec<&'a Server>)) -> Version<'a> {
    servers.sort_by(|a, b| a.pod.cmp(&b.pod));
    let first = servers.iter().map(|server| server.first).min();
    let last = servers.iter().map(|server| server.last).max();
    let pod = |server: &&'a Server| Pod {
        pod: &server.pod,
        answers: server.answers,
        first_seconds: seconds(server.first),
        last_seconds: seconds(server.last),
    };
    Version {
        version,
        answers: servers.iter().map(|server| server.answers).sum(),
        first_seconds: seconds(first.unwrap_or_default()),
        last_seconds: seconds(last.unwrap_or_default()),
        pods: servers.iter().map(pod).collect(),
    }
}

fn timeline(ledger: &Ledger) -> Timeline<'_> {
    let mut servers: Vec<_> = ledger.servers.values().collect();
    servers.sort_by(|a, b| (&a.service, &a.version, &a.pod).cmp(&(&b.service, &b.version, &b.pod)));
    Timeline {
        bin_ms: ledger.bin.as_millis() as u64,
        answers: servers
            .into_iter()
            .map(|server| AnswerSeries {
                service: &server.service,
                version: &server.version,
                pod: &server.pod,
                series: server.timeline.trimmed(),
            })
            .collect(),
        lost: ledger
            .losses
            .iter()
            .map(|(kind, losses)| LostSeries { kind: kind.name(), series: losses.timeline.trimmed() })
            .collect(),
    }
}

/// Seconds, to a tenth of a millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 1e4
}

/// Milliseconds, to a microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}
