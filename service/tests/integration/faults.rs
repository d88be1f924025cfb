//! Faults that are switched on do what they are for, and nothing else.

use std::time::Duration;

use service::process::faults::Faults;
use service::process::lifecycle::{Phase, Timing};
use testing::running::{BRIEF, WIDE, start_with_faults};
use testing::sample::Sample;
use testing::wire::{Wire, get, until};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn before_it_has_started_a_server_answers_its_liveness_probe_only() {
    let faults = Faults { start: DAY, ..Faults::default() };
    let running = start_with_faults::<Sample>((), BRIEF, WIDE, faults);
    for (path, status) in [("/health", 200), ("/started", 503), ("/ready", 503), ("/", 503)] {
        assert_eq!(get(running.address, path).await.status, status, "{path}");
    }
    let probe = get(running.address, "/started").await;
    assert!(probe.text().starts_with(r#"{"status":"starting""#), "{}", probe.text());
    assert!(probe.text().contains(r#""faults":["slow-start"]"#), "{}", probe.text());
    running.stop.ask();
    assert!(running.ended.await.unwrap(), "a server that has not started can be stopped");
}

#[tokio::test]
async fn a_slow_start_ends() {
    let faults = Faults { start: Duration::from_millis(100), ..Faults::default() };
    let running = start_with_faults::<Sample>((), BRIEF, WIDE, faults);
    assert_eq!(running.server.phase(), Phase::Starting);
    until("the start", async || get(running.address, "/ready").await.status == 200).await;
    assert_eq!(get(running.address, "/").await.text(), "hello");
}

#[tokio::test]
async fn never_ready_serves_all_the_same() {
    let faults = Faults { never_ready: true, ..Faults::default() };
    let running = start_with_faults::<Sample>((), BRIEF, WIDE, faults);
    for (path, status) in [("/started", 200), ("/health", 200), ("/ready", 503), ("/", 200)] {
        assert_eq!(get(running.address, path).await.status, status, "{path}");
    }
}

/// The client learns of the drain from the end of its connection: what it sends meanwhile is lost.
#[tokio::test]
async fn without_the_notice_a_drain_closes_connections_that_look_good() {
    let faults = Faults { no_close_notice: true, ..Faults::default() };
    let timing = Timing { quiet: DAY, ..BRIEF };
    let running = start_with_faults::<Sample>((), timing, WIDE, faults);
    let mut kept = Wire::connect(running.address).await.unwrap();
    assert_eq!(kept.get("/").await.unwrap().status, 200);
    running.stop.ask();
    until("the drain", async || running.server.phase() != Phase::Serving).await;
    let reply = kept.get("/ready").await.unwrap();
    assert_eq!((reply.status, reply.says_close()), (503, false));
    running.stop.ask();
    assert!(kept.rest().await.unwrap().is_empty());
    assert!(running.ended.await.unwrap());
}
