//! One option of a command: `--help` prints its row, and the parser takes what the row says.

use std::{path::PathBuf, time::Duration};

use lexopt::{Parser, ValueExt};

use super::given::Given;
use super::quantity::{self, MAX_RATE, MIN_RATE, written};
use crate::plan::schedule::Rate;

/// An option as it is declared: see [`row`].
pub(super) struct Row {
    synopsis: &'static str,
    default: &'static str,
    about: &'static str,
    take: Take,
}

pub(super) enum Take {
    Switch(fn(&mut Given)),
    /// A time from the first to the second.
    Time(Duration, Duration, fn(&mut Given, Duration)),
    /// A whole number from 1 to this one.
    Count(usize, fn(&mut Given, usize)),
    Rate(fn(&mut Given, Rate)),
    /// A text; the function says what is accepted.
    Text(fn(&mut Given, &str) -> Result<(), String>),
    /// A path, which need not be UTF-8.
    Path(fn(&mut Given, PathBuf)),
}

/// An option: how it is written, what holds without it (empty where that is not worth a word), what it does and takes. A
/// default that begins with a digit is taken as if it were given; others are words.
pub(super) const fn row(synopsis: &'static str, default: &'static str, about: &'static str, take: Take) -> Row {
    Row { synopsis, default, about, take }
}

impl Row {
    /// The name behind two dashes.
    pub(super) fn long(&self) -> &'static str {
        let (_, name) = self.synopsis.split_once("--").unwrap_or_default();
        name.split(' ').next().unwrap_or_default()
    }

    /// Its one letter, if it has one.
    pub(super) fn short(&self) -> Option<char> {
        self.synopsis.split_once(", ")?.0.strip_prefix('-')?.chars().next()
    }

    /// Puts what holds without the option into `given`.
    ///
    /// # Errors
    /// A default that the row does not accept, which is a mistake in its table.
    pub(super) fn preset(&self, given: &mut Given) -> Result<(), String> {
        if self.default.starts_with(|c: char| c.is_ascii_digit()) {
            self.take_text(self.default, given)
        } else {
            Ok(())
        }
    }

    /// Takes the option's value off the command line.
    ///
    /// # Errors
    /// One sentence that names the option, its value and what is accepted.
    pub(super) fn take(&self, parser: &mut Parser, given: &mut Given) -> Result<(), String> {
        if let Take::Switch(set) = self.take {
            set(given);
            return Ok(());
        }
        let value = parser.value().map_err(|error| error.to_string())?;
        if let Take::Path(set) = self.take {
            set(given, value.into());
            return Ok(());
        }
        let text = value.string().map_err(|error| format!("--{}: {error}", self.long()))?;
        self.take_text(&text, given)
    }

    fn take_text(&self, text: &str, given: &mut Given) -> Result<(), String> {
        let taken = match self.take {
            Take::Time(least, most, set) => quantity::duration(text, least, most).map(|time| set(given, time)),
            Take::Count(most, set) => quantity::count(text, most).map(|count| set(given, count)),
            Take::Rate(set) => quantity::rate(text).map(|rate| set(given, rate)),
            Take::Text(set) => set(given, text),
            Take::Switch(_) | Take::Path(_) => Ok(()),
        };
        taken.map_err(|why| format!("--{} {text:?}: {why}", self.long()))
    }

    /// `  -r, --rate N`, as it stands in the help: names below each other.
    pub(super) fn entry(&self) -> String {
        let letter = if self.short().is_some() { "" } else { "    " };
        format!("  {letter}{}", self.synopsis)
    }

    /// What the help says of it: what it does, its default and its bounds.
    pub(super) fn description(&self) -> String {
        let default = (!self.default.is_empty()).then(|| format!("default: {}", self.default));
        let bounds = match self.take {
            Take::Time(least, most, _) => Some(format!("{} to {}", written(least), written(most))),
            Take::Count(most, _) => Some(format!("1 to {most}")),
            Take::Rate(_) => Some(format!("{MIN_RATE} to {MAX_RATE}")),
            Take::Switch(_) | Take::Text(_) | Take::Path(_) => None,
        };
        let limits: Vec<_> = [default, bounds].into_iter().flatten().collect();
        if limits.is_empty() { self.about.to_owned() } else { format!("{} [{}]", self.about, limits.join("; ")) }
    }
}
