//! A log line for what can happen with every request: the first is written at once, those after it are counted, and written as
//! one line every ten seconds. So nothing is silent, and a flood of refusals is no flood of lines.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

/// The least time between two lines.
const EVERY: Duration = Duration::from_secs(10);

/// One kind of line.
#[derive(Debug, Clone, Default)]
pub struct Notice(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// A line was written in the last ten seconds.
    written: bool,
    /// What has happened since.
    since: u64,
}

impl Notice {
    /// It has happened once more. `write` gets the number of times that its line stands for.
    pub fn happens(&self, write: impl Fn(u64) + Send + 'static) {
        {
            let mut state = self.lock();
            if state.written {
                state.since += 1;
                return;
            }
            state.written = true;
        }
        write(1);
        let this = self.clone();
        // Ends after ten seconds in which nothing has happened.
        tokio::spawn(async move {
            while let Some(times) = this.next().await {
                write(times);
            }
        });
    }

    /// What has happened in the next ten seconds, if anything has.
    async fn next(&self) -> Option<u64> {
        sleep(EVERY).await;
        let mut state = self.lock();
        state.written = state.since > 0;
        Some(std::mem::take(&mut state.since)).filter(|times| *times > 0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_at_once_and_the_others_as_one_line_every_ten_seconds() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let notice = Notice::default();
        let happens = |times: u64| {
            for _ in 0..times {
                let lines = Arc::clone(&lines);
                notice.happens(move |times| lines.lock().unwrap().push(times));
            }
        };
        let written = || std::mem::take(&mut *lines.lock().unwrap());
        happens(1000);
        assert_eq!(written(), [1]);
        sleep(EVERY * 2 + Duration::from_millis(1)).await;
        assert_eq!(written(), [999]);
        happens(1);
        assert_eq!(written(), [1], "after a pause it is new");
        sleep(EVERY / 2).await;
        happens(5);
        sleep(EVERY).await;
        happens(7);
        assert_eq!(written(), [5]);
        sleep(EVERY).await;
        assert_eq!(written(), [7]);
    }
}
