//! The gateway behind proxies: whom it believes, and what the upstream gets of it.

use serde_json::json;
use testing::scripted::Scripted;
use testing::wire::Reply;

use crate::gateways::{Routed, table};

/// An upstream whose answers are what it was told of the client.
async fn telling() -> Scripted {
    Scripted::start(|_, mut upstream| async move {
        while let Some(head) = upstream.head().await {
            let told: Vec<&str> = ["x-forwarded-for: ", "x-forwarded-proto: ", "x-forwarded-host: ", "forwarded: "]
                .iter()
                .flat_map(|name| head.lines().filter_map(move |line| line.strip_prefix(name)))
                .collect();
            let told = told.join(" | ");
            upstream.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len())).await;
        }
    })
    .await
}

async fn gateway(trusted: &str) -> Routed {
    let upstream = telling().await;
    let routes = json!([
        {"path": "/told", "upstream": "one"},
        {"path": "/limited", "upstream": "one", "rateLimit": {"requests": 2, "periodSeconds": 3600}},
    ]);
    Routed::behind(trusted, &table(&[("one", &upstream)], &routes))
}

async fn told(gateway: &Routed, headers: &str) -> String {
    let reply = gateway.ask("GET", "/told", headers).await;
    assert_eq!(reply.status, 200, "{headers}");
    reply.text().to_owned()
}

#[tokio::test]
async fn behind_an_ingress_that_ends_tls_the_upstream_learns_scheme_host_and_client() {
    let gateway = gateway("127.0.0.0/8").await;
    let said =
        "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n";
    assert_eq!(told(&gateway, said).await, "203.0.113.9, 127.0.0.1 | https | shop.example");
    let said = "Forwarded: for=6.6.6.6, for=\"[2001:db8::9]:4711\";proto=https;host=shop.example\r\n";
    assert_eq!(told(&gateway, said).await, "2001:db8::9, 127.0.0.1 | https | shop.example");
    let disagreeing =
        "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: http\r\nForwarded: for=6.6.6.6;proto=https\r\n";
    assert_eq!(told(&gateway, disagreeing).await, "127.0.0.1 | http | test");
    assert_eq!(told(&gateway, "").await, "127.0.0.1 | http | test");
}

#[tokio::test]
async fn who_is_not_named_is_not_believed() {
    let said = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\
                Forwarded: for=203.0.113.9;proto=https;host=shop.example\r\nX-Real-IP: 203.0.113.9\r\n";
    for trusted in ["", "10.0.0.0/8,::/0", "127.0.0.2"] {
        let gateway = gateway(trusted).await;
        assert_eq!(told(&gateway, said).await, "127.0.0.1 | http | test", "{trusted}");
    }
}

#[tokio::test]
async fn a_rate_limit_by_address_tells_the_clients_behind_a_trusted_proxy_apart() {
    let left = |reply: Reply| (reply.status, reply.header("ratelimit-remaining").unwrap().to_owned());
    let apart = gateway("127.0.0.1").await;
    let of = |address: &str| format!("X-Forwarded-For: 6.6.6.6, {address}\r\n");
    let first = apart.ask("GET", "/limited", &of("203.0.113.9")).await;
    assert_eq!(left(first), (200, "1".into()));
    let other = apart.ask("GET", "/limited", &of("[2001:db8::9]:4711")).await;
    assert_eq!(left(other), (200, "1".into()));
    // Of another port, and as a proxy that speaks IPv6 writes it.
    let again = apart.ask("GET", "/limited", &of("::ffff:203.0.113.9")).await;
    assert_eq!(left(again), (200, "0".into()));
    let third = apart.ask("GET", "/limited", &of("203.0.113.9:4712")).await;
    assert_eq!(third.status, 429);

    let together = gateway("").await;
    for (address, remaining) in [("203.0.113.9", "1"), ("203.0.113.10", "0")] {
        assert_eq!(left(together.ask("GET", "/limited", &of(address)).await), (200, remaining.into()));
    }
    assert_eq!(together.ask("GET", "/limited", &of("203.0.113.11")).await.status, 429);
}
