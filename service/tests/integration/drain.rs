//! The drain: nothing that a client sends is lost, and the process ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use service::process::lifecycle::{Phase, Timing};
use testing::running::{BRIEF, WIDE, start};
use testing::sample::Sample;
use testing::wire::{PATIENCE, Wire, get, until};

const QUIET_LONG: Timing = Timing { quiet: Duration::from_secs(60), longest_request: Duration::from_secs(60) };

#[tokio::test]
async fn readiness_goes_first_and_the_listener_last() {
    let running = start::<Sample>((), QUIET_LONG, WIDE);
    let address = running.address;
    let mut early = Wire::connect(address).await.unwrap();
    assert!(!early.get("/").await.unwrap().says_close());
    assert_eq!(get(address, "/ready").await.status, 200);

    running.stop.ask();
    until("the drain", async || running.server.phase() != Phase::Serving).await;

    // A connection from before and one from now are both served, and sent away.
    let reply = early.get("/").await.unwrap();
    assert_eq!((reply.status, reply.says_close()), (200, true));
    assert!(early.rest().await.unwrap().is_empty());
    let ready = get(address, "/ready").await;
    assert_eq!((ready.status, ready.says_close()), (503, true));
    assert!(ready.text().contains("\"draining\""), "{}", ready.text());
    assert_eq!(get(address, "/health").await.status, 200);
    assert_eq!(get(address, "/started").await.status, 200);

    // Asked again, it does not wait for the quiet period.
    running.stop.ask();
    assert!(tokio::time::timeout(PATIENCE, running.ended).await.unwrap().unwrap());
    let refused = Wire::connect(address).await.err().map(|error| error.kind());
    assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn a_request_in_flight_ends_after_the_quiet_period() {
    let running = start::<Sample>((), Timing { quiet: Duration::ZERO, ..BRIEF }, WIDE);
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until("the request to be in flight", async || running.server.metrics.requests_in_flight() == 1).await;
    running.stop.ask();
    let reply = client.reply("GET").await.unwrap();
    assert_eq!((reply.status, reply.text(), reply.says_close()), (200, "slow", true));
    assert!(running.ended.await.unwrap(), "a drain that waited for its requests is clean");
}

#[tokio::test]
async fn what_takes_longer_than_the_deadline_is_cut_and_said() {
    let timing = Timing { quiet: Duration::ZERO, longest_request: Duration::from_millis(20) };
    let running = start::<Sample>((), timing, WIDE);
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until("the request to be in flight", async || running.server.metrics.requests_in_flight() == 1).await;
    running.stop.ask();
    assert!(!running.ended.await.unwrap(), "a drain that cut a request is not clean");
    assert!(client.reply("GET").await.is_err());
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_exit_up() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let mut idle = Wire::connect(running.address).await.unwrap();
    idle.get("/").await.unwrap();
    let _silent = Wire::connect(running.address).await.unwrap();
    running.stop.ask();
    let asked = Instant::now();
    assert!(running.ended.await.unwrap());
    assert!(asked.elapsed() < BRIEF.longest_request, "{:?}", asked.elapsed());
}

/// Many clients with connections that are mostly idle, each about to send when the server is asked to stop. As in a cluster,
/// clients find the server for some time after that: here, until as many replies as there are clients have sent one away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_loses_nothing() {
    const CLIENTS: u64 = 200;
    let running = start::<Sample>((), QUIET_LONG, WIDE);
    let ledger = Arc::new(Ledger::default());
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(busy_client(running.address, number, Arc::clone(&ledger)))).collect();
    until("steady load", async || ledger.answered.load(Ordering::Relaxed) > 10 * CLIENTS).await;
    running.stop.ask();
    until("all to be sent away", async || ledger.sent_away.load(Ordering::Relaxed) >= CLIENTS).await;
    ledger.endpoint_gone.store(true, Ordering::Relaxed);
    for client in clients {
        tokio::time::timeout(PATIENCE, client).await.unwrap().unwrap();
    }
    running.stop.ask();
    assert!(running.ended.await.unwrap());
    assert_eq!(ledger.lost.load(Ordering::Relaxed), 0, "{ledger:?}");
}

/// Connections that are so new that their request is not there yet when the quiet period ends are still served.
#[tokio::test]
async fn the_last_to_connect_are_served() {
    let running = start::<Sample>((), Timing { quiet: Duration::ZERO, ..BRIEF }, WIDE);
    let mut last = Wire::connect(running.address).await.unwrap();
    running.stop.ask();
    until("the server to accept no more", async || !running.server.phase().is_accepting()).await;
    let reply = last.get("/").await.unwrap();
    assert_eq!((reply.status, reply.says_close()), (200, true));
    assert!(running.ended.await.unwrap());
}

#[derive(Debug, Default)]
struct Ledger {
    answered: AtomicU64,
    sent_away: AtomicU64,
    lost: AtomicU64,
    endpoint_gone: AtomicBool,
}

/// Sends a request every 20 to 40 ms, on one connection for as long as the server lets it, then on a new one for as long as
/// its endpoint is there.
async fn busy_client(address: SocketAddr, number: u64, ledger: Arc<Ledger>) {
    let pause = Duration::from_millis(20 + number % 20);
    while !ledger.endpoint_gone.load(Ordering::Relaxed) {
        let mut wire = Wire::connect(address).await.unwrap();
        loop {
            tokio::time::sleep(pause).await;
            let Ok(reply) = wire.get("/").await else {
                ledger.lost.fetch_add(1, Ordering::Relaxed);
                break;
            };
            assert_eq!(reply.status, 200);
            ledger.answered.fetch_add(1, Ordering::Relaxed);
            if reply.says_close() {
                ledger.sent_away.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
}
