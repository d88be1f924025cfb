//! One option of a command: `--help` prints its row, and the parser takes what the row says.

use std::{path::PathBuf, time::Duration};

use lexopt::{Parser, ValueExt};

use super::{
    given::Given,
    quantity::{self, MAX_RATE, MIN_RATE, written},
};
use crate::plan::schedule::Rate;

/// An option as it is declared.
pub(super) struct Row {
    /// One letter, if it has one.
    pub(super) short: Option<char>,
    /// The name behind two dashes.
    pub(super) long: &'static str,
    /// What its value is called; empty for one that has none.
    pub(super) value: &'static str,
    /// What holds where it is not given.
    pub(super) default: Default,
    /// What it does.
    pub(super) about: &'static str,
    /// What it takes.
    pub(super) take: Take,
}

/// What holds where an option is not given.
pub(super) enum Default {
    /// Nothing that is worth a word.
    None,
    /// This value, taken as if it were given.
    Value(&'static str),
    /// What these words say.
    Words(&'static str),
}

/// What an option takes, and where it goes.
pub(super) enum Take {
    /// No value.
    Switch(fn(&mut Given)),
    /// A time from the first to the second.
    Time(Duration, Duration, fn(&mut Given, Duration)),
    /// A whole number from 1 to this one.
    Count(usize, fn(&mut Given, usize)),
    /// Requests a second.
    Rate(fn(&mut Given, Rate)),
    /// A text; the function says what is accepted.
    Text(fn(&mut Given, &str) -> Result<(), String>),
    /// A path, which need not be UTF-8.
    Path(fn(&mut Given, PathBuf)),
}

impl Row {
    /// What most rows have: no letter, no default.
    pub(super) const ROW: Self =
        Self { short: None, long: "", value: "", default: Default::None, about: "", take: Take::Switch(|_| {}) };

    /// Puts what holds without the option into `given`.
    ///
    /// # Errors
    /// A default that the row does not accept, which is a mistake in its table.
    pub(super) fn preset(&self, given: &mut Given) -> Result<(), String> {
        match self.default {
            Default::Value(text) => self.take_text(text, given),
            Default::None | Default::Words(_) => Ok(()),
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
        let text = value.string().map_err(|error| format!("--{}: {error}", self.long))?;
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
        taken.map_err(|why| format!("--{} {text:?}: {why}", self.long))
    }

    /// `-r, --rate N`, as it stands in the help.
    pub(super) fn synopsis(&self) -> String {
        let short = self.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
        let space = if self.value.is_empty() { "" } else { " " };
        format!("  {short}--{}{space}{}", self.long, self.value)
    }

    /// What the help says of it: what it does, its default and its bounds.
    pub(super) fn description(&self) -> String {
        let default = match self.default {
            Default::None => None,
            Default::Value(text) | Default::Words(text) => Some(format!("default: {text}")),
        };
        let bounds = match self.take {
            Take::Time(least, most, _) => Some(format!("{} to {}", written(least), written(most))),
            Take::Count(most, _) => Some(format!("1 to {most}")),
            Take::Rate(_) => Some(format!("{MIN_RATE} to {MAX_RATE}")),
            Take::Switch(_) | Take::Text(_) | Take::Path(_) => None,
        };
        match [default, bounds].into_iter().flatten().collect::<Vec<_>>() {
            limits if limits.is_empty() => self.about.to_owned(),
            limits => format!("{} [{}]", self.about, limits.join("; ")),
        }
    }
}
