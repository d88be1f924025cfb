//! Reads settings from environment variables, and describes them.
//!
//! A program reads each variable through [`Environment`], which notes its name, default and meaning while it does so.
//! `--help` runs the same code on an empty environment and prints what was noted, so that help and program cannot differ.
//! All bad values are collected, so that one start shows every mistake.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

/// The longest duration that a setting accepts: a day. Longer is more likely a wrong unit than a wish.
const LONGEST: Duration = Duration::from_secs(86_400);

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
    read: Vec<Variable>,
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
        self.take(variable, accepted, str::to_owned, parse)
    }

    /// As [`Environment::parse`], for a value that may hold a secret: a refusal does not repeat it.
    ///
    /// # Panics
    /// As [`Environment::parse`].
    pub fn parse_secret<T>(&mut self, variable: Variable, accepted: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        self.take(variable, accepted, |_| HIDDEN.to_owned(), parse)
    }

    fn take<T>(
        &mut self,
        variable: Variable,
        accepted: &str,
        shown: impl Fn(&str) -> String,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        self.read.push(variable);
        let given = (self.lookup)(variable.name).filter(|value| !value.is_empty());
        if let Some(given) = given {
            if let Some(value) = given.to_str().and_then(&parse) {
                return value;
            }
            self.refuse(variable.name, &shown(&given.to_string_lossy()), accepted);
        }
        parse(variable.default).unwrap_or_else(|| panic!("{} has a default that it refuses", variable.name))
    }

    /// Text of visible ASCII characters without `/`, `,` and `"`, which have a meaning where names are put together.
    pub fn name(&mut self, variable: Variable) -> String {
        let accepted = "1 to 253 visible ASCII characters other than '/', ',' and '\"'";
        self.parse(variable, accepted, |text| is_name(text).then(|| text.to_owned()))
    }

    /// As [`Environment::name`], where the variable may be unset.
    pub fn optional_name(&mut self, variable: Variable) -> Option<String> {
        let accepted = "nothing, or 1 to 253 visible ASCII characters other than '/', ',' and '\"'";
        self.parse(variable, accepted, |text| {
            if text.is_empty() { Some(None) } else { is_name(text).then(|| Some(text.to_owned())) }
        })
    }

    /// Any text, where the variable may be unset.
    pub fn optional_text(&mut self, name: &'static str, about: &'static str) -> Option<String> {
        self.parse(Variable { name, default: "", about }, "text", |text| {
            Some(if text.is_empty() { None } else { Some(text.to_owned()) })
        })
    }

    /// A whole number from `least` to `most`.
    pub fn number(&mut self, variable: Variable, least: u64, most: u64) -> u64 {
        let accepted = format!("a whole number from {least} to {most}");
        self.parse(variable, &accepted, |text| digits(text)?.parse().ok().filter(|n| (least..=most).contains(n)))
    }

    /// A number of seconds from `least` to a day, decimals allowed.
    pub fn seconds(&mut self, variable: Variable, least: Duration) -> Duration {
        let accepted =
            format!("a number of seconds from {} to {}, such as 2.5", least.as_secs_f64(), LONGEST.as_secs());
        self.parse(variable, &accepted, |text| decimal(text).filter(|seconds| (least..=LONGEST).contains(seconds)))
    }

    /// As [`Environment::seconds`] from 0 on, where the variable may be unset.
    pub fn optional_seconds(&mut self, name: &'static str, about: &'static str) -> Option<Duration> {
        let accepted = format!("nothing, or a number of seconds from 0 to {}, such as 2.5", LONGEST.as_secs());
        self.parse(Variable { name, default: "", about }, &accepted, |text| {
            if text.is_empty() { Some(None) } else { decimal(text).filter(|seconds| *seconds <= LONGEST).map(Some) }
        })
    }

    /// `true` or `false`; false where the variable is unset.
    pub fn switch(&mut self, name: &'static str, about: &'static str) -> bool {
        self.parse(Variable { name, default: "false", about }, "true or false", |text| text.parse().ok())
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
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
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

fn is_name(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b',' | b'"'))
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
