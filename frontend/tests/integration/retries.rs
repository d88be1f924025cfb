//! What a gateway does about failures of its upstream: it tries again where that is safe, within a budget, and stops asking
//! when it is no use.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use frontend::upstream::{Allowance, Resilience, Threshold, Timeouts};
use testing::scripted::{OK, Scripted, Upstream};
use testing::wire::{Wire, get, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::gateways::{HASTY, PATIENT, PLAIN, gateway_with};

const RETRYING: Resilience = Resilience { retries: 3, ..PLAIN };
/// Opens at the second failure.
const BREAKING: Resilience =
    Resilience { breaker: Some(Threshold { failures: 2, open: Duration::from_secs(1) }), ..PLAIN };

/// What a failing try does to its connection, after the request's head.
#[derive(Debug, Clone, Copy)]
enum Failing {
    Closes,
    Resets,
    ClosesWithinTheHead,
    Garbles,
    StaysSilent,
}

impl Failing {
    async fn play(self, upstream: &mut Upstream) {
        match self {
            Self::Closes => {}
            Self::Resets => upstream.reset(),
            Self::ClosesWithinTheHead => upstream.send("HTTP/1.1 200 OK\r\nContent-Le").await,
            Self::Garbles => upstream.send("SSH-2.0-nope\r\n\r\n").await,
            Self::StaysSilent => drop(upstream.stream.read_u8().await),
        }
    }
}

/// An upstream that fails on its first `failures` connections, and then answers; and the requests that it got, whole.
async fn failing(how: Failing, failures: usize, body_bytes: usize) -> (Scripted, Arc<Mutex<Vec<String>>>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&got);
    let upstream = Scripted::start(move |number, mut upstream| {
        let requests = Arc::clone(&requests);
        async move {
            while let Some(head) = upstream.head().await {
                let mut body = vec![0; body_bytes];
                upstream.stream.read_exact(&mut body).await.unwrap();
                requests.lock().unwrap().push(head + &String::from_utf8(body).unwrap());
                if number < failures {
                    return how.play(&mut upstream).await;
                }
                upstream.send(OK).await;
            }
        }
    })
    .await;
    (upstream, got)
}

#[tokio::test]
async fn an_idempotent_request_is_tried_again_whole_after_every_kind_of_failure() {
    for how in [Failing::Closes, Failing::Resets, Failing::ClosesWithinTheHead, Failing::Garbles, Failing::StaysSilent]
    {
        let (upstream, got) = failing(how, 2, 11).await;
        let timeouts = Timeouts { overall: Duration::from_secs(10), ..HASTY };
        let gateway = gateway_with(upstream.address, timeouts, RETRYING);
        let mut client = Wire::connect(gateway.address).await.unwrap();
        client.send("PUT /proxy/items HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\n\r\nhello ").await.unwrap();
        client.send("world").await.unwrap();
        let reply = client.reply("PUT").await.unwrap();
        assert_eq!((reply.status, reply.text()), (200, "ok"), "{how:?}");
        let got = got.lock().unwrap();
        assert_eq!(got.len(), 3, "{how:?}");
        assert!(got.iter().all(|request| *request == got[0] && request.ends_with("\r\n\r\nhello world")), "{got:?}");
        assert!(gateway.counts("upstream_retries_total{upstream=\"backend\",decision=\"made\"} 2"));
        assert!(!gateway.metrics().contains("upstream_failures_total{"), "the outcome is a success");
    }
}

#[tokio::test]
async fn three_retries_and_no_more() {
    let (upstream, got) = failing(Failing::Closes, usize::MAX, 0).await;
    let gateway = gateway_with(upstream.address, PATIENT, RETRYING);
    assert_eq!(get(gateway.address, "/proxy/items").await.status, 502);
    assert_eq!(got.lock().unwrap().len(), 4);
    assert!(
        gateway.counts("upstream_failures_total{upstream=\"backend\",reason=\"broken\"} 1"),
        "one request failed, not four"
    );
}

#[tokio::test]
async fn a_post_that_may_have_been_done_is_not_done_twice() {
    for how in [Failing::Closes, Failing::Resets, Failing::Garbles, Failing::StaysSilent] {
        let (upstream, got) = failing(how, usize::MAX, 2).await;
        let gateway = gateway_with(upstream.address, HASTY, RETRYING);
        let mut client = Wire::connect(gateway.address).await.unwrap();
        client.send("POST /proxy/items HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
        let reply = client.reply("POST").await.unwrap();
        assert!([502, 504].contains(&reply.status), "{how:?}: {}", reply.text());
        assert_eq!(got.lock().unwrap().len(), 1, "{how:?}");
    }
}

#[tokio::test]
async fn a_post_that_found_nobody_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gateway = gateway_with(address, PATIENT, RETRYING);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send("POST /proxy/items HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
    until("the first retry", async || {
        gateway.counts("upstream_retries_total{upstream=\"backend\",decision=\"made\"} 1")
    })
    .await;
    let listener = TcpListener::bind(address).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut upstream = Upstream { stream };
    upstream.head().await.unwrap();
    upstream.stream.read_exact(&mut [0; 2]).await.unwrap();
    upstream.send(OK).await;
    assert_eq!(client.reply("POST").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_body_that_was_not_kept_is_not_sent_again() {
    let bytes = frontend::body::MOST_KEPT + 1;
    let (upstream, got) = failing(Failing::Closes, usize::MAX, bytes).await;
    let gateway = gateway_with(upstream.address, PATIENT, RETRYING);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send(format!("PUT /proxy/items HTTP/1.1\r\nHost: test\r\nContent-Length: {bytes}\r\n\r\n")).await.unwrap();
    client.send("x".repeat(bytes)).await.unwrap();
    assert_eq!(client.reply("PUT").await.unwrap().status, 502);
    assert_eq!(got.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn retries_end_with_their_budget() {
    let (upstream, got) = failing(Failing::Closes, usize::MAX, 0).await;
    let budget = Allowance { percent: 50, reserve_per_second: 0 };
    let gateway = gateway_with(upstream.address, PATIENT, Resilience { budget, ..RETRYING });
    for _ in 0..4 {
        assert_eq!(get(gateway.address, "/proxy/items").await.status, 502);
    }
    // Of the four requests the second and the fourth paid for a retry.
    assert_eq!(got.lock().unwrap().len(), 4 + 2);
    assert!(gateway.counts("upstream_retries_total{upstream=\"backend\",decision=\"made\"} 2"));
    assert!(gateway.counts("upstream_retries_total{upstream=\"backend\",decision=\"over_budget\"} 4"));
}

#[tokio::test]
async fn an_upstream_that_only_fails_is_left_alone_and_one_request_finds_out_when_it_is_back() {
    let (upstream, got) = failing(Failing::Closes, 3, 0).await;
    let gateway = gateway_with(upstream.address, PATIENT, BREAKING);
    let ask = async || get(gateway.address, "/proxy/items").await;
    let asked = || got.lock().unwrap().len();
    for _ in 0..2 {
        assert_eq!(ask().await.status, 502);
    }
    let refused = ask().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.text().contains("is not asked"), "{}", refused.text());
    assert_eq!(asked(), 2);
    assert!(gateway.counts("upstream_failures_total{upstream=\"backend\",reason=\"open\"} 1"));

    until("the trial", async || ask().await.status == 502).await;
    assert_eq!((asked(), ask().await.status), (3, 503), "it failed");
    until("the next trial", async || ask().await.status == 200).await;
    assert_eq!((ask().await.status, asked()), (200, 5), "it succeeded, and all are asked again");
}

#[tokio::test]
async fn a_trial_whose_client_went_away_is_followed_by_another() {
    let upstream = Scripted::start(|number, mut upstream| async move {
        upstream.head().await;
        match number {
            0 | 1 => {}
            2 => drop(upstream.stream.read_u8().await),
            _ => upstream.send(OK).await,
        }
    })
    .await;
    let gateway = gateway_with(upstream.address, PATIENT, BREAKING);
    for _ in 0..2 {
        assert_eq!(get(gateway.address, "/proxy/items").await.status, 502);
    }
    until("the trial to go unanswered", async || {
        let mut client = Wire::connect(gateway.address).await.unwrap();
        client.send("GET /proxy/items HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        let refused = tokio::time::timeout(Duration::from_millis(100), client.reply("GET")).await;
        assert!(refused.as_ref().is_err() || refused.as_ref().is_ok_and(|reply| reply.as_ref().unwrap().status == 503));
        drop(client);
        until("the exchange to end", async || gateway.server.metrics.requests_in_flight() == 0).await;
        upstream.connections() == 3
    })
    .await;
    assert_eq!(
        get(gateway.address, "/proxy/items").await.status,
        200,
        "nothing was learnt, so the next is a trial too"
    );
}

/// A client could take an upstream out of service for all others, if what it does wrong were the upstream's failure.
#[tokio::test]
async fn a_client_whose_body_breaks_does_not_open_the_breaker() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        while let Some(head) = upstream.head().await {
            if head.starts_with("post") {
                // Waits for the end of a body that does not come.
                while upstream.head().await.is_some() {}
                return;
            }
            upstream.send(OK).await;
        }
    })
    .await;
    let threshold = Threshold { failures: 2, open: Duration::from_secs(60) };
    let gateway = gateway_with(upstream.address, PATIENT, Resilience { breaker: Some(threshold), ..PLAIN });
    let chunked = "POST /proxy/items HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello";
    for _ in 0..5 {
        let mut client = Wire::connect(gateway.address).await.unwrap();
        client.send(format!("{chunked}!!\r\n")).await.unwrap();
        assert_eq!(client.reply("POST").await.unwrap().status, 400);
        // One that goes away in its body.
        let mut client = Wire::connect(gateway.address).await.unwrap();
        client.send(chunked).await.unwrap();
        client.stream.shutdown().await.unwrap();
        let _ = client.rest().await;
    }
    assert_eq!(get(gateway.address, "/proxy/items").await.status, 200);
}
