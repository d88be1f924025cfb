//! Waiting for a condition, never for a time.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Error;

/// How long a condition of the cluster may take to come true.
const LIMIT: Duration = Duration::from_secs(90);
/// Between two questions. Most are a `kubectl`, of which several tests run one at a time: asked more often, they keep a small machine from
/// what they wait for.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks until there is an answer, 90 seconds at most.
#[track_caller]
pub fn eventually<T>(condition: &str, ask: impl FnMut() -> Result<T, String>) -> T {
    eventually_within(LIMIT, condition, ask)
}

/// Asks until there is an answer, or `limit` is over.
#[track_caller]
pub fn eventually_within<T>(limit: Duration, condition: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    try_eventually(limit, condition, || Ok(ask())).unwrap_or_else(|error| panic!("{error}"))
}

/// Asks until there is an answer, or `limit` is over. What could not be asked for ends it at once.
pub fn try_eventually<T>(
    limit: Duration,
    condition: &str,
    mut ask: impl FnMut() -> Result<Result<T, String>, Error>,
) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        let seen = match ask()? {
            Ok(answer) => return Ok(answer),
            Err(seen) => seen,
        };
        if start.elapsed() >= limit {
            return Err(Error::Failed(format!("not within {} s: {condition}\nlast seen: {seen}", limit.as_secs())));
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_stays_false_says_what_was_seen() {
        let never = || Ok(Err::<(), _>("2 of 3".to_owned()));
        let error = try_eventually(Duration::ZERO, "three pods", never).unwrap_err().to_string();
        assert!(error.contains("three pods") && error.contains("2 of 3"), "{error}");
    }

    #[test]
    fn an_interrupt_ends_the_waiting() {
        let interrupted = || Err::<Result<(), String>, _>(Error::Interrupted);
        assert_eq!(try_eventually(LIMIT, "three pods", interrupted), Err(Error::Interrupted));
    }
}
