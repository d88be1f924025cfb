//! Waiting for a condition, never for a time.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a condition of the cluster may take to come true.
const LIMIT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(250);

/// Asks until there is an answer, 90 seconds at most.
///
/// # Panics
/// If there is none by then; the message names the condition and the last thing seen.
#[track_caller]
pub fn eventually<T>(condition: &str, ask: impl FnMut() -> Result<T, String>) -> T {
    eventually_within(LIMIT, condition, ask)
}

/// Asks until there is an answer, or `limit` is over.
///
/// # Panics
/// If there is none by then; the message names the condition and the last thing seen.
#[track_caller]
pub fn eventually_within<T>(limit: Duration, condition: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(seen) => {
                assert!(start.elapsed() < limit, "not within {} s: {condition}\nlast seen: {seen}", limit.as_secs());
            }
        }
        sleep(PAUSE);
    }
}
