//! Upstreams that fail at each stage: the client gets a problem that names the upstream, in time, and nothing else suffers.

use std::time::{Duration, Instant};

use frontend::upstream::Timeouts;
use frontend::{Config, Frontend};
use testing::running::{BRIEF, Running, WIDE, start};
use testing::wire::{Reply, Wire, get, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::scripted::{HASTY, OK, PATIENT, PLAIN, Scripted, config_of, gateway_to};

/// Checks a gateway's problem: its status, that it names the upstream, and that the gateway is well.
async fn assert_problem(gateway: &Running, upstream: std::net::SocketAddr, reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(problem["upstream"], upstream.to_string());
    assert!(!reply.text().contains("os error") && !reply.text().contains("hyper"), "{}", reply.text());
    assert_eq!(reply.header("x-served-by"), Some("frontend/v1/frontend-1"));
    assert_eq!(get(gateway.address, "/ready").await.status, 200);
}

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

#[tokio::test]
async fn refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    drop(listener);
    let gateway = gateway_to(upstream, PATIENT);
    let reply = get(gateway.address, "/proxy/items").await;
    assert_problem(&gateway, upstream, &reply, 502).await;
    let metrics = gateway.server.metrics.render().unwrap();
    assert!(metrics.contains("upstream_failures_total{upstream=\"backend\",reason=\"connect\"} 1"), "{metrics}");
}

#[tokio::test]
async fn closed_or_garbled_before_the_reply() {
    let huge = format!("HTTP/1.1 200 OK\r\nx-huge: {}\r\n\r\n", "x".repeat(200_000));
    let scripts = ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Le", "SSH-2.0-nope\r\n\r\n", &huge];
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    for script in scripts.into_iter().chain([switched]) {
        let script = script.to_owned();
        let upstream = Scripted::start(move |_, mut upstream| {
            let script = script.clone();
            async move {
                upstream.head().await;
                upstream.send(&script).await;
            }
        })
        .await;
        let gateway = gateway_to(upstream.address, PATIENT);
        let reply = get(gateway.address, "/proxy/items").await;
        assert_problem(&gateway, upstream.address, &reply, 502).await;
    }
}

#[tokio::test]
async fn silent_before_the_reply_or_within_its_head() {
    for script in ["", "HTTP/1.1 200 OK\r\nx-a: b\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        let upstream = Scripted::start(move |_, mut upstream| async move {
            upstream.head().await;
            upstream.send(script).await;
            // Holds the connection until the gateway gives up.
            let _ = upstream.stream.read_u8().await;
        })
        .await;
        let gateway = gateway_to(upstream.address, HASTY);
        let asked = Instant::now();
        let reply = get(gateway.address, "/proxy/items").await;
        assert_problem(&gateway, upstream.address, &reply, 504).await;
        assert!(asked.elapsed() >= HASTY.attempt, "{:?}", asked.elapsed());
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn silent_or_gone_within_the_body_cuts_the_reply() {
    for goes_silent in [true, false] {
        let upstream = Scripted::start(move |_, mut upstream| async move {
            upstream.head().await;
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
            if goes_silent {
                let _ = upstream.stream.read_u8().await;
            }
        })
        .await;
        let gateway = gateway_to(upstream.address, HASTY);
        let mut client = Wire::connect(gateway.address).await.unwrap();
        client.send("GET /proxy/items HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        // Its length is announced, so the client can tell that the end is missing.
        assert!(client.reply("GET").await.is_err());
        until("the exchange to end", async || gateway.server.metrics.requests_in_flight() == 0).await;
    }
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
    let metrics = gateway.server.metrics.render().unwrap();
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
async fn an_early_reply_to_an_unfinished_upload_arrives() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        upstream.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").await;
        let mut rest = Vec::new();
        let _ = upstream.stream.read_to_end(&mut rest).await;
    })
    .await;
    let gateway = gateway_to(upstream.address, PATIENT);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send("POST /proxy/items HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nsome").await.unwrap();
    let reply = client.reply("POST").await.unwrap();
    assert_eq!((reply.status, reply.text()), (413, "no"));
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

/// The upstream answers early, keeps its connection, and reads no more of a body that no buffer holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_reads_no_more_keeps_no_connection() {
    const BODY: usize = 30_000_000;
    for client_leaves in [false, true] {
        let upstream = Scripted::start(|_, mut upstream| async move {
            upstream.head().await;
            upstream.send(OK).await;
            std::future::pending::<()>().await;
        })
        .await;
        let gateway = gateway_to(upstream.address, HASTY);
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
