//! What is wrong with a document: every mistake with its place and its mend, so that all of them can be mended at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A part of a document that is being checked.
pub(crate) struct Section<'m> {
    name: String,
    mistakes: &'m mut Vec<String>,
}

impl<'m> Section<'m> {
    /// The part called `name`, whose mistakes are added to `mistakes`.
    pub(crate) fn new(name: String, mistakes: &'m mut Vec<String>) -> Self {
        Self { name, mistakes }
    }

    /// One more mistake, told with its mend.
    pub(crate) fn mistake(&mut self, text: impl Display) {
        self.add(&text);
    }

    /// Once for all kinds of text: there are many.
    fn add(&mut self, text: &dyn Display) {
        self.mistakes.push(format!("{}: {text}", self.name));
    }

    /// What `key` was given, if it is one of the `accepted`.
    pub(crate) fn within<T: PartialOrd + Display>(
        &mut self,
        key: &str,
        given: Option<T>,
        accepted: RangeInclusive<T>,
    ) -> Option<T> {
        let given = given?;
        if accepted.contains(&given) {
            return Some(given);
        }
        let (least, most) = (accepted.start(), accepted.end());
        self.add(&format_args!("{key} is {given}, and {least} to {most} is accepted"));
        None
    }

    /// As [`Section::within`], a time.
    pub(crate) fn seconds(&mut self, key: &str, given: Option<f64>, accepted: RangeInclusive<f64>) -> Option<Duration> {
        self.within(key, given, accepted).map(Duration::from_secs_f64)
    }

    /// A list called `key` may have so many entries at `most`.
    pub(crate) fn count(&mut self, key: &str, count: usize, most: usize) {
        if count > most {
            self.mistakes.push(format!("{}.{key}: {count} entries, and {most} are accepted", self.name));
        }
    }

    /// `value`, and where there is none a mistake.
    pub(crate) fn need<T, M: Display>(&mut self, value: Option<T>, mistake: impl FnOnce() -> M) -> Option<T> {
        if value.is_none() {
            self.mistake(mistake());
        }
        value
    }
}
