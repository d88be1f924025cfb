//! Deadlines for what others do, which this process' own pauses are not held against.
//!
//! A process that was stopped (SIGSTOP, a starved machine, a CPU limit that is used up) finds its timers run out and its
//! sockets full of replies, and hears of the timers first. So: the time by which a timer was late is given back, and what has
//! arrived is read before anything is judged.

use std::{pin::pin, time::Duration};

use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

/// A timer that is late by no more than this is in time: it counts whole milliseconds, and has to wait for its turn.
const IN_TIME: Duration = Duration::from_millis(5);
/// Turns of the event loop in which a reply that is in the socket's buffer gets to who waits for it: from the socket to the
/// connection, its head from there, and its body.
const TURNS: u32 = 8;

/// What became of work that had a deadline.
pub(crate) struct Judged<T> {
    /// What it returned; none when it was not done in time.
    pub(crate) done: Option<T>,
    /// By how much this process was late to look.
    pub(crate) lag: Duration,
}

/// Waits for `work` until `deadline`, and as much longer as this process looked too late, `most` in all.
pub(crate) async fn within<T>(mut deadline: Instant, most: Duration, work: impl Future<Output = T>) -> Judged<T> {
    let mut work = pin!(work);
    let mut lag = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Judged { done: Some(done), lag },
            () = sleep_until(deadline) => {}
        }
        let now = Instant::now();
        let late = now.saturating_duration_since(deadline).min(most.saturating_sub(lag));
        if late <= IN_TIME {
            break;
        }
        lag += late;
        deadline = now + late;
    }
    tokio::select! {
        biased;
        done = &mut work => Judged { done: Some(done), lag },
        () = turns() => Judged { done: None, lag },
    }
}

/// Each yield comes back after the sockets have been looked at.
async fn turns() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use tokio::{io::AsyncReadExt, sync::oneshot, task::LocalSet};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A byte that comes over a connection, which a task of its own reads.
    fn byte_over_a_connection() -> (TcpStream, oneshot::Receiver<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut near = tokio::net::TcpStream::from_std(near).unwrap();
        let (sender, receiver) = oneshot::channel();
        tokio::task::spawn_local(async move {
            sender.send(near.read_u8().await.unwrap()).unwrap();
        });
        (far, receiver)
    }

    /// Both the deadline and the byte are there when the thread comes back to look.
    #[tokio::test]
    async fn what_arrived_while_the_process_was_stopped_is_in_time() {
        LocalSet::new()
            .run_until(async {
                for _ in 0..20 {
                    let (mut far, byte) = byte_over_a_connection();
                    yield_now().await;
                    let deadline = Instant::now() + 10 * MS;
                    let stopped = tokio::task::spawn_local(async move {
                        far.write_all(b"x").unwrap();
                        thread::sleep(40 * MS);
                    });
                    let judged = within(deadline, 1000 * MS, byte).await;
                    stopped.await.unwrap();
                    assert_eq!(judged.done, Some(Ok(b'x')));
                }
            })
            .await;
    }

    /// As above, and the thread is back before the timer counts as late.
    #[tokio::test]
    async fn what_has_arrived_is_read_before_it_is_judged() {
        LocalSet::new()
            .run_until(async {
                for _ in 0..20 {
                    let (mut far, byte) = byte_over_a_connection();
                    yield_now().await;
                    let deadline = Instant::now() + 10 * MS;
                    let busy = tokio::task::spawn_local(async move {
                        far.write_all(b"x").unwrap();
                        thread::sleep(deadline + 2 * MS - Instant::now());
                    });
                    let judged = within(deadline, Duration::ZERO, byte).await;
                    busy.await.unwrap();
                    assert_eq!(judged.done, Some(Ok(b'x')));
                    assert_eq!(judged.lag, Duration::ZERO);
                }
            })
            .await;
    }

    #[tokio::test]
    async fn lateness_is_given_back_once_and_told() {
        let start = Instant::now();
        let sleepy = async {
            thread::sleep(50 * MS);
            std::future::pending::<()>().await;
        };
        let judged = within(start + 10 * MS, 20 * MS, sleepy).await;
        assert!(judged.done.is_none());
        assert_eq!(judged.lag, 20 * MS, "no more than `most`");
        assert!(start.elapsed() >= 70 * MS, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_in_time_waits_no_longer() {
        let start = Instant::now();
        let judged = within(start + 100 * MS, 1000 * MS, std::future::pending::<()>()).await;
        assert!(judged.done.is_none() && judged.lag.is_zero());
        assert!(start.elapsed() <= 101 * MS);
    }
}
