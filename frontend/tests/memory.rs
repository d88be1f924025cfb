//! The memory of the gateway's process while clients stretch a bound: each stays where the sum of its bounds has it.

use std::net::SocketAddr;

use serde_json::json;
use testing::memory::{
    assert_drips_are_small, assert_unfinished_heads_within, assert_within, bounds, peak, resident, settled, slow_reader,
};
use testing::program::Program;
use testing::scripted::{OK, Scripted};
use testing::websocket::{HANDSHAKE, SWITCHED};
use testing::wire::Wire;
use tokio::io::AsyncWriteExt;

const MIB: u64 = 1 << 20;
const ENDLESS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
const PROGRAM: &str = env!("CARGO_BIN_EXE_frontend");

/// An upstream that answers each head with `reply`, [`ENDLESS`] without an end, and takes all bodies where it has none.
async fn upstream(reply: &'static str) -> SocketAddr {
    let upstream = Scripted::start(move |_, mut upstream| async move {
        while upstream.head().await.is_some() {
            upstream.send(reply).await;
            while reply == ENDLESS && upstream.stream.write_all(&[b'x'; 16_384]).await.is_ok() {}
            if reply.is_empty() {
                let _ = tokio::io::copy(&mut upstream.stream, &mut tokio::io::sink()).await;
            }
        }
    });
    upstream.await.address
}

/// A gateway whose only route, for every path, has `settings` besides its path and its upstream.
fn gateway(name: &str, upstream: SocketAddr, settings: &serde_json::Value) -> (Program, SocketAddr) {
    gateway_with(name, upstream, settings, &[])
}

fn gateway_with(
    name: &str,
    upstream: SocketAddr,
    settings: &serde_json::Value,
    environment: &[(&str, &str)],
) -> (Program, SocketAddr) {
    let mut route = json!({"path": "/x", "upstream": "it"});
    route.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let table = json!({"upstreams": {"it": {"url": format!("http://{upstream}")}}, "routes": [route]}).to_string();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("memory-{name}.json"));
    std::fs::write(&file, table).unwrap();
    let environment = [environment, &[("ROUTES_FILE", file.to_str().unwrap())]].concat();
    Program::serving(PROGRAM, &environment)
}

#[tokio::test]
async fn long_names_of_clients_of_a_rate_limit_are_not_kept() {
    const CLIENTS: usize = 3000;
    const NAME: usize = 8000;
    let upstream = upstream(OK).await;
    let limit = json!({"rateLimit": {"requests": 1, "periodSeconds": 3600, "byHeader": "x-api-key"}});
    let (gateway, service) = gateway("rate-limit", upstream, &limit);
    let mut client = Wire::connect(service).await.unwrap();
    let ask = |client: usize| format!("X-Api-Key: {client:0>NAME$}\r\n");
    assert_eq!(client.ask("GET", "/x", &ask(0)).await.unwrap().status, 200);
    let before = resident(&gateway);
    for name in 1..CLIENTS {
        let reply = client.ask("GET", "/x", &ask(name)).await.unwrap();
        assert_eq!(reply.status, 200);
        if reply.says_close() {
            client = Wire::connect(service).await.unwrap();
        }
    }
    assert_eq!(client.ask("GET", "/x", &ask(0)).await.unwrap().status, 429, "the first is still told apart");
    let grown = peak(&gateway) - before;
    let names = (CLIENTS * NAME) as u64;
    assert!(names > 5 * 4 * MIB, "the names would be seen");
    assert_within(&format!("{CLIENTS} clients of {NAME} bytes"), grown, 0, 4 * MIB);
}

#[tokio::test]
async fn bodies_sent_byte_by_byte_take_no_more_than_they_have_bytes() {
    let (gateway, service) = gateway("drip", upstream("").await, &json!({}));
    assert_drips_are_small(&gateway, service, "/x").await;
}

#[tokio::test]
async fn unfinished_heads_stay_within_the_bound_of_their_connections() {
    let environment = [("MAX_CONNECTIONS", "500")];
    let bound = bounds(PROGRAM, &environment)["connections"];
    let (gateway, service) = gateway_with("heads", upstream(OK).await, &json!({}), &environment);
    assert_unfinished_heads_within(&gateway, service, bound).await;
}

/// With long heads, as many as may be in flight; the upstreams send as fast as they can.
#[tokio::test]
async fn readers_that_take_nothing_stay_within_the_bound_of_requests_in_flight() {
    const CLIENTS: usize = 100;
    // The upstream is a task of this test, beside a hundred clients: on a busy machine it answers late.
    let patience = [("UPSTREAM_TRY_TIMEOUT_SECONDS", "30"), ("UPSTREAM_TIMEOUT_SECONDS", "60")];
    let environment = [("MAX_CONNECTIONS", "100"), ("MAX_IN_FLIGHT", "100"), patience[0], patience[1]];
    let bounds = bounds(PROGRAM, &environment);
    let bound = bounds["connections"] + bounds["requests on their way to upstreams"];
    let (gateway, service) = gateway_with("readers", upstream(ENDLESS).await, &json!({}), &environment);
    let before = resident(&gateway);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = slow_reader(service).await;
        let fields = (0..90).map(|number| format!("X-{number}: {:150}\r\n", "x")).collect::<Vec<_>>().concat();
        client.send(format!("GET /x HTTP/1.1\r\nHost: test\r\n{fields}\r\n")).await.unwrap();
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.head().await.unwrap().0, 200);
    }
    assert_within(&format!("{CLIENTS} slow readers"), settled(&gateway).await - before, bound / 4, bound);
}

/// Bodies that could all be tried again, of requests that nobody answers; beyond the bound they are forwarded and not kept.
#[tokio::test]
async fn bodies_that_are_kept_stay_within_their_bound() {
    const CLIENTS: usize = 100;
    const HELD: &str = "1048576";
    let environment = [("MAX_CONNECTIONS", "100"), ("MAX_IN_FLIGHT", "100"), ("MAX_HELD_BODY_BYTES", HELD)];
    let bounds = bounds(PROGRAM, &environment);
    let held = bounds["bytes of bodies that are kept whole"];
    let bound = bounds["connections"] + bounds["requests on their way to upstreams"] + held;
    let (gateway, service) = gateway_with("bodies", upstream("").await, &json!({}), &environment);
    let before = resident(&gateway);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Wire::connect(service).await.unwrap();
        let request = "PUT /x HTTP/1.1\r\nHost: test\r\nContent-Length: 65537\r\n\r\n";
        client.send(format!("{request}{}", "x".repeat(65_536))).await.unwrap();
        clients.push(client);
    }
    assert_eq!(held, 1 << 20);
    assert_within(&format!("{CLIENTS} bodies of 64 KiB"), settled(&gateway).await - before, 0, bound);
}

/// As many parts as may be under way, each of which stops half-way; beyond the bound of what is kept they are missing.
#[tokio::test]
async fn parts_of_aggregates_stay_within_their_bound() {
    let held = ("MAX_HELD_BODY_BYTES", "4194304");
    let environment = [("MAX_CONNECTIONS", "100"), ("MAX_IN_FLIGHT", "100"), held];
    let bounds = bounds(PROGRAM, &environment);
    let exchange = bounds["requests on their way to upstreams"] / 100;
    let bound = bounds["connections"] + 64 * exchange + bounds["bytes of bodies that are kept whole"];
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n").await;
        upstream.send(&" ".repeat(100_000)).await;
        std::future::pending::<()>().await;
    });
    let part = json!({"upstream": "it"});
    let parts: serde_json::Map<_, _> = (0..8).map(|name| (name.to_string(), part.clone())).collect();
    let times = json!({"upstream": null, "aggregate": parts, "tryTimeoutSeconds": 60, "timeoutSeconds": 60});
    let (gateway, service) = gateway_with("parts", upstream.await.address, &times, &environment);
    let before = resident(&gateway);
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = Wire::connect(service).await.unwrap();
        client.send("GET /x HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        clients.push(client);
    }
    assert_within("64 parts of 200 KB", settled(&gateway).await - before, MIB, bound);
}

/// Tunnels that are stuffed from both ends, and taken from by neither.
#[tokio::test]
async fn tunnels_stay_within_their_bound() {
    let environment = [("MAX_CONNECTIONS", "200"), ("MAX_TUNNELS", "200")];
    let bounds = bounds(PROGRAM, &environment);
    let bound = bounds["connections"] + bounds["tunnels"];
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        upstream.send(SWITCHED).await;
        while upstream.stream.write_all(&[b'x'; 16_384]).await.is_ok() {}
    });
    let upstream = upstream.await.address;
    let (gateway, service) = gateway_with("tunnels", upstream, &json!({"upgrades": ["websocket"]}), &environment);
    let before = resident(&gateway);
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = slow_reader(service).await;
        client.send(format!("GET /x HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}\r\n")).await.unwrap();
        assert_eq!(client.head().await.unwrap().0, 101);
        let stuffed = client.send(vec![b'x'; 400_000]);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(20), stuffed).await;
        clients.push(client);
    }
    assert_within("200 tunnels", settled(&gateway).await - before, bound / 4, bound);
}
