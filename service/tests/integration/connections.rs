//! Connections: kept alive, and bounded in everything that a peer can stretch.

use std::time::Duration;

use service::settings::limits::Limits;
use testing::running::{BRIEF, WIDE, start};
use testing::sample::Sample;
use testing::wire::{Wire, get, until};
use tokio::io::AsyncWriteExt;

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let mut client = Wire::connect(running.address).await.unwrap();
    for _ in 0..100 {
        let reply = client.get("/").await.unwrap();
        assert_eq!((reply.status, reply.says_close()), (200, false));
    }
    assert_eq!(running.server.metrics.connections_open(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let mut client = Wire::connect(running.address).await.unwrap();
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    client.send(request("/slow") + &request("/") + &request("/streamed")).await.unwrap();
    for expected in ["slow", "hello", "streamed"] {
        assert_eq!(client.reply("GET").await.unwrap().text(), expected);
    }
}

#[tokio::test]
async fn an_old_connection_is_sent_away_by_its_next_reply_only() {
    let limits = Limits { max_age: Some(SHORT), ..WIDE };
    let running = start::<Sample>((), BRIEF, limits);
    let mut client = Wire::connect(running.address).await.unwrap();
    assert!(!client.get("/").await.unwrap().says_close());
    // Past the age and its jitter the server still does not close by itself: a request may be on its way.
    tokio::time::sleep(2 * SHORT).await;
    let reply = client.get("/").await.unwrap();
    assert!(reply.says_close());
    assert!(client.rest().await.unwrap().is_empty());
}

/// A connection on which nothing was begun ends without a word: a 408 could be taken for the reply to a request on its way.
#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let running = start::<Sample>((), BRIEF, Limits { idle: SHORT, head: SHORT, ..WIDE });
    let mut used = Wire::connect(running.address).await.unwrap();
    let mut unused = Wire::connect(running.address).await.unwrap();
    used.get("/").await.unwrap();
    assert!(used.rest().await.unwrap().is_empty() && unused.rest().await.unwrap().is_empty());
    until("both to be gone", async || running.server.metrics.connections_open() == 0).await;
}

#[tokio::test]
async fn a_head_that_drips_in_is_not_waited_for() {
    let running = start::<Sample>((), BRIEF, Limits { head: SHORT, ..WIDE });
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send("GET / HTTP/1.1\r\n").await.unwrap();
    let dripped = async {
        for number in 0..1000 {
            client.send(format!("x-{number}: y\r\n")).await?;
            tokio::time::sleep(SHORT / 10).await;
        }
        std::io::Result::Ok(())
    };
    assert!(dripped.await.is_err(), "1000 lines of a head were waited for");
    until("it to be gone", async || running.server.metrics.connections_open() == 0).await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut() {
    let running = start::<Sample>((), BRIEF, Limits { reply: SHORT, ..WIDE });
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send("GET /endless HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until("the request", async || running.server.metrics.requests_in_flight() == 1).await;
    until("it to be cut", async || running.server.metrics.connections_open() == 0).await;
    assert_eq!(running.server.metrics.requests_in_flight(), 0);
    // Reset: what the kernel had of the reply is not kept for a client that takes nothing.
    assert_eq!(client.rest().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let long = "x".repeat(40 * 1024);
    let many = "x-many: y\r\n".repeat(200);
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nHost: test\r\nx-long: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: test\r\n{many}\r\n"), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "x".repeat(20 * 1024)), 414),
        // So long that the end of the target was not waited for.
        (format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "x".repeat(70 * 1024)), 431),
    ] {
        let mut client = Wire::connect(running.address).await.unwrap();
        // The server may close before it has read everything; what counts is its reply.
        let _ = client.send(head).await;
        let (found, _) = client.head().await.unwrap();
        assert_eq!(found, status);
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_free_place() {
    let running = start::<Sample>((), BRIEF, Limits { connections: 1, ..WIDE });
    let mut first = Wire::connect(running.address).await.unwrap();
    first.get("/").await.unwrap();
    let mut second = Wire::connect(running.address).await.unwrap();
    second.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(SHORT, second.reply("GET")).await;
    assert!(early.is_err(), "the limit is not held");
    drop(first);
    assert_eq!(second.reply("GET").await.unwrap().status, 200);
}

#[tokio::test]
async fn malformed_and_ambiguous_requests_are_refused_and_end_the_connection() {
    let running = start::<Sample>((), BRIEF, WIDE);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost : test\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: identity\r\n\r\n", "400"),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: test\r\nx: a\rb\r\n\r\n", "400"),
        ("GET  / HTTP/1.1\r\nHost: test\r\n\r\n", "400"),
    ] {
        let mut client = Wire::connect(running.address).await.unwrap();
        // What follows the refused one is not answered: there is exactly one reply, and then the end.
        client.send(format!("{request}GET / HTTP/1.1\r\nHost: test\r\n\r\n")).await.unwrap();
        let answer = String::from_utf8_lossy(&client.rest().await.unwrap_or_default()).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
    }
    // The preface of HTTP/2 ends the connection without an answer, which its sender could not read.
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(client.rest().await.unwrap_or_default().is_empty());
}

#[tokio::test]
async fn a_request_whose_end_is_uncertain_is_refused_and_is_the_last() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let smuggled = "GET /slow HTTP/1.1\r\nHost: test\r\n\r\n";
    for (fields, body, status) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", 501),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello!\r\n0\r\n\r\n", 400),
        ("x: y\n", "", 400),
    ] {
        let mut client = Wire::connect(running.address).await.unwrap();
        // The first request is answered, whatever comes with it; what follows the refused one is never read as a request.
        let request = format!("POST /echo HTTP/1.1\r\nHost: test\r\n{fields}\r\n{body}{smuggled}");
        client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n\r\n{request}")).await.unwrap();
        assert_eq!(client.reply("GET").await.unwrap().text(), "hello");
        let reply = client.reply("POST").await.unwrap();
        assert_eq!((reply.status, reply.says_close()), (status, true), "{fields:?}: {}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert!(client.rest().await.unwrap_or_default().is_empty(), "{fields:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_by_its_length_or_where_it_gets_too_long() {
    let running = start::<Sample>((), BRIEF, Limits { body_bytes: 10, ..WIDE });
    for (fields, body, status) in [
        ("Content-Length: 10\r\n", "0123456789", 200),
        ("Content-Length: 11\r\nExpect: 100-continue\r\n", "", 413),
        ("Transfer-Encoding: chunked\r\n", "a\r\n0123456789\r\n1\r\n", 413),
    ] {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send(format!("POST /echo HTTP/1.1\r\nHost: test\r\n{fields}\r\n{body}")).await.unwrap();
        let (found, _) = client.head().await.unwrap();
        assert_eq!(found, status, "{fields}");
    }
}

#[tokio::test]
async fn a_client_that_stalls_in_its_body_gets_408() {
    let running = start::<Sample>((), BRIEF, Limits { body: SHORT, ..WIDE });
    for body in ["Content-Length: 5\r\n\r\nhell", "Transfer-Encoding: chunked\r\n\r\n5\r\nhell"] {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send(format!("POST /echo HTTP/1.1\r\nHost: test\r\n{body}")).await.unwrap();
        let reply = client.reply("POST").await.unwrap();
        assert_eq!((reply.status, reply.says_close()), (408, true));
        assert!(client.rest().await.unwrap().is_empty());
    }
    until("both to be gone", async || running.server.metrics.connections_open() == 0).await;
    assert!(running.counts("http_connections_cut_total{awaited=\"body\"} 2"), "{}", running.metrics());
}

#[tokio::test]
async fn a_body_that_drips_in_is_not_waited_for() {
    let running = start::<Sample>((), BRIEF, Limits { body: 2 * SHORT, bytes_per_second: 1000, ..WIDE });
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
    let (mut reading, mut writing) = client.stream.split();
    let dripped = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 4).await;
        }
    };
    let mut reply = [0; 12];
    tokio::select! {
        () = dripped => panic!("the connection ended without a reply"),
        read = tokio::io::AsyncReadExt::read_exact(&mut reading, &mut reply) => { read.unwrap(); }
    }
    assert_eq!(&reply, b"HTTP/1.1 408");
}

/// The clock runs on whenever nothing can move: on a busy machine, real pauses would be longer than they ask for.
#[tokio::test(start_paused = true)]
async fn a_slow_body_that_moves_is_waited_for() {
    let running = start::<Sample>((), BRIEF, Limits { body: SHORT, bytes_per_second: 100, ..WIDE });
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 400\r\n\r\n").await.unwrap();
    // Four times as long as any silence may be, with silences of half that.
    for _ in 0..8 {
        tokio::time::sleep(SHORT / 2).await;
        client.send([b'x'; 50]).await.unwrap();
    }
    assert_eq!(client.reply("POST").await.unwrap().body.len(), 400);
}

#[tokio::test]
async fn past_the_bound_requests_are_shed_at_once_and_probes_are_not() {
    let running = start::<Sample>((), BRIEF, Limits { in_flight: 2, ..WIDE });
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send("GET /endless HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        client.head().await.unwrap();
        busy.push(client);
    }
    let mut client = Wire::connect(running.address).await.unwrap();
    for _ in 0..3 {
        let shed = client.get("/").await.unwrap();
        assert_eq!((shed.status, shed.header("retry-after"), shed.says_close()), (503, Some("1"), false));
        assert_eq!(shed.header("content-type"), Some("application/problem+json"));
    }
    for probe in ["/health", "/ready", "/started"] {
        assert_eq!(client.get(probe).await.unwrap().status, 200);
    }
    assert!(running.counts("http_requests_shed_total 3"), "{}", running.metrics());
    busy.pop();
    until("a place to be free", async || running.server.metrics.requests_in_flight() == 1).await;
    assert_eq!(client.get("/").await.unwrap().status, 200);
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let mut client = Wire::connect(running.address).await.unwrap();
    let get = client.get("/").await.unwrap();
    let head = client.ask("HEAD", "/", "").await.unwrap();
    assert_eq!(head.stable_headers(), get.stable_headers());
    assert_eq!(head.header("content-length"), Some("5"));
    // A body after the head would be read as the next reply.
    assert_eq!(client.get("/").await.unwrap().text(), "hello");
}

#[tokio::test]
async fn every_reply_to_a_request_carries_the_identifiers() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let mut client = Wire::connect(running.address).await.unwrap();
    let made = client.get("/").await.unwrap();
    assert_eq!(made.header("x-request-id").unwrap().len(), 32);
    assert_eq!(made.header("x-served-by"), Some("sample/v1/sample-1"));
    let kept = client.ask("GET", "/", "x-request-id: mine-7\r\n").await.unwrap();
    assert_eq!(kept.header("x-request-id"), Some("mine-7"));
    let expecting = client.ask("GET", "/", "expect: tea\r\nx-request-id: mine-8\r\n").await.unwrap();
    let failing = client.ask("GET", "/failing", "x-request-id: mine-8\r\n").await.unwrap();
    let probe = client.ask("GET", "/ready", "x-request-id: mine-8\r\n").await.unwrap();
    for (reply, status) in [(&expecting, 417), (&failing, 500), (&probe, 200)] {
        assert_eq!((reply.status, reply.header("x-request-id")), (status, Some("mine-8")));
        assert_eq!(reply.header("x-served-by"), Some("sample/v1/sample-1"));
    }
    assert!(expecting.text().contains("\"request_id\":\"mine-8\""));
    // What is no request is answered by hyper, which knows of none.
    client.send("GET  / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let unread = client.reply("GET").await.unwrap();
    assert_eq!((unread.status, unread.header("x-served-by"), unread.header("x-request-id")), (400, None, None));
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_and_forgotten() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until("the request", async || running.server.metrics.requests_in_flight() == 1).await;
    client.stream.shutdown().await.unwrap();
    drop(client);
    until("its end", async || running.server.metrics.requests_in_flight() == 0).await;
    assert!(running.counts("http_requests_abandoned_total 1"), "{}", running.metrics());
    assert_eq!(get(running.address, "/").await.status, 200);
}
