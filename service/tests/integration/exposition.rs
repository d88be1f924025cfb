//! The port of `/metrics`: its clients are held to the same bounds as those of the service's own port.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use service::app::{App, Server};
use service::process::faults::Faults;
use service::server::{exposition, listener};
use service::telemetry::metrics::Metrics;
use testing::running::{BRIEF, WIDE, identity};
use testing::sample::Sample;
use testing::wire::Wire;

/// Starts the port alone.
async fn metrics_port() -> Wire {
    let identity = identity("sample");
    let mut metrics = Metrics::new(&identity);
    let app = Arc::new(Sample::new((), &identity, &mut metrics));
    let server = Arc::new(Server::new(identity, metrics, BRIEF, WIDE, Faults::default()));
    let listener = listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(exposition::serve(listener, server, app));
    Wire::connect(address).await.unwrap()
}

/// The clock runs on whenever nothing can move.
#[tokio::test(start_paused = true)]
async fn a_scraper_that_takes_nothing_is_cut() {
    let mut client = metrics_port().await;
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    while tokio::time::timeout(Duration::from_secs(1), client.send(&request)).await.is_ok() {}
    for _ in 0..1000 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        match client.stream.try_write(b"G") {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
            Ok(_) => {}
        }
    }
    panic!("it was waited for");
}

#[tokio::test]
async fn a_body_that_nobody_reads_ends_the_connection_and_the_reply_says_so() {
    for fields in ["", "Connection: Upgrade\r\nUpgrade: h2c\r\n"] {
        let mut client = metrics_port().await;
        let head = format!("POST /metrics HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: 30000000\r\n\r\n");
        client.send(head).await.unwrap();
        client.send(vec![b'x'; 30_000_000]).await.unwrap();
        let reply = client.reply("POST").await.unwrap();
        assert_eq!((reply.status, reply.says_close()), (405, true), "{fields}");
    }
}

/// What is behind it is nobody's request.
#[tokio::test]
async fn a_request_that_two_could_read_differently_is_refused_and_is_the_last() {
    let good = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    for (fields, status) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 0\r\nContent-Length: 0\r\n", 400),
        ("x: y\n", 400),
    ] {
        let mut client = metrics_port().await;
        let refused = format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n");
        client.send(format!("{good}{refused}{good}")).await.unwrap();
        let first = client.reply("GET").await.unwrap();
        assert_eq!((first.status, first.says_close()), (200, false), "{fields}");
        let second = client.reply("GET").await.unwrap();
        assert_eq!((second.status, second.says_close()), (status, true), "{fields}");
        assert!(client.reply("GET").await.is_err(), "{fields}: another reply");
    }
}
