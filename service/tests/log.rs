//! What the log says of failures, at the level that a server has by default. A program of its own, since the log is the process's.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;
use service::settings::limits::Limits;
use testing::running::{BRIEF, WIDE, start};
use testing::sample::Sample;
use testing::wire::{Wire, until};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(Level::INFO);
    lines.with_writer(log.clone()).init();
    log
});

/// The warnings with this message.
fn warnings(message: &str) -> Vec<Value> {
    let log = LOG.0.lock().unwrap().clone();
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    lines.filter(|line| line["level"] == "WARN" && line["message"].as_str().unwrap().contains(message)).collect()
}

/// Each reply of the 5xx class is in a line that is seen: a line of its own, or, with 503, a line that says how many. A probe's
/// 503 is no failure.
#[tokio::test]
async fn no_failure_is_silent_and_a_flood_of_503_is_no_flood_of_lines() {
    LazyLock::force(&LOG);
    let running = start::<Sample>((), BRIEF, Limits { in_flight: 1, ..WIDE });
    let mut client = Wire::connect(running.address).await.unwrap();
    for number in 0..3 {
        let id = format!("x-request-id: failed-{number}\r\n");
        assert_eq!(client.ask("GET", "/failing", &id).await.unwrap().status, 500);
    }
    let failed: Vec<Value> = warnings("request").into_iter().map(|line| line["request_id"].clone()).collect();
    assert_eq!(failed, ["failed-0", "failed-1", "failed-2"]);

    let mut busy = Wire::connect(running.address).await.unwrap();
    busy.send("GET /endless HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    busy.head().await.unwrap();
    for _ in 0..1000 {
        assert_eq!(client.get("/").await.unwrap().status, 503);
    }
    let shed = || -> u64 { warnings("answered 503").iter().map(|line| line["requests"].as_u64().unwrap()).sum() };
    assert!(shed() >= 1, "the first is told at once");
    until("all to be told", async || shed() == 1000).await;
    let lines = warnings("answered 503").len();
    assert!(lines <= 4, "{lines} lines");
}
