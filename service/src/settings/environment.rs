//! Reads settings from environment variables, and describes them.
//!
//! A program reads each variable through [`Environment`], which notes its name, default, bounds and meaning while it does so.
//! `--help` and `--settings` run the same code and print what was noted, so that they and the program cannot differ; the
//! chart's checks compare its own bounds with those of `--settings`. All bad values are collected, so that one start shows
//! every mistake.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use contract::served_by;
use serde::Serialize;

/// The longest duration that a setting accepts: a day. Longer is more likely a wrong unit than a wish.
pub const LONGEST: Duration = Duration::from_secs(86_400);

/// The longest value that an error message repeats, in characters.
const LONGEST_SHOWN: usize = 80;

/// Stands for a value that must not be repeated.
pub const HIDDEN: &str = "(hidden)";

/// A variable as it is declared where it is read.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Name in the environment.
    pub name: &'static str,
    /// Value where the variable is unset or empty; goes through the same parser as a given value.
    pub default: &'static str,
    /// What it sets, with the unit; one line of `--help`.
    pub about: &'static str,
}

impl Variable {
    /// The variable `name`.
    pub const fn new(name: &'static str, default: &'static str, about: &'static str) -> Self {
        Self { name, default, about }
    }
}

/// A variable as it was read: with what it takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Name in the environment.
    pub name: &'static str,
    /// What a number of it counts, as the end of the name says; none for what is counted one by one, and for text.
    pub unit: Option<&'static str>,
    /// Value where the variable is unset or empty.
    pub default: &'static str,
    /// What it takes, in a form to compute with.
    #[serde(flatten)]
    pub values: Values,
    /// What it takes, in words.
    pub accepted: String,
    /// What it sets.
    pub about: &'static str,
}

/// What a setting takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Values {
    /// Whole numbers.
    Numbers {
        /// The least of them.
        least: u64,
        /// The greatest.
        most: u64,
    },
    /// Numbers with decimals.
    Decimals {
        /// The least of them.
        least: f64,
        /// The greatest.
        most: f64,
    },
    /// Words.
    Words {
        /// All of them.
        words: Vec<&'static str>,
    },
    /// Text of a form of its own.
    Text {},
}

/// What the names of settings end with, and the unit that it says. The longer endings first.
const UNITS: [(&str, &str); 7] = [
    ("_BYTES_PER_SECOND", "bytes per second"),
    ("_MIB_PER_SECOND", "MiB per second"),
    ("_SECONDS", "seconds"),
    ("_MS", "milliseconds"),
    ("_BYTES", "bytes"),
    ("_MIB", "MiB"),
    ("_PERCENT", "percent"),
];

/// `name` without the unit at its end.
pub(crate) fn stem(name: &str) -> &str {
    split_unit(name).0
}

fn split_unit(name: &str) -> (&str, Option<&'static str>) {
    let known = UNITS.iter().find_map(|(end, unit)| Some((name.strip_suffix(end)?, Some(*unit))));
    known.unwrap_or((name, None))
}

/// A value that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Name of the variable.
    pub name: &'static str,
    /// The value found, cut to a length fit for a message.
    pub value: String,
    /// What would have been accepted.
    pub accepted: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?} is not accepted: set it to {}", self.name, self.value, self.accepted)
    }
}

/// A source of variables, what was read from it, and what was wrong.
pub struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
    read: Vec<Setting>,
    invalid: Vec<Invalid>,
}

impl<'a> Environment<'a> {
    /// Reads through `lookup`; a program passes `std::env::var_os`, a test its own table.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { lookup, read: Vec::new(), invalid: Vec::new() }
    }

    /// The value of `variable` as `parse` understands it. A refused value is noted and the default stands in for it, so
    /// that the remaining variables are still checked.
    ///
    /// # Panics
    /// Where `parse` refuses the declared default, which is a mistake in the program.
    pub fn parse<T>(&mut self, variable: Variable, accepted: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        self.take(variable, Values::Text {}, accepted, str::to_owned, parse)
    }

    /// As [`Environment::parse`], for a value that may hold a secret: a refusal does not repeat it.
    ///
    /// # Panics
    /// As [`Environment::parse`].
    pub fn parse_secret<T>(&mut self, variable: Variable, accepted: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        self.take(variable, Values::Text {}, accepted, |_| HIDDEN.to_owned(), parse)
    }

    fn take<T>(
        &mut self,
        variable: Variable,
        values: Values,
        accepted: &str,
        shown: impl Fn(&str) -> String,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Variable { name, default, about } = variable;
        self.read.push(Setting {
            name,
            unit: split_unit(name).1,
            default,
            values,
            accepted: accepted.to_owned(),
            about,
        });
        let given = (self.lookup)(name).filter(|value| !value.is_empty());
        if let Some(given) = given {
            if let Some(value) = given.to_str().and_then(&parse) {
                return value;
            }
            self.refuse(name, &shown(&given.to_string_lossy()), accepted);
        }
        parse(default).unwrap_or_else(|| panic!("{name} has a default that it refuses"))
    }

    /// A name as it can stand in `x-served-by`.
    pub fn name(&mut self, variable: Variable) -> String {
        self.parse(variable, served_by::PART, |text| served_by::is_part(text).then(|| text.to_owned()))
    }

    /// As [`Environment::name`], where the variable may be unset.
    pub fn optional_name(&mut self, name: &'static str, about: &'static str) -> Option<String> {
        self.parse(Variable::new(name, "", about), &format!("nothing, or {}", served_by::PART), |text| {
            if text.is_empty() { Some(None) } else { served_by::is_part(text).then(|| Some(text.to_owned())) }
        })
    }

    /// Any text, where the variable may be unset.
    pub fn optional_text(&mut self, name: &'static str, about: &'static str) -> Option<String> {
        self.parse(Variable::new(name, "", about), "text", |text| {
            Some(if text.is_empty() { None } else { Some(text.to_owned()) })
        })
    }

    /// A whole number from `least` to `most`.
    pub fn number(&mut self, variable: Variable, least: u64, most: u64) -> u64 {
        let accepted = format!("a whole number from {least} to {most}");
        self.take(variable, Values::Numbers { least, most }, &accepted, str::to_owned, |text| {
            digits(text)?.parse().ok().filter(|n| (least..=most).contains(n))
        })
    }

    /// A whole number of milliseconds from `least` to `most`.
    pub fn milliseconds(&mut self, variable: Variable, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.number(variable, least, most))
    }

    /// A number of seconds from `least` to a day, decimals allowed.
    pub fn seconds(&mut self, variable: Variable, least: Duration) -> Duration {
        let (values, accepted) = seconds_from(least);
        self.take(variable, values, &accepted, str::to_owned, |text| {
            decimal(text).filter(|seconds| (least..=LONGEST).contains(seconds))
        })
    }

    /// As [`Environment::seconds`] from 0 on, where 0 is never.
    pub fn seconds_or_never(&mut self, variable: Variable) -> Option<Duration> {
        Some(self.seconds(variable, Duration::ZERO)).filter(|seconds| !seconds.is_zero())
    }

    /// As [`Environment::seconds`] from 0 on, where the variable may be unset.
    pub fn optional_seconds(&mut self, name: &'static str, about: &'static str) -> Option<Duration> {
        let (values, accepted) = seconds_from(Duration::ZERO);
        let variable = Variable::new(name, "", about);
        self.take(variable, values, &format!("nothing, or {accepted}"), str::to_owned, |text| {
            if text.is_empty() { Some(None) } else { decimal(text).filter(|seconds| *seconds <= LONGEST).map(Some) }
        })
    }

    /// `true` or `false`; false where the variable is unset.
    pub fn switch(&mut self, name: &'static str, about: &'static str) -> bool {
        self.word(Variable::new(name, "false", about), &[("true", true), ("false", false)])
    }

    /// One of `words`, each with what it stands for.
    ///
    /// # Panics
    /// Where the declared default is none of them, which is a mistake in the program.
    pub fn word<T: Clone>(&mut self, variable: Variable, words: &[(&'static str, T)]) -> T {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let accepted = listed(&names, "or");
        self.take(variable, Values::Words { words: names }, &accepted, str::to_owned, |text| {
            words.iter().find_map(|(word, value)| (*word == text).then(|| value.clone()))
        })
    }

    /// Notes that `value` of the variable `name` is refused, for what only two settings together show.
    pub fn refuse(&mut self, name: &'static str, value: &str, accepted: &str) {
        self.invalid.push(Invalid {
            name,
            value: value.chars().take(LONGEST_SHOWN).collect(),
            accepted: accepted.to_owned(),
        });
    }

    /// What was read so far, in order.
    pub fn settings(&self) -> &[Setting] {
        &self.read
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every value that was refused, in the order of reading.
    pub fn finish(self) -> Result<(), Vec<Invalid>> {
        if self.invalid.is_empty() { Ok(()) } else { Err(self.invalid) }
    }
}

/// The names, with commas between them and `last` before the last one.
pub(crate) fn listed(names: &[&str], last: &str) -> String {
    match names {
        [others @ .., name] if !others.is_empty() => format!("{} {last} {name}", others.join(", ")),
        names => names.concat(),
    }
}

fn seconds_from(least: Duration) -> (Values, String) {
    let (least, most) = (least.as_secs_f64(), LONGEST.as_secs_f64());
    let accepted = format!("a number of seconds from {least} to {most}, such as 2.5");
    (Values::Decimals { least, most }, accepted)
}

/// `text` where it consists of digits only: `str::parse` would also take a sign.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

/// A plain decimal number such as `2` or `0.25`; `f64` alone would also take `inf`, `1e9` and a sign.
fn decimal(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole)?;
    digits(fraction)?;
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Variable = Variable { name: "WAIT", default: "3", about: "how long" };

    fn read<T>(value: &str, read: impl Fn(&mut Environment) -> T) -> Result<T, String> {
        let lookup = |_: &str| Some(OsString::from(value));
        let mut environment = Environment::new(&lookup);
        let value = read(&mut environment);
        environment.finish().map(|()| value).map_err(|invalid| invalid[0].to_string())
    }

    #[test]
    fn seconds_are_plain_decimals_within_bounds() {
        let seconds = |text: &str| read(text, |e| e.seconds(WAIT, Duration::from_millis(100)));
        for (text, millis) in [("0.5", 500), ("3", 3000), ("", 3000), ("86400", 86_400_000)] {
            assert_eq!(seconds(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["0", "-1", "+1", "1e3", "inf", "nan", "86400.1", "1.", ".5", "5s", " 1"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_refused_secret_is_not_repeated() {
        let error =
            read("hunter2", |e| e.parse_secret(WAIT, "another", |text| (text == "3").then_some(()))).unwrap_err();
        assert_eq!(error, "WAIT=\"(hidden)\" is not accepted: set it to another");
    }

    #[test]
    fn a_refusal_names_the_variable_the_value_and_what_is_accepted() {
        let error = read("4x", |e| e.number(WAIT, 1, 9)).unwrap_err();
        assert_eq!(error, "WAIT=\"4x\" is not accepted: set it to a whole number from 1 to 9");
    }

    #[test]
    fn names_keep_to_visible_characters() {
        let name = |text: &str| read(text, |e| e.name(WAIT));
        assert_eq!(name("backend-7d9f.x"), Ok("backend-7d9f.x".into()));
        for text in ["a b", "a/b", "a,b", "a\nb", "\u{e9}"] {
            assert!(name(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_mistake_is_reported_and_a_long_value_is_cut() {
        let long = "x".repeat(10_000);
        let lookup = |_: &str| Some(OsString::from(&long));
        let mut environment = Environment::new(&lookup);
        environment.number(WAIT, 0, 9);
        environment.seconds(WAIT, Duration::ZERO);
        let invalid = environment.finish().unwrap_err();
        assert_eq!(invalid.len(), 2);
        assert_eq!(invalid[0].value.len(), LONGEST_SHOWN);
    }
}
