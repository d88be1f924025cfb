//! Upstreams that refuse, and clients and upstreams that keep each other waiting: who is to blame is told, and nothing else suffers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use frontend::routes::Table;
use frontend::upstream::Timeouts;
use frontend::{Config, Frontend};
use testing::port;
use testing::running::{BRIEF, WIDE, start};
use testing::scripted::{OK, Scripted};
use testing::wire::{Wire, get, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gateways::{HASTY, PATIENT, PLAIN, assert_problem, config_of, gateway_to, settings_of};

/// The fault that makes a cascade, and without it none: every other test's gateway is ready whatever its upstream does.
#[tokio::test]
async fn readiness_follows_the_upstream_only_where_that_fault_is_on() {
    let upstream = Scripted::start(|number, mut upstream| async move {
        assert_eq!(upstream.head().await.unwrap().lines().next(), Some("get /ready http/1.1"));
        upstream.send(["HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", OK][number.min(1)]).await;
    })
    .await;
    let config = Config { ready_needs_upstream: true, ..config_of(upstream.address, HASTY, PLAIN) };
    let gateway = start::<Frontend>(config, BRIEF, WIDE);
    let unready = get(gateway.address, "/ready").await;
    assert_eq!(unready.status, 503);
    assert!(unready.text().contains(r#""faults":["ready-needs-upstream"]"#), "{}", unready.text());
    assert_eq!(get(gateway.address, "/ready").await.status, 200);
    assert_eq!(get(gateway.address, "/health").await.status, 200);
    drop(upstream);
}

/// The page does without it.
#[tokio::test]
async fn an_observer_out_of_reach_is_no_content_and_no_reason_to_be_unready() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        upstream.send(OK).await;
    })
    .await;
    let nobody = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let [backend, observer] = [upstream.address, nobody].map(|address| settings_of(address, HASTY, PLAIN));
    let mut config = Config { ready_needs_upstream: true, ..config_of(upstream.address, HASTY, PLAIN) };
    config.routes.table = Table::of_one(backend, Some(observer));
    let gateway = start::<Frontend>(config, BRIEF, WIDE);
    assert_eq!(get(gateway.address, "/cluster/events").await.status, 204);
    assert_eq!(get(gateway.address, "/ready").await.status, 200);
}

#[tokio::test]
async fn an_upstream_that_refuses_is_named_and_the_gateway_is_well() {
    let upstream = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let gateway = gateway_to(upstream, PATIENT);
    let reply = get(gateway.address, "/proxy/items").await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert_problem(&gateway, upstream, &reply).await;
    assert!(gateway.counts("upstream_failures_total{upstream=\"backend\",reason=\"connect\"} 1"));
}

#[tokio::test]
async fn a_client_that_stops_sending_is_told_so_and_the_upstream_is_not_blamed() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        let mut body = Vec::new();
        let _ = upstream.stream.read_to_end(&mut body).await;
    })
    .await;
    let gateway = gateway_to(upstream.address, HASTY);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send("POST /proxy/items HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    let reply = client.reply("POST").await.unwrap();
    assert_eq!(reply.status, 408, "{}", reply.text());
    assert!(!reply.text().contains("upstream"), "{}", reply.text());
    let metrics = gateway.metrics();
    let mut failures = metrics.lines().filter(|line| line.starts_with("upstream_failures_total{"));
    assert!(failures.all(|line| line.contains("reason=\"client_stalled\"")), "{metrics}");
    // The rest of the body can no longer be told from a next request.
    client.rest().await.unwrap();
}

#[tokio::test]
async fn a_slow_upload_is_no_slow_upstream() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        let mut body = [0; 8];
        upstream.stream.read_exact(&mut body).await.unwrap();
        upstream.send(OK).await;
    })
    .await;
    // Far apart enough that a busy machine does not make the upload stall.
    let timeouts = Timeouts { attempt: Duration::from_secs(1), overall: Duration::from_millis(1200), ..PATIENT };
    let gateway = gateway_to(upstream.address, timeouts);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send("POST /proxy/items HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\n").await.unwrap();
    let began = Instant::now();
    for byte in "12345678".chars() {
        tokio::time::sleep(timeouts.attempt / 5).await;
        client.send(byte.to_string()).await.unwrap();
    }
    assert!(began.elapsed() > timeouts.overall, "the upload was not slow enough to tell");
    assert_eq!(client.reply("POST").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_connection_whose_client_left_is_not_used_again() {
    let upstream = Scripted::start(|number, mut upstream| async move {
        while upstream.head().await.is_some() {
            if number == 0 {
                upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst part").await;
                let _ = upstream.stream.read_u8().await;
                return;
            }
            upstream.send(OK).await;
        }
    })
    .await;
    let gateway = gateway_to(upstream.address, PATIENT);
    let mut leaving = Wire::connect(gateway.address).await.unwrap();
    leaving.send("GET /proxy/items HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    leaving.head().await.unwrap();
    drop(leaving);
    until("the exchange to end", async || gateway.server.metrics.requests_in_flight() == 0).await;
    let next = get(gateway.address, "/proxy/items").await;
    assert_eq!((next.status, next.text()), (200, "ok"));
    assert_eq!(upstream.connections(), 2);
}

/// That it only sends no more cannot be told from that it has left.
#[tokio::test]
async fn a_client_that_shuts_its_side_before_the_reply_gets_none_and_the_upstream_is_let_go() {
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Scripted::start(move |_, mut upstream| {
        let sender = sender.clone();
        async move {
            sender.send(upstream.head().await.is_some()).unwrap();
            sender.send(upstream.stream.read_u8().await.is_ok()).unwrap();
        }
    })
    .await;
    let gateway = gateway_to(upstream.address, PATIENT);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send("GET /proxy/items HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    assert_eq!(heard.recv().await, Some(true));
    let shut = Instant::now();
    client.stream.shutdown().await.unwrap();
    assert!(client.rest().await.unwrap().is_empty());
    assert_eq!(heard.recv().await, Some(false));
    assert!(shut.elapsed() < PATIENT.attempt, "the upstream was let go by a timeout");
}

/// The upstream answers early, keeps its connection, and reads no more of a body that no buffer holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_reads_no_more_keeps_no_connection() {
    const BODY: usize = 30_000_000;
    // Far longer than a busy machine keeps the client from sending on.
    let timeouts = Timeouts { attempt: Duration::from_secs(1), overall: Duration::from_secs(2), ..PATIENT };
    for client_leaves in [false, true] {
        let upstream = Scripted::start(|_, mut upstream| async move {
            upstream.head().await;
            upstream.send(OK).await;
            std::future::pending::<()>().await;
        })
        .await;
        let gateway = gateway_to(upstream.address, timeouts);
        let mut client = Wire::connect(gateway.address).await.unwrap();
        client.send(format!("POST /proxy/items HTTP/1.1\r\nHost: t\r\nContent-Length: {BODY}\r\n\r\n")).await.unwrap();
        let (reading, mut writing) = client.stream.into_split();
        let sender = tokio::spawn(async move { writing.write_all(&vec![b'x'; BODY]).await });
        let mut reply = [0; 12];
        let mut reading = reading;
        reading.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"HTTP/1.1 200");
        if client_leaves {
            sender.abort();
            drop(reading);
        }
        until("it to be gone", async || gateway.server.metrics.connections_open() == 0).await;
        gateway.stop.ask();
        assert!(gateway.ended.await.unwrap(), "not clean");
    }
}
