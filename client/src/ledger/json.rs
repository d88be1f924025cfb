//! The ledger as JSON, as [`contract::ledger`] has it.

use std::{
    collections::BTreeMap,
    io,
    time::{Duration, UNIX_EPOCH},
};

use contract::ledger::{
    self as row, AnswerSeries, Connections, FORMAT, Gap, Lag, Latency, Lost, LostSeries, Plan, Pod, Queue, Requests,
    Service, Status, Target, Timeline, Version,
};

use super::account::{Ledger, Loss, Server};
use crate::{VERSION, load::Run, plan::mix};

/// The ledger as one JSON object and a newline.
///
/// # Errors
/// None are known: all keys are strings and all numbers finite.
pub(crate) fn json(run: &Run, ledger: &Ledger) -> io::Result<String> {
    let mut text = serde_json::to_string(&document(run, ledger))?;
    text.push('\n');
    Ok(text)
}

fn document(run: &Run, ledger: &Ledger) -> row::Ledger {
    let started = run.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let listed: Vec<_> = ledger.listed.iter().map(|loss| listed(run, loss)).collect();
    let lost = |(kind, losses): (&crate::request::cause::Kind, &crate::ledger::account::Losses)| Lost {
        kind: kind.name().to_owned(),
        requests: losses.requests,
        first_seconds: seconds(losses.first),
        last_seconds: seconds(losses.last),
    };
    let status = |(&status, &replies): (&u16, &u64)| Status { status, replies };
    row::Ledger {
        format: FORMAT,
        client: VERSION.to_owned(),
        run: run.id.clone(),
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

fn plan(run: &Run) -> Plan {
    let options = &run.options;
    Plan {
        method: options.message.method.to_string(),
        targets: options
            .targets
            .iter()
            .map(|(target, weight)| Target { url: target.url.clone(), share: *weight as f64 / mix::WHOLE as f64 })
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

fn listed(run: &Run, loss: &Loss) -> row::Loss {
    row::Loss {
        request_id: run.request_id(loss.sequence),
        kind: loss.failure.kind.name().to_owned(),
        due_seconds: seconds(loss.due),
        ended_seconds: seconds(loss.ended),
        detail: loss.failure.detail.clone(),
        peer: loss.peer.map(|peer| peer.to_string()),
        status: loss.status.map(|status| status.as_u16()),
        served_by: loss.served_by.clone(),
    }
}

fn services(ledger: &Ledger) -> Vec<Service> {
    let mut services = BTreeMap::<&str, BTreeMap<&str, Vec<&Server>>>::new();
    for server in ledger.servers.values() {
        services.entry(&server.service).or_default().entry(&server.version).or_default().push(server);
    }
    let service = |(service, versions): (&str, BTreeMap<_, _>)| Service {
        service: service.to_owned(),
        versions: versions.into_iter().map(version).collect(),
    };
    services.into_iter().map(service).collect()
}

fn version((version, mut servers): (&str, Vec<&Server>)) -> Version {
    servers.sort_by(|a, b| a.pod.cmp(&b.pod));
    let first = servers.iter().map(|server| server.first).min();
    let last = servers.iter().map(|server| server.last).max();
    let pod = |server: &&Server| Pod {
        pod: server.pod.clone(),
        answers: server.answers,
        first_seconds: seconds(server.first),
        last_seconds: seconds(server.last),
    };
    Version {
        version: version.to_owned(),
        answers: servers.iter().map(|server| server.answers).sum(),
        first_seconds: seconds(first.unwrap_or_default()),
        last_seconds: seconds(last.unwrap_or_default()),
        pods: servers.iter().map(pod).collect(),
    }
}

fn timeline(ledger: &Ledger) -> Timeline {
    let mut servers: Vec<_> = ledger.servers.values().collect();
    servers.sort_by(|a, b| (&a.service, &a.version, &a.pod).cmp(&(&b.service, &b.version, &b.pod)));
    let answers = servers.into_iter().map(|server| {
        let (first_bin, counts) = server.timeline.trimmed();
        AnswerSeries {
            service: server.service.clone(),
            version: server.version.clone(),
            pod: server.pod.clone(),
            first_bin,
            counts,
        }
    });
    let lost = ledger.losses.iter().map(|(kind, losses)| {
        let (first_bin, counts) = losses.timeline.trimmed();
        LostSeries { kind: kind.name().to_owned(), first_bin, counts }
    });
    Timeline { bin_ms: ledger.bin.as_millis() as u64, answers: answers.collect(), lost: lost.collect() }
}

/// Seconds, to a tenth of a millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 1e4
}

/// Milliseconds, to a microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}
