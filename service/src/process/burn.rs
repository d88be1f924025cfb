//! Burns CPU time on a thread of its own.
//!
//! A burn must not delay the probes: a pod that fails its liveness probe under load is restarted under load. So it never
//! runs on a thread that serves connections, and it yields after every half millisecond: where all threads share less than a core,
//! the kernel then runs a thread that has a request to answer before it returns to the burn. Lowering the burn's priority
//! would do the same, but takes a system call that safe Rust has no wrapper for. What remains is the throttling of the
//! CPU limit itself: once the threads of a pod have used up their quota (25 ms of every 100 ms at 250m), none of them runs
//! until the next period, whatever its priority.

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How long a burn computes before it lets others run and looks at the clock.
const SLICE: Duration = Duration::from_micros(500);
/// Iterations between two looks at the clock: some 10 to 50 microseconds.
const CHUNK: u64 = 20_000;

/// What a burn did.
#[derive(Debug, Clone, Copy)]
pub struct Burned {
    /// Time from start to end on the wall clock.
    pub took: Duration,
    /// Steps of the computation: how much CPU the burn got in that time.
    pub iterations: u64,
}

/// What a burn's thread has for its stack: its few variables, and what a panic needs to be reported.
const STACK_BYTES: usize = 128 * 1024;

/// Burns for `length`, and keeps `held` until the thread has ended. Dropping the future, as happens when the client goes
/// away, ends the burn within a slice.
///
/// The thread is none of the runtime's for blocking calls. Those look up names, and 64 burns would take all of them.
///
/// # Errors
/// Where the system has no thread to give.
pub async fn run(length: Duration, held: impl Send + 'static) -> io::Result<Burned> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let _cancel = CancelOnDrop(Arc::clone(&cancelled));
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().name("burn".to_owned()).stack_size(STACK_BYTES).spawn(move || {
        let burned = burn(length, &cancelled);
        drop(held);
        // Who asked may have gone.
        let _ = sender.send(burned);
    })?;
    receiver.await.map_err(io::Error::other)
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn burn(length: Duration, cancelled: &AtomicBool) -> Burned {
    let started = Instant::now();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut iterations = 0;
    while started.elapsed() < length && !cancelled.load(Ordering::Relaxed) {
        let slice = Instant::now();
        while slice.elapsed() < SLICE {
            state = black_box(xorshift(state, CHUNK));
            iterations += CHUNK;
        }
        thread::yield_now();
    }
    Burned { took: started.elapsed(), iterations }
}

/// Work that the compiler cannot shorten: each step needs the one before (Marsaglia's xorshift).
fn xorshift(mut state: u64, steps: u64) -> u64 {
    for _ in 0..steps {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burns_for_the_length_and_counts() {
        let burned = burn(Duration::from_millis(20), &AtomicBool::new(false));
        assert!(burned.took >= Duration::from_millis(20));
        assert!(burned.iterations >= CHUNK);
    }

    #[test]
    fn a_cancelled_burn_ends_at_once() {
        let burned = burn(Duration::from_secs(3600), &AtomicBool::new(true));
        assert_eq!(burned.iterations, 0);
    }
}
