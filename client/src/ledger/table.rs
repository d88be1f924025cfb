//! The ledger for people.

use std::{fmt::Write as _, time::Duration};

use super::account::{Ledger, Server};
use crate::{load::Run, plan::mix};

/// Losses that are told one by one; the JSON has more.
const SHOWN_LOSSES: usize = 5;

/// The ledger as lines of text.
pub(crate) fn table(run: &Run, ledger: &Ledger) -> String {
    let mut text = Text::default();
    head(&mut text, run);
    summary(&mut text, run, ledger);
    statuses(&mut text, ledger);
    servers(&mut text, ledger);
    losses(&mut text, run, ledger);
    verdict(&mut text, run, ledger);
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
    let options = &run.options;
    for (target, weight) in &options.targets {
        let share = if options.targets.len() > 1 {
            let percent = *weight as f64 * 100.0 / mix::WHOLE as f64;
            format!("  {percent:.2} %")
        } else {
            String::new()
        };
        line!(text, "{} {}{share}", options.message.method, target.url);
    }
    let kind = if options.new_connections { "a new connection for each request, at most" } else { "kept connections:" };
    let distance = match options.round_trip.as_millis() {
        0 => String::new(),
        milliseconds => format!("round trip {milliseconds} ms, "),
    };
    line!(
        text,
        "{}/s for {} s, {kind} {}, {distance}timeout {} s, run {}",
        options.rate.as_f64(),
        options.duration.as_secs_f64(),
        options.connections,
        options.timeout.as_secs_f64(),
        run.id
    );
    line!(text);
}

fn summary(text: &mut Text, run: &Run, ledger: &Ledger) {
    line!(
        text,
        "requests       {} planned, {} due, {} sent, {} answered, {} lost",
        run.planned,
        ledger.due,
        ledger.sent,
        ledger.answered,
        ledger.lost
    );
    line!(text, "rate           {}/s planned, {}/s sent", run.options.rate.as_f64(), run.sent_per_second(ledger));
    if !ledger.latency.is_empty() {
        line!(
            text,
            "latency        p50 {}, p90 {}, p99 {}, max {} (from when each was due)",
            short(ledger.latency.quantile(0.5)),
            short(ledger.latency.quantile(0.9)),
            short(ledger.latency.quantile(0.99)),
            short(ledger.latency.max())
        );
    }
    let (gap, from) = ledger.longest_gap;
    line!(text, "longest gap    {} without an answer, from {:.2} s", short(gap), from.as_secs_f64());
    line!(
        text,
        "connections    {} opened, {} closed after notice, {} closed while idle without notice",
        ledger.connections.opened,
        ledger.connections.closed_announced,
        ledger.connections.closed_idle
    );
    line!(
        text,
        "client lag     p99 {}, max {} (this client's own lateness)",
        short(ledger.lag.quantile(0.99)),
        short(ledger.lag.max())
    );
    if ledger.queued > 0 {
        line!(
            text,
            "queue          {} requests found no idle connection, and waited up to {}",
            ledger.queued,
            short(ledger.queue_wait.max())
        );
    }
    if ledger.unidentified > 0 {
        line!(text, "unidentified   {} replies without x-request-id", ledger.unidentified);
    }
}

fn statuses(text: &mut Text, ledger: &Ledger) {
    if ledger.statuses.is_empty() {
        return;
    }
    line!(text);
    line!(text, "STATUS    REPLIES");
    for (status, replies) in &ledger.statuses {
        line!(text, "{status:<6} {replies:>10}");
    }
}

fn servers(text: &mut Text, ledger: &Ledger) {
    if ledger.servers.is_empty() {
        return;
    }
    let mut servers: Vec<_> = ledger.servers.values().collect();
    servers.sort_by(|a, b| (&a.service, &a.version, a.first, &a.pod).cmp(&(&b.service, &b.version, b.first, &b.pod)));
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
    for version in servers.chunk_by(|a, b| (&a.service, &a.version) == (&b.service, &b.version)) {
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
            row(&server.pod, server.answers, server.first, server.last);
        }
        if version.len() > 1 {
            let answers = version.iter().map(|server| server.answers).sum();
            let last = version.iter().map(|server| server.last).max();
            let first = earliest(version);
            row("all", answers, first, last.unwrap_or_default());
        }
    }
}

fn earliest(servers: &[&Server]) -> Duration {
    let first = servers.iter().map(|server| server.first).min();
    first.unwrap_or_default()
}

fn width<'a>(cells: impl Iterator<Item = &'a str>, heading: usize) -> usize {
    cells.map(str::len).max().unwrap_or(0).max(heading)
}

fn losses(text: &mut Text, run: &Run, ledger: &Ledger) {
    if ledger.losses.is_empty() {
        return;
    }
    line!(text);
    line!(text, "{:15}  {:>10}  {:>9}  {:>9}  MEANING", "LOST", "REQUESTS", "FIRST", "LAST");
    for (kind, losses) in &ledger.losses {
        line!(
            text,
            "{:15}  {:>10}  {:>7.2} s  {:>7.2} s  {}",
            kind.name(),
            losses.requests,
            losses.first.as_secs_f64(),
            losses.last.as_secs_f64(),
            kind.meaning()
        );
    }
    line!(text);
    for loss in ledger.listed.iter().take(SHOWN_LOSSES) {
        let peer = loss.peer.map(|peer| format!(" {peer}")).unwrap_or_default();
        let by = loss.served_by.as_ref().map(|by| format!(" [{by}]"));
        line!(
            text,
            "{} due at {:.3} s, lost at {:.3} s: {}{peer}{} {}",
            run.request_id(loss.sequence),
            loss.due.as_secs_f64(),
            loss.ended.as_secs_f64(),
            loss.failure.kind.name(),
            by.unwrap_or_default(),
            loss.failure.detail
        );
    }
    let more = ledger.lost.saturating_sub(SHOWN_LOSSES as u64);
    if more > 0 {
        line!(text, "and {more} more; the JSON lists them (--ledger FILE)");
    }
}

fn verdict(text: &mut Text, run: &Run, ledger: &Ledger) {
    line!(text);
    if run.stopped_early {
        line!(
            text,
            "Stopped by a signal after {:.1} s of {} s.",
            run.due_for.as_secs_f64(),
            run.options.duration.as_secs_f64()
        );
    }
    match ledger.lost {
        0 => line!(text, "Nothing was lost."),
        1 => line!(text, "1 of {} requests was lost.", ledger.due),
        lost => line!(text, "{lost} of {} requests were lost.", ledger.due),
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
