//! The ledger as JSON, as [`contract::ledger`] has it.

use std::{
    collections::BTreeMap,
    io,
    time::{Duration, UNIX_EPOCH},
};

use contract::ledger::{
    self as row, AnswerSeries, Connections, FORMAT, Gap, Lag, Latency, Lost, LostSeries, Pod, Queue, Requests, Service,
    Status, Target, Timeline, Version,
};

use super::{
    account::{Account, Loss, Losses, Server},
    run::Run,
};
use crate::{
    plan::mix,
    request::{cause::Kind, message::VERSION},
};

/// The ledger as one JSON object and a newline.
///
/// # Errors
/// None are known: all keys are strings and all numbers finite.
pub(crate) fn json(run: &Run, account: &Account) -> io::Result<String> {
    let mut text = serde_json::to_string(&document(run, account))?;
    text.push('\n');
    Ok(text)
}

fn document(run: &Run, account: &Account) -> row::Ledger {
    let started = run.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let listed: Vec<_> = account.listed.iter().map(|loss| listed(run, loss)).collect();
    let lost = |(kind, losses): (&Kind, &Losses)| Lost {
        kind: kind.name().to_owned(),
        requests: losses.requests,
        first_seconds: seconds(losses.first),
        last_seconds: seconds(losses.last),
    };
    let status = |(&status, &replies): (&u16, &u64)| Status { status, replies };
    row::Ledger {
        format: FORMAT,
        client: VERSION.to_owned(),
        run: run.id.0.clone(),
        started_unix_ms: started.as_millis() as u64,
        seconds: seconds(run.took),
        stopped_early: run.stopped_early,
        plan: plan(run),
        requests: Requests {
            due: account.due,
            sent: account.sent,
            answered: account.answered,
            lost: account.lost,
            unidentified: account.unidentified,
            unattributed: account.unattributed,
        },
        sent_per_second: run.sent_per_second(account.sent),
        lost: account.losses.iter().map(lost).collect(),
        losses_unlisted: account.lost - listed.len() as u64,
        losses: listed,
        statuses: account.statuses.iter().map(status).collect(),
        services: services(account),
        latency_ms: (!account.latency.is_empty()).then(|| Latency {
            p50: millis(account.latency.quantile(0.5)),
            p90: millis(account.latency.quantile(0.9)),
            p99: millis(account.latency.quantile(0.99)),
            max: millis(account.latency.max()),
        }),
        longest_gap: Gap { seconds: seconds(account.longest_gap.0), from_seconds: seconds(account.longest_gap.1) },
        connections: Connections {
            opened: account.connections.opened,
            closed_announced: account.connections.closed_announced,
            closed_idle: account.connections.closed_idle,
        },
        client_lag_ms: Lag { p99: millis(account.lag.quantile(0.99)), max: millis(account.lag.max()) },
        queue: Queue { requests: account.queued, wait_ms_max: millis(account.queue_wait.max()) },
        timeline: timeline(account),
    }
}

fn plan(run: &Run) -> row::Plan {
    let plan = &run.plan;
    row::Plan {
        method: plan.message.method.to_string(),
        targets: plan
            .urls
            .iter()
            .map(|(url, weight)| Target { url: url.text.clone(), share: *weight as f64 / mix::WHOLE as f64 })
            .collect(),
        rate: plan.rate.as_f64(),
        seconds: seconds(plan.duration),
        requests: run.planned,
        connections: plan.connections,
        new_connections: plan.new_connections,
        round_trip_seconds: plan.round_trip.as_secs_f64(),
        timeout_seconds: seconds(plan.timeout),
    }
}

fn listed(run: &Run, loss: &Loss) -> row::Loss {
    row::Loss {
        request_id: run.id.request(loss.sequence),
        kind: loss.cause.kind.name().to_owned(),
        due_seconds: seconds(loss.due),
        ended_seconds: seconds(loss.ended),
        detail: loss.cause.detail.clone(),
        peer: loss.peer.map(|peer| peer.to_string()),
        status: loss.status.map(|status| status.as_u16()),
        served_by: loss.served_by.clone(),
    }
}

fn services(account: &Account) -> Vec<Service> {
    let mut services = BTreeMap::<&str, BTreeMap<&str, Vec<&Server>>>::new();
    for server in account.servers.values() {
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

fn timeline(account: &Account) -> Timeline {
    let mut servers: Vec<_> = account.servers.values().collect();
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
    let lost = account.losses.iter().map(|(kind, losses)| {
        let (first_bin, counts) = losses.timeline.trimmed();
        LostSeries { kind: kind.name().to_owned(), first_bin, counts }
    });
    Timeline { bin_ms: account.bin.as_millis() as u64, answers: answers.collect(), lost: lost.collect() }
}

/// Seconds, to a tenth of a millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 1e4
}

/// Milliseconds, to a microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}
