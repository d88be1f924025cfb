//! Replies that are sent before their request's body was read: each arrives, whatever the client does, and the next request is
//! never lost. Either the connection goes on, or the reply has said `Connection: close` (RFC 9112, section 9.6).

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use service::process::lifecycle::Timing;
use service::settings::limits::Limits;
use testing::running::{BRIEF, Running, WIDE, start};
use testing::sample::Sample;
use testing::wire::{PATIENCE, Wire, get, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SHORT: Duration = Duration::from_millis(100);
/// Far more than the buffers of both ends hold.
const LONG: usize = 30_000_000;

fn post(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
}

fn sized(length: usize) -> String {
    post("/unread", &format!("Content-Length: {length}\r\n"))
}

/// The body comes in two parts; the second when the reply has been read.
#[tokio::test]
async fn a_reply_says_what_becomes_of_its_connection() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let chunked = post("/unread", "Transfer-Encoding: chunked\r\n");
    let asking = post("/unread", "Content-Length: 5\r\nExpect: 100-continue\r\n");
    let long = "x".repeat(60_000);
    for (head, before, after, goes_on) in [
        (sized(5), "hello", "", true),
        (sized(5), "", "hello", true),
        (sized(5), "he", "llo", true),
        (sized(60_000), "", long.as_str(), true),
        (sized(100_000), "hello", "", false),
        (chunked.clone(), "5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", "", true),
        (chunked, "5\r\nhello\r\n", "", false),
        (asking.clone(), "hello", "", true),
        (asking, "", "", false),
        (post("/refused", "Content-Length: 5\r\nExpect: tea\r\n"), "", "", false),
        (post("/refused", "Content-Length: 5\r\nExpect: tea\r\n"), "hello", "", true),
    ] {
        let name = format!("{head:?} {before:?}");
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send(head + before).await.unwrap();
        let reply = client.reply("POST").await.unwrap();
        assert_eq!(reply.says_close(), !goes_on, "{name}");
        client.send(after).await.unwrap();
        if goes_on {
            assert_eq!(client.get("/").await.expect(&name).text(), "hello", "{name}");
        } else {
            assert!(client.rest().await.expect(&name).is_empty(), "{name}");
        }
    }
}

/// What a request is that the server reads itself, or that hyper refuses, makes no difference; nor does one that hyper would hand
/// over to another protocol.
#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_learns_why_it_was_refused() {
    let running = start::<Sample>((), BRIEF, Limits { body_bytes: 10 << 20, ..WIDE });
    let chunked = post("/echo", "Transfer-Encoding: chunked\r\n") + "fffffff\r\n";
    for (head, status) in [
        (sized(10 << 20), 200),
        (sized(LONG), 413),
        (chunked, 413),
        (post("/unread", "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 10000000\r\n"), 200),
        ("CONNECT test HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000\r\n\r\n".to_owned(), 501),
        (post("/unread", "Content-Length: 5\r\nContent-Length: 5\r\n"), 400),
        (post("/unread", "Host: other\r\nContent-Length: 10000000\r\n"), 400),
        (post("/unread", "Content-Length: -5\r\n"), 400),
        ("GET  / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nx: ".to_owned(), 431),
    ] {
        for _ in 0..5 {
            let mut client = Wire::connect(running.address).await.unwrap();
            // Two writes, as http.client makes them.
            client.send(&head).await.unwrap();
            client.send(vec![b'x'; LONG]).await.unwrap_or_else(|error| panic!("{head:?}: {error}"));
            let (found, fields) = client.head().await.unwrap_or_else(|error| panic!("{head:?}: {error}"));
            let close = fields.iter().any(|(name, value)| name == "connection" && value == "close");
            assert_eq!((found, close), (status, true), "{head:?}");
        }
    }
}

/// A client that looks for a reply while it sends, and stops when there is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_while_it_sends_learns_why_it_was_refused() {
    let running = start::<Sample>((), BRIEF, WIDE);
    for time in 0..50 {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send(sized(LONG)).await.unwrap();
        let (mut reading, mut writing) = client.stream.split();
        let mut reply = [0; 12];
        tokio::select! {
            read = reading.read_exact(&mut reply) => drop(read.unwrap_or_else(|error| panic!("the {time}th: {error}"))),
            sent = async { loop { writing.write_all(&[b'x'; 4096]).await? } } => {
                let sent: std::io::Result<()> = sent;
                panic!("the {time}th: {sent:?}");
            }
        }
        assert_eq!(&reply, b"HTTP/1.1 200");
    }
}

/// A next request that was sent before the reply said that it is the last takes nothing from that reply.
#[tokio::test]
async fn requests_behind_the_last_reply_do_not_reset_it() {
    let running = start::<Sample>((), BRIEF, WIDE);
    for _ in 0..50 {
        let mut client = Wire::connect(running.address).await.unwrap();
        let last = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
        client.send(last.to_owned() + &sized(LONG)).await.unwrap();
        client.send(vec![b'x'; LONG]).await.unwrap();
        assert_eq!(client.reply("GET").await.unwrap().text(), "hello");
        assert!(client.rest().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_head_that_is_not_complete_in_time_gets_408() {
    let running = start::<Sample>((), BRIEF, Limits { head: SHORT, ..WIDE });
    for begun in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: test\r\n"] {
        let mut client = Wire::connect(running.address).await.unwrap();
        assert_eq!(client.get("/").await.unwrap().status, 200);
        client.send(begun).await.unwrap();
        let reply = client.reply("GET").await.unwrap();
        assert_eq!((reply.status, reply.says_close()), (408, true), "{begun:?}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert_eq!(reply.header("x-served-by"), Some("sample/v1/sample-1"));
        assert!(reply.text().contains(reply.header("x-request-id").unwrap()), "{}", reply.text());
        assert!(client.rest().await.unwrap().is_empty());
    }
    until("all to be gone", async || running.server.metrics.connections_open() == 0).await;
}

/// Only a body that little is to come of leaves the reply without `Connection: close`; neither is waited for without an end.
#[tokio::test]
async fn an_app_that_keeps_a_body_does_not_keep_the_connection() {
    let running = start::<Sample>((), BRIEF, Limits { body: SHORT, ..WIDE });
    for length in [5, LONG] {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send(post("/kept", &format!("Content-Length: {length}\r\n"))).await.unwrap();
        assert_eq!(client.reply("POST").await.unwrap().says_close(), length == LONG);
        assert!(client.rest().await.unwrap().is_empty());
    }
    until("both to be gone", async || running.server.metrics.connections_open() == 0).await;
    running.stop.ask();
    assert!(running.ended.await.unwrap(), "not clean");
}

/// Early replies would else let clients have as many uploads under way as there are connections.
#[tokio::test]
async fn a_request_keeps_its_place_until_the_app_has_done_with_its_body() {
    let running = start::<Sample>((), BRIEF, Limits { in_flight: 1, ..WIDE });
    for (path, status) in [("/unread", 200), ("/kept", 503)] {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send(post(path, &format!("Content-Length: {LONG}\r\n"))).await.unwrap();
        assert_eq!(client.reply("POST").await.unwrap().status, 200, "{path}");
        until("the reply's end", async || running.server.metrics.requests_in_flight() == 0).await;
        assert_eq!(get(running.address, "/").await.status, status, "{path}");
    }
}

fn closing(running: &Running) -> usize {
    let text = running.metrics();
    let value = text.lines().find_map(|line| line.strip_prefix("http_connections_closing ")).unwrap();
    value.parse().unwrap()
}

/// Clients that keep their end open, and send nothing or without an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_is_bounded_in_number_time_and_bytes() {
    let running = start::<Sample>((), BRIEF, WIDE);
    let mut held = Vec::new();
    let mut most = 0;
    for _ in 0..300 {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send(sized(LONG)).await.unwrap();
        assert!(client.reply("POST").await.unwrap().says_close());
        held.push(client);
        most = most.max(closing(&running));
    }
    assert!((1..=256).contains(&most), "{most} connections were closing at a time");
    until("the silent to be gone", async || running.server.metrics.connections_open() == 0).await;

    let mut endless = Wire::connect(running.address).await.unwrap();
    endless.send(sized(usize::MAX >> 2)).await.unwrap();
    let part = vec![b'x'; 1 << 20];
    let mut sent = 0_u64;
    while endless.send(&part).await.is_ok() {
        sent += part.len() as u64;
        assert!(sent < 512 << 20, "{sent} bytes were read of a body that nobody wants");
    }
}

#[tokio::test]
async fn a_drain_lets_replies_arrive_and_is_clean_whatever_their_clients_do() {
    let timing = Timing { quiet: Duration::ZERO, longest_request: Duration::from_secs(6) };
    let running = start::<Sample>((), timing, WIDE);
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send(post("/slow", &format!("Content-Length: {LONG}\r\n"))).await.unwrap();
    until("the request", async || running.server.metrics.requests_in_flight() == 1).await;
    running.stop.ask();
    let begun = Instant::now();
    let mut stream = client.stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let sender = tokio::task::spawn_blocking(move || send_for_ever(&mut stream));
    assert!(tokio::time::timeout(PATIENCE, running.ended).await.unwrap().unwrap(), "not clean");
    assert!(begun.elapsed() < timing.longest_request, "{:?}", begun.elapsed());
    assert!(sender.await.unwrap().starts_with("HTTP/1.1 200"));
}

/// Sends until the server has had enough, reading in between; what it heard.
fn send_for_ever(stream: &mut std::net::TcpStream) -> String {
    let mut reply = vec![0; 4096];
    let mut heard = 0;
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    while stream.write_all(&[b'x'; 4096]).is_ok() {
        heard += stream.read(&mut reply[heard..]).unwrap_or(0);
    }
    String::from_utf8_lossy(&reply[..heard]).into_owned()
}
