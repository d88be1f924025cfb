//! The table of the proof: a line for each load of each row, and what became of the row.

use std::fmt::Write as _;

use e2e::Ledger;

use crate::identity::Identity;
use crate::release::Event;
use crate::rows::Row;
use crate::stream::Stream;

/// What became of a row.
pub(crate) struct Outcome {
    pub(crate) row: Row,
    pub(crate) ledgers: Vec<(Stream, Ledger)>,
    /// What the backends' logs say, for each ledger.
    pub(crate) identities: Vec<Identity>,
    pub(crate) events: Vec<Event>,
    /// Why it could not be done, or what else was not as it must be.
    pub(crate) failure: Option<String>,
}

impl Outcome {
    /// Of a row that could not be done.
    pub(crate) fn undone(row: Row, failure: String) -> Self {
        Self { row, ledgers: Vec::new(), identities: Vec::new(), events: Vec::new(), failure: Some(failure) }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.ledgers.iter().map(|(_, ledger)| ledger.requests.sent).sum()
    }

    /// Requests lost, whether they may be or not.
    pub(crate) fn lost(&self) -> u64 {
        self.ledgers.iter().map(|(_, ledger)| ledger.requests.lost).sum()
    }

    /// Requests lost where none may be.
    pub(crate) fn forbidden_losses(&self) -> u64 {
        self.ledgers
            .iter()
            .filter(|(stream, _)| self.row.demand.covers(*stream))
            .map(|(_, ledger)| ledger.requests.lost)
            .sum()
    }

    pub(crate) fn holds(&self) -> bool {
        self.failure.is_none() && self.forbidden_losses() == 0
    }
}

const HEADINGS: [&str; 9] = ["row", "path", "load", "sent", "lost", "twice", "p90 ms", "gap s", "versions seen"];
/// Which columns hold figures.
const FIGURES: [bool; 9] = [false, false, false, true, true, true, true, true, false];

/// The table as text for a terminal.
pub(crate) fn text(outcomes: &[Outcome]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(outcomes.iter().flat_map(cells));
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut table = String::new();
    for line in lines {
        let mut padded = String::new();
        for ((cell, width), is_figure) in line.iter().zip(&widths).zip(FIGURES) {
            let _ = if is_figure { write!(padded, "{cell:>width$}  ") } else { write!(padded, "{cell:<width$}  ") };
        }
        table += padded.trim_end();
        table.push('\n');
    }
    table + &remarks(outcomes)
}

/// The table as Markdown.
pub(crate) fn markdown(outcomes: &[Outcome]) -> String {
    let mut table = format!("| {} |\n|", HEADINGS.join(" | "));
    for is_figure in FIGURES {
        table += if is_figure { "---:|" } else { "---|" };
    }
    table.push('\n');
    for line in outcomes.iter().flat_map(cells) {
        let _ = writeln!(table, "| {} |", line.join(" | "));
    }
    format!("{table}\n{}", remarks(outcomes))
}

fn cells(outcome: &Outcome) -> Vec<[String; 9]> {
    outcome
        .ledgers
        .iter()
        .enumerate()
        .map(|(index, (stream, ledger))| {
            let lost = match ledger.losses_by_kind() {
                kinds if kinds.is_empty() => "0".to_owned(),
                kinds => format!("{} ({kinds})", ledger.requests.lost),
            };
            // None where the logs could not be read, which is the row's failure.
            let twice = outcome.identities.get(index).map(|identity| identity.repeated.len().to_string());
            [
                outcome.row.name.to_owned(),
                stream.entry.name().to_owned(),
                stream.kind_name().to_owned(),
                ledger.requests.sent.to_string(),
                lost,
                twice.unwrap_or_else(|| "-".to_owned()),
                ledger.latency_ms.as_ref().map_or_else(|| "-".to_owned(), |latency| format!("{:.0}", latency.p90)),
                format!("{:.2}", ledger.longest_gap.seconds),
                ledger.versions(),
            ]
        })
        .collect()
}

/// What the lines amount to: a sentence for each row that does not hold, the sums, and the client's own lateness.
fn remarks(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        if let Some(failure) = &outcome.failure {
            let _ = writeln!(text, "{}: {failure}", outcome.row.name);
        }
        if outcome.forbidden_losses() > 0 {
            let _ = writeln!(
                text,
                "{}: {} lost where none may be ({})",
                outcome.row.name,
                outcome.forbidden_losses(),
                outcome.row.what
            );
        }
    }
    let ledgers = || outcomes.iter().flat_map(|outcome| &outcome.ledgers);
    let sent: u64 = outcomes.iter().map(Outcome::sent).sum();
    let lost: u64 = outcomes.iter().map(Outcome::lost).sum();
    let forbidden: u64 = outcomes.iter().map(Outcome::forbidden_losses).sum();
    let lag = ledgers().map(|(_, ledger)| ledger.client_lag_ms.p99).fold(0.0, f64::max);
    let identities = || outcomes.iter().flat_map(|outcome| &outcome.identities);
    let repeated: usize = identities().map(|identity| identity.repeated.len()).sum();
    let missing: usize = identities().map(|identity| identity.missing.len()).sum();
    let done_but_lost: u64 = identities().map(|identity| identity.done_but_lost).sum();
    let _ = writeln!(
        text,
        "{sent} requests sent; {forbidden} lost where none may be, {} where losses are only counted.\n\
         By the backends' logs {repeated} were done more than once; {missing} answers are in no log, and {done_but_lost} of the \
         lost requests were done.\n\
         Client lag: {lag:.0} ms at most (p99 of a load).",
        lost - forbidden
    );
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use contract::ledger::{
        AnswerSeries, Gap, Lag, Latency, Loss, Lost, LostSeries, Requests, Service, Timeline, Version,
    };

    use super::*;
    use crate::args::Mode;
    use crate::rows::ROWS;
    use crate::stream::{Part, streams};

    /// A ledger of 40 answers by one backend of each version, and of `lost` requests in the third second.
    pub(crate) fn sample(lost: u64) -> Ledger {
        let answers = |version: &str, first_bin: u64| AnswerSeries {
            service: "backend".to_owned(),
            version: version.to_owned(),
            pod: format!("backend-{version}"),
            first_bin,
            counts: vec![10, 10],
        };
        let service = |name: &str, versions: &[&str]| Service {
            service: name.to_owned(),
            versions: versions
                .iter()
                .map(|version| Version { version: (*version).to_owned(), ..Version::default() })
                .collect(),
        };
        let kind = || "closed".to_owned();
        let entry = |number| Loss { request_id: format!("a1-{number}"), kind: kind(), ..Loss::default() };
        let timeline = Timeline {
            bin_ms: 1000,
            answers: vec![answers("v1", 0), answers("v2", 2)],
            lost: vec![LostSeries { kind: kind(), first_bin: 2, counts: vec![lost] }],
        };
        let mut ledger = contract::ledger::Ledger {
            run: "a1".to_owned(),
            started_unix_ms: 1_000_000,
            requests: Requests { due: 40 + lost, sent: 40 + lost, answered: 40, lost, ..Requests::default() },
            lost: vec![Lost { kind: kind(), requests: lost, ..Lost::default() }],
            losses: (40..40 + lost).map(entry).collect(),
            services: vec![service("backend", &["v2", "v1"]), service("frontend", &["v1"])],
            latency_ms: Some(Latency { p90: 12.34, ..Latency::default() }),
            longest_gap: Gap { seconds: 0.25, ..Gap::default() },
            client_lag_ms: Lag { p99: 1.0, ..Lag::default() },
            timeline,
            ..Default::default()
        };
        if lost == 0 {
            ledger.lost.clear();
            ledger.timeline.lost.clear();
        }
        Ledger::parse(&serde_json::to_string(&ledger).unwrap()).unwrap()
    }

    pub(crate) fn outcome(name: &str, lost: u64) -> Outcome {
        let row = *ROWS.iter().find(|row| row.name == name).unwrap();
        // A kept load by way of the node ports, and one by the ingress.
        let [nodeport, _, _, ingress, ..] = streams(Mode::Full, Part::Whole);
        let twice = Identity { repeated: vec!["a1-3".to_owned()], ..Identity::default() };
        Outcome {
            row,
            ledgers: vec![(nodeport, sample(0)), (ingress, sample(lost))],
            identities: vec![Identity::default(), twice],
            events: Vec::new(),
            failure: None,
        }
    }

    #[test]
    fn a_loss_counts_where_none_may_be() {
        assert!(outcome("upgrade", 0).holds());
        assert!(!outcome("upgrade", 1).holds());
        assert!(outcome("ingress", 1).holds(), "the ingress's own share is counted apart");
        assert!(outcome("sigkill", 1).holds());
        assert!(!Outcome { failure: Some("not healed".to_owned()), ..outcome("sigkill", 0) }.holds());
    }

    #[test]
    fn the_table_has_a_line_for_each_load_and_says_what_was_lost_and_done_twice() {
        let outcomes = [outcome("upgrade", 2), outcome("ingress", 3)];
        let text = text(&outcomes);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("row      path      load"), "{text}");
        assert!(lines[2].contains("ingress") && lines[2].contains("2 (2 closed)"), "{text}");
        assert!(text.contains("upgrade: 2 lost where none may be"), "{text}");
        assert!(
            text.contains("165 requests sent; 2 lost where none may be, 3 where losses are only counted"),
            "{text}"
        );
        assert!(text.contains("2 were done more than once; 0 answers are in no log"), "{text}");

        let markdown = markdown(&outcomes);
        assert!(
            markdown.contains("| upgrade | nodeport | kept | 40 | 0 | 0 | 12 | 0.25 | backend v1 v2, frontend v1 |")
        );
        assert_eq!(markdown.lines().filter(|line| line.starts_with("| ")).count(), 5, "{markdown}");
    }
}
