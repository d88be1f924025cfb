//! The ledger as JSON, as [`contract::ledger`] has it.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use contract::ledger::{
    self as row, AnswerSeries, FORMAT, Gap, Lag, Latency, Lost, LostSeries, Pod, Queue, Service, Status, Target,
    Timeline, Version,
};

use super::account::{Account, Loss, Server, Tally};
use super::run::Run;
use crate::plan::mix;
use crate::request::cause::Kind;
use crate::request::message::VERSION;

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
    let servers = account.servers(Server::by_name);
    let listed: Vec<_> = account.listed.iter().map(|loss| listed(run, loss)).collect();
    let lost = |(kind, losses): (&Kind, &Tally)| Lost {
        kind: kind.name().to_owned(),
        requests: losses.count,
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
        requests: account.requests.clone(),
        sent_per_second: run.sent_per_second(account.requests.sent),
        lost: account.losses.iter().map(lost).collect(),
        losses_unlisted: account.requests.lost - listed.len() as u64,
        losses: listed,
        statuses: account.statuses.iter().map(status).collect(),
        services: services(&servers),
        latency_ms: (!account.latency.is_empty()).then(|| Latency {
            p50: millis(account.latency.quantile(0.5)),
            p90: millis(account.latency.quantile(0.9)),
            p99: millis(account.latency.quantile(0.99)),
            max: millis(account.latency.max()),
        }),
        longest_gap: Gap { seconds: seconds(account.longest_gap.0), from_seconds: seconds(account.longest_gap.1) },
        connections: account.connections.clone(),
        client_lag_ms: Lag { p99: millis(account.lag.quantile(0.99)), max: millis(account.lag.max()) },
        queue: Queue { requests: account.queued, wait_ms_max: millis(account.queue_wait.max()) },
        timeline: timeline(account, &servers),
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

fn services(servers: &[&Server]) -> Vec<Service> {
    let service = |servers: &[&Server]| Service {
        service: servers[0].service.clone(),
        versions: servers.chunk_by(|a, b| a.is_like(b)).map(version).collect(),
    };
    servers.chunk_by(|a, b| a.service == b.service).map(service).collect()
}

fn version(servers: &[&Server]) -> Version {
    let pod = |server: &&Server| Pod {
        pod: server.pod.clone(),
        answers: server.answers.count,
        first_seconds: seconds(server.answers.first),
        last_seconds: seconds(server.answers.last),
    };
    let (count, first, last) = Server::together(servers);
    Version {
        version: servers[0].version.clone(),
        answers: count,
        first_seconds: seconds(first),
        last_seconds: seconds(last),
        pods: servers.iter().map(pod).collect(),
    }
}

fn timeline(account: &Account, servers: &[&Server]) -> Timeline {
    let answers = servers.iter().map(|server| {
        let (first_bin, counts) = server.answers.timeline.trimmed();
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
