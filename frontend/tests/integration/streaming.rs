//! Bodies far larger than any buffer pass in both directions, in bounded memory.

use std::net::SocketAddr;
use std::time::Duration;

use testing::memory::{peak, resident};
use testing::program::Program;
use testing::scripted::{OK, Scripted};
use testing::wire::{Wire, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::GATEWAY;

const BODY: usize = 256 * 1024 * 1024;
const PART: usize = 64 * 1024;
/// What the gateway's process may grow by: a few buffers, where a body that is collected would take 256 MiB.
const GROWTH: u64 = 24 * 1024 * 1024;

/// A gateway in front of `upstream`, with patience, and what memory it has before its first request.
fn gateway_to(upstream: SocketAddr) -> (Program, SocketAddr, u64) {
    let url = format!("http://{upstream}");
    let environment =
        [("BACKEND_URL", &*url), ("UPSTREAM_TRY_TIMEOUT_SECONDS", "10"), ("UPSTREAM_TIMEOUT_SECONDS", "15")];
    let (gateway, service) = Program::serving(GATEWAY, &environment);
    let before = resident(&gateway);
    (gateway, service, before)
}

fn assert_bounded(gateway: &Program, before: u64) {
    let growth = peak(gateway).saturating_sub(before);
    assert!(growth < GROWTH, "the process grew by {growth} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_passes_in_bounded_memory() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        let mut left = BODY;
        let mut part = vec![0; PART];
        while left > 0 {
            left -= upstream.stream.read(&mut part).await.unwrap();
        }
        upstream.send(OK).await;
    })
    .await;
    let (gateway, service, before) = gateway_to(upstream.address);
    let mut client = Wire::connect(service).await.unwrap();
    client.send(format!("PUT /proxy/items HTTP/1.1\r\nHost: test\r\nContent-Length: {BODY}\r\n\r\n")).await.unwrap();
    let part = vec![7; PART];
    for _ in 0..BODY / PART {
        client.send(&part).await.unwrap();
    }
    assert_eq!(client.reply("PUT").await.unwrap().status, 200);
    assert_bounded(&gateway, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_download_passes_in_bounded_memory() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        upstream.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n")).await;
        let part = vec![7; PART];
        for _ in 0..BODY / PART {
            upstream.stream.write_all(&part).await.unwrap();
        }
    })
    .await;
    let (gateway, service, before) = gateway_to(upstream.address);
    let mut client = Wire::connect(service).await.unwrap();
    client.send("GET /proxy/items HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let (status, headers) = client.head().await.unwrap();
    assert_eq!(status, 200);
    assert!(headers.contains(&("content-length".into(), BODY.to_string())), "{headers:?}");
    for _ in 0..BODY / PART {
        assert!(client.exactly(PART).await.unwrap().iter().all(|byte| *byte == 7));
    }
    assert_bounded(&gateway, before);
}

/// The bytes wait there, not in the gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_stops_the_upstream() {
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&sent);
    let upstream = Scripted::start(move |_, mut upstream| {
        let counter = std::sync::Arc::clone(&counter);
        async move {
            upstream.head().await;
            upstream.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n")).await;
            let part = vec![7; PART];
            while upstream.stream.write_all(&part).await.is_ok() {
                counter.fetch_add(PART, std::sync::atomic::Ordering::Relaxed);
            }
        }
    })
    .await;
    let (gateway, service, before) = gateway_to(upstream.address);
    let mut client = Wire::connect(service).await.unwrap();
    client.send("GET /proxy/items HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    client.head().await.unwrap();
    let mut last = 0;
    until("the upstream to be stopped", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = sent.load(std::sync::atomic::Ordering::Relaxed);
        now == std::mem::replace(&mut last, now)
    })
    .await;
    assert!(last < BODY / 4, "{last} bytes left the upstream while nobody read");
    assert_bounded(&gateway, before);
}
