//! What is said to the learner: lines of plain text, which a screen reader and a log read as well as a terminal.

use std::io::{self, IsTerminal, Write};

use crate::judge::finding::Finding;

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Prints, in colours where they are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    colours: bool,
}

impl Voice {
    /// Colours on a terminal, unless `NO_COLOR` is set and not empty (<https://no-color.org>).
    pub(crate) fn of_the_environment() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: io::stdout().is_terminal() && !refused }
    }

    #[expect(clippy::unused_self, reason = "all that is said is said by a voice")]
    pub(crate) fn say(self, text: &str) {
        // A reader that has gone away is no reason to stop in the middle of something.
        drop(writeln!(io::stdout(), "{text}"));
    }

    pub(crate) fn title(self, text: &str) {
        self.say(&self.painted(BOLD, text));
    }

    /// What holds, or what does not yet.
    pub(crate) fn finding(self, finding: &Finding) {
        let colour = if finding.found.is_none() { GREEN } else { YELLOW };
        self.say(&format!("  {}", self.painted(colour, &finding.to_string())));
    }

    fn painted(self, colour: &str, text: &str) -> String {
        if self.colours { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}
