//! What a job does: small work, bounded by what it may ask for.

use std::hint::black_box;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use service::process::burn;

/// The longest row of squares.
const MOST_SQUARES: u64 = 1_000_000;
/// The longest text whose words are counted, in characters.
const LONGEST_TEXT: usize = 2048;
/// The longest burn, in milliseconds.
const LONGEST_BURN: u64 = 60_000;

/// A kind of work and what it is done on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Kind {
    /// 1² + 2² + … + n².
    SumOfSquares { n: u64 },
    /// The words of a text: what white space parts.
    WordCount { text: String },
    /// CPU time on one thread.
    Burn { ms: u64 },
    /// Fails in the first `times` tries; in every try without it. What retries and dead letters are for.
    Fail {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
    },
}

/// What work comes to.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    Sum { sum: u64 },
    Words { words: usize },
    Burned { burned_ms: u64, iterations: u64 },
    Survived { failed: u32 },
}

impl Kind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::SumOfSquares { .. } => "sum-of-squares",
            Self::WordCount { .. } => "word-count",
            Self::Burn { .. } => "burn",
            Self::Fail { .. } => "fail",
        }
    }

    /// Checks that it asks for no more than it may.
    ///
    /// # Errors
    /// What it may ask for.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::SumOfSquares { n } if *n > MOST_SQUARES => Err(format!("n is at most {MOST_SQUARES}")),
            Self::WordCount { text } if text.chars().count() > LONGEST_TEXT => {
                Err(format!("text has at most {LONGEST_TEXT} characters"))
            }
            Self::Burn { ms } if !(1..=LONGEST_BURN).contains(ms) => Err(format!("ms is from 1 to {LONGEST_BURN}")),
            _ => Ok(()),
        }
    }

    /// Does the work of try number `tries`, off the threads that serve. Dropping the future ends a burn early; the rest is short.
    ///
    /// # Errors
    /// Why the try has failed.
    pub(crate) async fn work(self, tries: u32) -> Result<Outcome, String> {
        match self {
            Self::SumOfSquares { n } => aside(move || Outcome::Sum { sum: sum_of_squares(n) }).await,
            Self::WordCount { text } => aside(move || Outcome::Words { words: text.split_whitespace().count() }).await,
            Self::Burn { ms } => {
                let burned = burn::run(Duration::from_millis(ms), ()).await.map_err(|error| error.to_string())?;
                Ok(Outcome::Burned { burned_ms: burned.took.as_millis() as u64, iterations: burned.iterations })
            }
            Self::Fail { times: Some(times) } if tries > times => Ok(Outcome::Survived { failed: times }),
            Self::Fail { .. } => Err(format!("it fails on purpose, in try {tries}")),
        }
    }
}

async fn aside(work: impl FnOnce() -> Outcome + Send + 'static) -> Result<Outcome, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}

/// Step by step, as work is; at most 3.4e17.
fn sum_of_squares(n: u64) -> u64 {
    (1..=n).map(|i| black_box(i) * i).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Kind, String> {
        let kind: Kind = serde_json::from_str(text).map_err(|error| error.to_string())?;
        kind.check().map(|()| kind)
    }

    #[test]
    fn kinds_are_parsed_strictly_and_within_bounds() {
        assert_eq!(parse(r#"{"kind":"fail"}"#), Ok(Kind::Fail { times: None }));
        assert_eq!(parse(r#"{"kind":"burn","ms":60000}"#), Ok(Kind::Burn { ms: 60_000 }));
        let long = format!(r#"{{"kind":"word-count","text":"{}"}}"#, "x".repeat(LONGEST_TEXT + 1));
        for (text, why) in [
            ("{}", "missing field `kind`"),
            (r#"{"kind":"sleep"}"#, "unknown variant"),
            (r#"{"kind":"burn"}"#, "missing field `ms`"),
            (r#"{"kind":"burn","ms":0}"#, "from 1 to 60000"),
            (r#"{"kind":"burn","ms":1,"s":1}"#, "unknown field"),
            (r#"{"kind":"burn","ms":-1}"#, "expected u64"),
            (r#"{"kind":"sum-of-squares","n":1000001}"#, "at most 1000000"),
            (&long, "at most 2048 characters"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn work_comes_to_what_it_should() {
        let n = MOST_SQUARES;
        assert_eq!(Kind::SumOfSquares { n: 3 }.work(1).await, Ok(Outcome::Sum { sum: 14 }));
        let sum = n * (n + 1) * (2 * n + 1) / 6;
        assert_eq!(Kind::SumOfSquares { n }.work(1).await, Ok(Outcome::Sum { sum }));
        assert_eq!(Kind::WordCount { text: " a b\n\tc ".into() }.work(1).await, Ok(Outcome::Words { words: 3 }));
        assert!(matches!(Kind::Burn { ms: 5 }.work(1).await, Ok(Outcome::Burned { burned_ms: 5.., .. })));
        assert!(Kind::Fail { times: Some(2) }.work(2).await.is_err());
        assert_eq!(Kind::Fail { times: Some(2) }.work(3).await, Ok(Outcome::Survived { failed: 2 }));
        assert!(Kind::Fail { times: None }.work(u32::MAX).await.is_err());
    }
}
