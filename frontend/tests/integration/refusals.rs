//! Requests that the gateway refuses, or its upstream, before their body was read: the client learns why, and nothing is lost.

use serde_json::json;
use testing::scripted::Scripted;
use testing::wire::Wire;

use crate::gateways::{PATIENT, Routed, gateway_to, named, table};

/// Each refusal of the gateway's own, of a body that no buffer holds, whose sender reads only when all is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upload_learns_why() {
    let one = named("one").await;
    // As a backend that waits for the whole body: one that answers the head of a chunked body has answered before the limit is passed.
    let waits = Scripted::start(async |_, mut upstream| {
        tokio::io::copy(&mut upstream.stream, &mut tokio::io::sink()).await.ok();
    })
    .await;
    let routes = json!([
        {"path": "/guarded", "upstream": "one", "auth": {"apiKey": {"secret": "keys"}}},
        {"path": "/limited", "upstream": "one", "rateLimit": {"requests": 1, "periodSeconds": 3600}},
        {"path": "/small", "upstream": "waits", "maxRequestBytes": 1000},
        {"path": "/read", "upstream": "one", "methods": ["GET"]},
    ]);
    let gateway =
        Routed::with_secrets(&table(&[("one", &one), ("waits", &waits)], &routes), &[("keys", "me:0123456789abcdef")]);
    assert_eq!(gateway.get("/limited").await.status, 200);
    let body = vec![b'x'; 4 << 20];
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
    let refusals = [("/guarded", 401), ("/limited", 429), ("/small", 413), ("/read", 405), ("/none", 404)];
    for ((path, status), framing) in refusals.into_iter().flat_map(|refusal| [(refusal, &length), (refusal, &chunked)])
    {
        for time in 0..10 {
            let name = format!("{path} {framing:?}, the {time}th time");
            let mut client = Wire::connect(gateway.gateway.address).await.unwrap();
            client.send(format!("POST {path} HTTP/1.1\r\nHost: t\r\n{framing}")).await.unwrap();
            client.send(&body).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            let reply = client.reply("POST").await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((reply.status, reply.says_close()), (status, true), "{name}");
        }
    }
}

/// Those whose body is short lose neither the reply nor the next request.
#[tokio::test]
async fn a_refusal_of_a_short_body_leaves_the_connection_as_it_was() {
    let one = named("one").await;
    let gateway = Routed::start(&table(&[("one", &one)], &json!([{"path": "/read", "upstream": "one"}])));
    let mut client = Wire::connect(gateway.gateway.address).await.unwrap();
    for (before, after) in [("hello", ""), ("", "hello"), ("he", "llo")] {
        client.send(format!("POST /none HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n{before}")).await.unwrap();
        let reply = client.reply("POST").await.unwrap();
        assert_eq!((reply.status, reply.says_close()), (404, false));
        client.send(after).await.unwrap();
        assert_eq!(client.get("/read").await.unwrap().text(), "one: get /read http/1.1");
    }
}

/// The upstream answers at once, and reads the whole body only after that: nothing of either is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_reply_of_the_upstream_does_not_cut_the_upload() {
    const BODY: usize = 30_000_000;
    let (sender, mut read) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Scripted::start(move |_, mut upstream| {
        let sender = sender.clone();
        async move {
            upstream.head().await.unwrap();
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            let mut body = vec![0; BODY];
            let whole = tokio::io::AsyncReadExt::read_exact(&mut upstream.stream, &mut body).await;
            sender.send(whole.is_ok()).unwrap();
        }
    })
    .await;
    let gateway = gateway_to(upstream.address, PATIENT);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send(format!("POST /proxy/items HTTP/1.1\r\nHost: t\r\nContent-Length: {BODY}\r\n\r\n")).await.unwrap();
    let reply = client.reply("POST").await.unwrap();
    assert_eq!((reply.text(), reply.says_close()), ("ok", true));
    client.send(vec![b'x'; BODY]).await.unwrap();
    assert_eq!(read.recv().await, Some(true));
    assert!(client.rest().await.unwrap().is_empty());
}
