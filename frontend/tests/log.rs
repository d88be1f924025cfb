//! What the log says while a breaker is open. A program of its own, since the log is the process's.

#[path = "integration/scripted.rs"]
mod scripted;

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use frontend::upstream::{Resilience, breaker};
use scripted::{OK, PATIENT, PLAIN, Scripted, gateway_with};
use serde_json::Value;
use testing::wire::{get, until};
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

/// The lines of the gateway so far, by their messages.
fn lines(message: &str) -> Vec<Value> {
    let log = LOG.0.lock().unwrap().clone();
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    lines.filter(|line| line["message"].as_str().unwrap().contains(message)).collect()
}

#[tokio::test]
async fn an_open_breaker_is_told_by_its_changes_and_not_by_each_request_that_it_refuses() {
    LazyLock::force(&LOG);
    let upstream = Scripted::start(|number, mut upstream| async move {
        while upstream.head().await.is_some() && number >= 2 {
            upstream.send(OK).await;
        }
    })
    .await;
    let terms = breaker::Terms { failures: 2, open: Duration::from_secs(3) };
    let gateway = gateway_with(upstream.address, PATIENT, Resilience { breaker: Some(terms), ..PLAIN });
    for _ in 0..2 {
        assert_eq!(get(gateway.address, "/proxy/items").await.status, 502);
    }
    let mut refused = 0;
    until("the trial", async || {
        let status = get(gateway.address, "/proxy/items").await.status;
        refused += u64::from(status == 503);
        status == 200
    })
    .await;
    assert!(refused > 100, "{refused}");
    assert_eq!(lines("no reply from the upstream").len(), 2, "those that failed");
    assert_eq!(lines("the breaker opens").len(), 1);
    let closed = lines("the breaker closes");
    assert_eq!((closed.len(), closed[0]["refused"].as_u64()), (1, Some(refused)));
    let told = lines("answered 503").len();
    assert!((1..=2).contains(&told), "{told} lines for {refused} refusals");
}
