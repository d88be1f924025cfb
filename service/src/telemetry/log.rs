//! Log lines on standard output: JSON for machines, a shorter form for a terminal.
//!
//! Lifecycle events are `info`. The line of a request is `debug`: under a CPU limit of a quarter core, formatting and
//! writing a line costs as much again as answering the request, and the counts are in the metrics anyway. Replies of the
//! 5xx class are `warn`, so that no failure is silent; those with 503, which come in floods because they are cheap, are counted in
//! one line every ten seconds ([`crate::telemetry::notice`]).

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::environment::{Environment, Variable};

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Human,
}

impl Format {
    pub(crate) fn read(environment: &mut Environment) -> Self {
        let auto = if std::io::stdout().is_terminal() { Self::Human } else { Self::Json };
        let about = "json or human; auto is human on a terminal, else json";
        environment.word(
            Variable::new("LOG_FORMAT", "auto", about),
            &[("json", Self::Json), ("human", Self::Human), ("auto", auto)],
        )
    }
}

pub(crate) fn level(environment: &mut Environment) -> LevelFilter {
    let about = "error, warn, info, debug (adds a line for every request) or trace";
    environment.word(
        Variable::new("LOG_LEVEL", "info", about),
        &[
            ("error", LevelFilter::ERROR),
            ("warn", LevelFilter::WARN),
            ("info", LevelFilter::INFO),
            ("debug", LevelFilter::DEBUG),
            ("trace", LevelFilter::TRACE),
        ],
    )
}

/// Starts logging for the process. Libraries stay at `warn`: their debug lines are about themselves, not about requests.
/// A second call changes nothing.
pub(crate) fn start(format: Format, level: LevelFilter) {
    let ours = ["service", "backend", "frontend", "systems", "observer"].map(|target| (target, level));
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ours);
    let registry = tracing_subscriber::registry().with(targets);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stdout);
    let started = match format {
        Format::Json => {
            registry.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
        }
        Format::Human => registry.with(lines.compact().with_target(false)).try_init(),
    };
    // The only error is that a subscriber is set already, as by another server in the same test process.
    drop(started);
}
