//! The ledger for people.

use std::{fmt::Write as _, time::Duration};

use super::account::{Account, Server};
use super::run::Run;
use crate::plan::mix;

/// Losses that are told one by one; the JSON has more.
const SHOWN_LOSSES: usize = 5;

pub(crate) fn table(run: &Run, account: &Account) -> String {
    let mut text = Text::default();
    head(&mut text, run);
    summary(&mut text, run, account);
    statuses(&mut text, account);
    servers(&mut text, account);
    losses(&mut text, run, account);
    verdict(&mut text, run, account);
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(line);
        self.0.truncate(self.0.trim_end_matches(' ').len());
        self.0.push('\n');
    }
}

macro_rules! line {
    ($text:expr) => { $text.line(format_args!("")) };
    ($text:expr, $($arg:tt)*) => { $text.line(format_args!($($arg)*)) };
}

fn head(text: &mut Text, run: &Run) {
    let plan = &run.plan;
    for (url, weight) in &plan.urls {
        let share = if plan.urls.len() > 1 {
            let percent = *weight as f64 * 100.0 / mix::WHOLE as f64;
            format!("  {percent:.2} %")
        } else {
            String::new()
        };
        line!(text, "{} {}{share}", plan.message.method, url.text);
    }
    let kind = if plan.new_connections { "a new connection for each request, at most" } else { "kept connections:" };
    let distance = match plan.round_trip.as_millis() {
        0 => String::new(),
        milliseconds => format!("round trip {milliseconds} ms, "),
    };
    line!(
        text,
        "{}/s for {} s, {kind} {}, {distance}timeout {} s, run {}",
        plan.rate.as_f64(),
        plan.duration.as_secs_f64(),
        plan.connections,
        plan.timeout.as_secs_f64(),
        run.id.0
    );
    line!(text);
}

fn summary(text: &mut Text, run: &Run, account: &Account) {
    line!(
        text,
        "requests       {} planned, {} due, {} sent, {} answered, {} lost",
        run.planned,
        account.requests.due,
        account.requests.sent,
        account.requests.answered,
        account.requests.lost
    );
    line!(
        text,
        "rate           {}/s planned, {}/s sent",
        run.plan.rate.as_f64(),
        run.sent_per_second(account.requests.sent)
    );
    if !account.latency.is_empty() {
        line!(
            text,
            "latency        p50 {}, p90 {}, p99 {}, max {} (from when each was due)",
            short(account.latency.quantile(0.5)),
            short(account.latency.quantile(0.9)),
            short(account.latency.quantile(0.99)),
            short(account.latency.max())
        );
    }
    let (gap, from) = account.longest_gap;
    line!(text, "longest gap    {} without an answer, from {:.2} s", short(gap), from.as_secs_f64());
    line!(
        text,
        "connections    {} opened, {} closed after notice, {} closed while idle without notice",
        account.connections.opened,
        account.connections.closed_announced,
        account.connections.closed_idle
    );
    line!(
        text,
        "client lag     p99 {}, max {} (this client's own lateness)",
        short(account.lag.quantile(0.99)),
        short(account.lag.max())
    );
    if account.queued > 0 {
        line!(
            text,
            "queue          {} requests found no idle connection, and waited up to {}",
            account.queued,
            short(account.queue_wait.max())
        );
    }
    if account.requests.unidentified > 0 {
        line!(text, "unidentified   {} replies without x-request-id", account.requests.unidentified);
    }
}

fn statuses(text: &mut Text, account: &Account) {
    if account.statuses.is_empty() {
        return;
    }
    line!(text);
    line!(text, "STATUS    REPLIES");
    for (status, replies) in &account.statuses {
        line!(text, "{status:<6} {replies:>10}");
    }
}

fn servers(text: &mut Text, account: &Account) {
    let servers = account.servers(Server::by_first_answer);
    if servers.is_empty() {
        return;
    }
    let pod_width = width(servers.iter().map(|server| server.pod.as_str()), 3);
    let service_width = width(servers.iter().map(|server| server.service.as_str()), 7);
    let version_width = width(servers.iter().map(|server| server.version.as_str()), 7);
    line!(text);
    line!(
        text,
        "{:service_width$}  {:version_width$}  {:pod_width$}  {:>10}  {:>9}  {:>9}",
        "SERVICE",
        "VERSION",
        "POD",
        "ANSWERS",
        "FIRST",
        "LAST"
    );
    for version in servers.chunk_by(|a, b| a.is_like(b)) {
        let mut row = |pod: &str, answers: u64, first: Duration, last: Duration| {
            line!(
                text,
                "{:service_width$}  {:version_width$}  {pod:pod_width$}  {answers:>10}  {:>7.2} s  {:>7.2} s",
                version[0].service,
                version[0].version,
                first.as_secs_f64(),
                last.as_secs_f64()
            );
        };
        for server in version {
            let answers = &server.answers;
            row(&server.pod, answers.count, answers.first, answers.last);
        }
        if version.len() > 1 {
            let (count, first, last) = Server::together(version);
            row("all", count, first, last);
        }
    }
}

fn width<'a>(cells: impl Iterator<Item = &'a str>, heading: usize) -> usize {
    cells.map(str::len).max().unwrap_or(0).max(heading)
}

fn losses(text: &mut Text, run: &Run, account: &Account) {
    if account.losses.is_empty() {
        return;
    }
    line!(text);
    line!(text, "{:15}  {:>10}  {:>9}  {:>9}  MEANING", "LOST", "REQUESTS", "FIRST", "LAST");
    for (kind, losses) in &account.losses {
        line!(
            text,
            "{:15}  {:>10}  {:>7.2} s  {:>7.2} s  {}",
            kind.name(),
            losses.count,
            losses.first.as_secs_f64(),
            losses.last.as_secs_f64(),
            kind.meaning()
        );
    }
    line!(text);
    for loss in account.listed.iter().take(SHOWN_LOSSES) {
        let peer = loss.peer.map(|peer| format!(" {peer}")).unwrap_or_default();
        let by = loss.served_by.as_ref().map(|by| format!(" [{by}]"));
        line!(
            text,
            "{} due at {:.3} s, lost at {:.3} s: {}{peer}{} {}",
            run.id.request(loss.sequence),
            loss.due.as_secs_f64(),
            loss.ended.as_secs_f64(),
            loss.cause.kind.name(),
            by.unwrap_or_default(),
            loss.cause.detail
        );
    }
    let more = account.requests.lost.saturating_sub(SHOWN_LOSSES as u64);
    if more > 0 {
        line!(text, "and {more} more; the JSON lists them (--ledger FILE)");
    }
}

fn verdict(text: &mut Text, run: &Run, account: &Account) {
    line!(text);
    if run.stopped_early {
        line!(
            text,
            "Stopped by a signal after {:.1} s of {} s.",
            run.due_for.as_secs_f64(),
            run.plan.duration.as_secs_f64()
        );
    }
    match account.requests.lost {
        0 => line!(text, "Nothing was lost."),
        1 => line!(text, "1 of {} requests was lost.", account.requests.due),
        lost => line!(text, "{lost} of {} requests were lost.", account.requests.due),
    }
}

/// Three significant digits or so.
fn short(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    match ms {
        _ if ms < 10.0 => format!("{ms:.2} ms"),
        _ if ms < 100.0 => format!("{ms:.1} ms"),
        _ if ms < 10_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let of = |us| short(Duration::from_micros(us));
        assert_eq!(of(123), "0.12 ms");
        assert_eq!(of(12_345), "12.3 ms");
        assert_eq!(of(1_234_500), "1234 ms");
        assert_eq!(of(61_234_500), "61.2 s");
    }
}
