//! Bodies far larger than any buffer pass in both directions, in bounded memory. A program of its own, since it measures its
//! own memory.

#[path = "integration/scripted.rs"]
mod scripted;

use std::time::Duration;

use scripted::{OK, PATIENT, Scripted, gateway_to};
use testing::wire::{Wire, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BODY: usize = 256 * 1024 * 1024;
const PART: usize = 64 * 1024;
/// What the process may grow by: a few buffers, where a body that is collected would take 256 MiB.
const GROWTH: usize = 24 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_in_bounded_memory_and_at_the_receivers_pace() {
    let before = peak_memory();
    upload().await;
    download().await;
    slow_reader().await;
    let growth = peak_memory().saturating_sub(before);
    assert!(growth < GROWTH, "the process grew by {growth} bytes");
}

async fn upload() {
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
    let gateway = gateway_to(upstream.address, PATIENT);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send(format!("PUT /proxy/items HTTP/1.1\r\nHost: test\r\nContent-Length: {BODY}\r\n\r\n")).await.unwrap();
    let part = vec![7; PART];
    for _ in 0..BODY / PART {
        client.send(&part).await.unwrap();
    }
    assert_eq!(client.reply("PUT").await.unwrap().status, 200);
}

async fn download() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        upstream.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n")).await;
        let part = vec![7; PART];
        for _ in 0..BODY / PART {
            upstream.stream.write_all(&part).await.unwrap();
        }
    })
    .await;
    let gateway = gateway_to(upstream.address, PATIENT);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send("GET /proxy/items HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let (status, headers) = client.head().await.unwrap();
    assert_eq!(status, 200);
    assert!(headers.contains(&("content-length".into(), BODY.to_string())), "{headers:?}");
    for _ in 0..BODY / PART {
        assert!(client.exactly(PART).await.unwrap().iter().all(|byte| *byte == 7));
    }
}

/// A client that reads nothing stops the upstream: the bytes wait there, not in the gateway.
async fn slow_reader() {
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
    let gateway = gateway_to(upstream.address, PATIENT);
    let mut client = Wire::connect(gateway.address).await.unwrap();
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
}

/// The highest resident memory of this process so far, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap() * 1024
}
