//! A gateway with a route table: each request gets to the upstream that the table says, as it says, and the table can change.

use std::sync::Arc;

use serde_json::json;
use testing::scripted::Scripted;
use testing::wire::{Wire, until};
use tokio::sync::Notify;

use crate::gateways::{PATIENT, Routed, named, table};

#[tokio::test]
async fn requests_go_where_the_table_says_and_as_it_says() {
    let (users, orders) = (named("users").await, named("orders").await);
    let routed = Routed::start(&table(
        &[("users", &users), ("orders", &orders)],
        &json!([
            {"path": "/users", "upstream": "users", "rewrite": "/api/users"},
            {"path": "/orders", "upstream": "orders", "methods": ["GET"],
             "requestHeaders": {"X-Set-Tenant": "a"}, "responseHeaders": {"X-Old": "2", "X-New": "3"}},
            {"path": "/orders", "upstream": "orders", "methods": ["GET", "PURGE"], "hosts": ["admin.example"]},
        ]),
    ));
    assert_eq!(routed.get("/users/7?a=b").await.text(), "users: get /api/users/7?a=b http/1.1");
    let reply = routed.ask("GET", "/orders", "X-Set-Tenant: mine\r\n").await;
    assert_eq!(reply.text(), "orders: get /orders http/1.1; x-set-tenant: a");
    assert_eq!((reply.header("x-old"), reply.header("x-new")), (Some("2"), Some("3")));

    let refused = routed.ask("PURGE", "/orders", "").await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    for (path, status) in [("/order", 404), ("/userss", 404), ("/users/../orders", 400), ("/users//x", 400)] {
        assert_eq!(routed.get(path).await.status, status, "{path}");
    }
    assert!(routed.counts("http_requests_total{method=\"GET\",route=\"/users/{*rest}\",status=\"2xx\"} 1"));
}

#[tokio::test]
async fn a_route_for_all_takes_every_method_of_every_path_but_the_probes() {
    let shop = named("shop").await;
    let routed = Routed::start(&table(&[("shop", &shop)], &json!([{"path": "/", "upstream": "shop"}])));
    for (method, path) in [
        ("GET", "/"),
        ("POST", "/"),
        ("PUT", "/"),
        ("OPTIONS", "/"),
        ("GET", "/ui/app.js"),
        ("POST", "/ui/x"),
        ("POST", "/login"),
        ("GET", "/ready/"),
    ] {
        let reply = routed.ask(method, path, "Content-Length: 0\r\n").await;
        assert_eq!(reply.text(), format!("shop: {} {path} http/1.1", method.to_lowercase()), "{method} {path}");
    }
    for own in ["/health", "/ready", "/started", "/%72eady"] {
        let reply = routed.get(own).await;
        assert!(reply.status == 200 && reply.text().contains("\"service\":\"frontend\""), "{own}");
    }
    assert_eq!(routed.ask("POST", "/ready", "").await.status, 405);
    assert_eq!(routed.get("/ready;v=1").await.status, 400, "some upstreams take it for their own /ready");
}

#[tokio::test]
async fn the_page_is_where_no_route_is() {
    let shop = named("shop").await;
    let routed = Routed::start(&table(&[("shop", &shop)], &json!([{"path": "/shop", "upstream": "shop"}])));
    for own in ["/", "/ui/app.js"] {
        assert_eq!(routed.get(own).await.status, 200, "{own}");
        assert_eq!(routed.ask("POST", own, "").await.header("allow"), Some("GET, HEAD, OPTIONS"), "{own}");
    }
    let taken = json!([
        {"path": "/", "exact": true, "methods": ["POST"], "upstream": "shop"},
        {"path": "/ui", "upstream": "shop"},
        {"path": "/ready", "exact": true, "upstream": "shop"},
    ]);
    routed.write(&table(&[("shop", &shop)], &taken).to_string());
    until("the exact route", async || routed.ask("POST", "/", "").await.text() == "shop: post / http/1.1").await;
    let refused = routed.get("/").await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")), "the path is the table's");
    assert_eq!(routed.get("/ui/app.js").await.text(), "shop: get /ui/app.js http/1.1");
    assert!(!routed.get("/ready").await.text().starts_with("shop"), "a table must not make the pod unready");
}

#[tokio::test]
async fn head_is_taken_where_get_is_and_said_to_be() {
    let up = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 1352\r\n\r\n").await;
    let entries = json!([{"path": "/orders", "methods": ["GET"], "upstream": "up"}]);
    let routed = Routed::start(&table(&[("up", &up)], &entries));
    let head = routed.ask("HEAD", "/orders/7", "").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("1352")));
    assert_eq!(routed.ask("POST", "/orders", "").await.header("allow"), Some("GET, HEAD"));
}

#[tokio::test]
async fn the_host_is_the_same_whatever_its_spelling_and_the_upstream_is_told_it_as_it_came() {
    let up = Scripted::start(|_, mut upstream| async move {
        while let Some(head) = upstream.head().await {
            let host = head.lines().find(|line| line.starts_with("x-forwarded-host")).unwrap_or_default().to_owned();
            upstream.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{host}", host.len())).await;
        }
    })
    .await;
    let entries = json!([
        {"path": "/", "hosts": ["shop.example"], "upstream": "up"},
        {"path": "/", "hosts": ["[::1]"], "upstream": "up"},
    ]);
    let routed = Routed::start(&table(&[("up", &up)], &entries));
    let ask = async |target: &str, host: &str| {
        let mut client = Wire::connect(routed.gateway.address).await.unwrap();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.unwrap();
        client.reply("GET").await.unwrap()
    };
    for (target, host) in [
        ("/x", "shop.example"),
        ("/x", "shop.example."),
        ("/x", "shop.example:"),
        ("/x", "shop.example:8080"),
        ("/x", "Shop.Example.:80"),
        ("/x", "[::1]"),
        ("/x", "[0:0::1]:80"),
        ("http://shop.example:80/x", "shop.example"),
        ("http://SHOP.example/x", "shop.example.:80"),
        ("http://shop.example:/x?y", "shop.example"),
        ("http://shop.example", "shop.example"),
    ] {
        let reply = ask(target, host).await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, &*format!("x-forwarded-host: {}", host.to_lowercase())),
            "{target}"
        );
    }
    for (target, host, status) in [
        ("/x", "shop.example..", 400),
        ("/x", "other.example", 404),
        ("/x", "[::2]", 404),
        ("http://shop.example:81/x", "shop.example", 400),
        ("http://other.example/x", "shop.example", 400),
    ] {
        assert_eq!(ask(target, host).await.status, status, "{target} {host}");
    }
}

#[tokio::test]
async fn a_split_follows_its_weights_and_a_header_pins_its_requests() {
    let (stable, canary) = (named("stable").await, named("canary").await);
    let split = json!([{
        "path": "/", "split": [{"upstream": "stable", "weight": 9}, {"upstream": "canary", "weight": 1}],
        "pins": [{"header": "X-Canary", "value": "always", "upstream": "canary"}],
    }]);
    let routed = Routed::start(&table(&[("stable", &stable), ("canary", &canary)], &split));
    let mut client = Wire::connect(routed.gateway.address).await.unwrap();
    let mut to_canary = 0;
    for _ in 0..500 {
        to_canary += u32::from(client.get("/x").await.unwrap().text().starts_with("canary"));
    }
    // 50 are expected; fewer than 15 or more than 95 come once in ten million runs.
    assert!((15..=95).contains(&to_canary), "{to_canary}");
    for _ in 0..20 {
        let reply = client.ask("GET", "/x", "x-canary: always\r\n").await.unwrap();
        assert!(reply.text().starts_with("canary"), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_new_table_takes_over_a_wrong_one_does_not_and_what_is_the_same_stays() {
    let (users, orders) = (named("users").await, named("orders").await);
    let upstreams = [("users", &users), ("orders", &orders)];
    let routed = Routed::start(&table(&upstreams, &json!([{"path": "/x", "upstream": "users"}])));
    assert!(routed.get("/x").await.text().starts_with("users"));

    routed.write(&table(&upstreams, &json!([{"path": "/x", "upstream": "order"}])).to_string());
    until("the refusal", async || routed.counts("route_table_reloads_total{outcome=\"refused\"} 1")).await;
    assert!(routed.get("/x").await.text().starts_with("users"));

    let both = json!([{"path": "/x", "upstream": "orders"}, {"path": "/y", "upstream": "users"}]);
    routed.write(&table(&upstreams, &both).to_string());
    until("the new table", async || routed.get("/x").await.text().starts_with("orders")).await;
    assert!(routed.get("/y").await.text().starts_with("users"));
    assert_eq!(users.connections(), 1, "its connection was kept");
    assert!(routed.counts("route_table_reloads_total{outcome=\"in_force\"} 1"));
}

#[tokio::test]
async fn a_request_finishes_with_the_table_that_it_began_with() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let slow = Scripted::start(move |_, mut upstream| {
        let held = Arc::clone(&held);
        async move {
            upstream.head().await;
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no").await;
            held.notified().await;
            upstream.send("k").await;
        }
    })
    .await;
    let other = named("other").await;
    let routed = Routed::start(&table(&[("slow", &slow)], &json!([{"path": "/", "upstream": "slow"}])));
    let mut client = Wire::connect(routed.gateway.address).await.unwrap();
    client.send("GET /x HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until("the request to arrive", async || slow.connections() == 1).await;
    routed.write(&table(&[("other", &other)], &json!([{"path": "/", "upstream": "other"}])).to_string());
    until("the new table", async || routed.counts("route_table_reloads_total{outcome=\"in_force\"} 1")).await;
    assert!(routed.get("/y").await.text().starts_with("other"));
    go_on.notify_one();
    assert_eq!(client.reply("GET").await.unwrap().text(), "ok");
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_held_up() {
    let shop = named("shop").await;
    let route = json!({
        "path": "/", "upstream": "shop", "rateLimit": {"requests": 3, "periodSeconds": 60, "byHeader": "X-Api-Key"},
    });
    let routed = Routed::start(&table(&[("shop", &shop)], &json!([route])));
    for remaining in ["2", "1", "0"] {
        let reply = routed.ask("GET", "/x", "X-Api-Key: a\r\n").await;
        assert_eq!((reply.status, reply.header("ratelimit-remaining")), (200, Some(remaining)));
        assert_eq!(reply.header("ratelimit-limit"), Some("3"));
    }
    let refused = routed.ask("GET", "/x", "X-Api-Key: a\r\n").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("20")));
    assert_eq!((refused.header("ratelimit-remaining"), refused.header("ratelimit-reset")), (Some("0"), Some("60")));
    assert_eq!(shop.connections(), 1, "what is refused does not reach the upstream");

    assert_eq!(routed.ask("GET", "/x", "X-Api-Key: b\r\n").await.status, 200, "another key");
    for status in [200, 200, 200, 429] {
        assert_eq!(routed.ask("GET", "/x", "X-Api-Key: 127.0.0.1\r\n").await.status, status);
    }
    assert_eq!(routed.get("/x").await.status, 200, "no key: told apart by address, whatever keys others have");

    // Another route changes: this one goes on counting.
    let other = json!({"path": "/other", "upstream": "shop"});
    routed.write(&table(&[("shop", &shop)], &json!([route, other])).to_string());
    until("the new table", async || routed.counts("route_table_reloads_total{outcome=\"in_force\"} 1")).await;
    assert_eq!(routed.ask("GET", "/x", "X-Api-Key: a\r\n").await.status, 429);
}

/// What the schema and docs/gateway.md say of several pods.
#[tokio::test]
async fn each_gateway_counts_the_requests_of_a_client_for_itself() {
    let shop = named("shop").await;
    let route = json!({"path": "/", "upstream": "shop", "rateLimit": {"requests": 3, "periodSeconds": 3600}});
    let one = table(&[("shop", &shop)], &json!([route]));
    let mut passed = 0;
    for gateway in [Routed::start(&one), Routed::start(&one)] {
        for _ in 0..10 {
            passed += u32::from(gateway.get("/x").await.status == 200);
        }
    }
    assert_eq!(passed, 2 * 3, "of one client by two gateways");
}

#[tokio::test]
async fn bodies_are_as_long_as_their_route_allows() {
    let long = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world").await;
    let chunked = Scripted::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
    )
    .await;
    let entries = json!([
        {"path": "/in", "upstream": "long", "maxRequestBytes": 4},
        {"path": "/fits", "upstream": "long", "maxReplyBytes": 11},
        {"path": "/long", "upstream": "long", "maxReplyBytes": 10},
        {"path": "/chunked", "upstream": "chunked", "maxReplyBytes": 10},
    ]);
    let routed = Routed::start(&table(&[("long", &long), ("chunked", &chunked)], &entries));
    let post = async |framing: &str, body: &str| {
        let mut client = Wire::connect(routed.gateway.address).await.unwrap();
        client.send(format!("POST /in HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n{body}")).await.unwrap();
        client.reply("POST").await.unwrap().status
    };
    assert_eq!(post("Content-Length: 5", "hello").await, 413);
    assert_eq!(long.connections(), 0, "what its length gives away is not sent at all");
    assert_eq!(post("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n").await, 413);

    assert_eq!(routed.get("/fits").await.text(), "hello world");
    assert_eq!(routed.get("/long").await.status, 502);
    let mut client = Wire::connect(routed.gateway.address).await.unwrap();
    client.send("GET /chunked HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    assert!(client.reply("GET").await.is_err(), "it is cut off, so that nobody takes it for whole");
}

#[tokio::test]
async fn a_fallback_stands_in_for_an_upstream_that_is_down_and_says_so() {
    let up = named("up").await;
    let down = Scripted::answering("").await;
    let fallback = json!({"status": 200, "contentType": "application/json", "body": "[]"});
    let entries = json!([
        {"path": "/up", "upstream": "up", "fallback": fallback},
        {"path": "/down", "upstream": "down", "fallback": fallback},
    ]);
    let mut table = table(&[("up", &up), ("down", &down)], &entries);
    table["upstreams"]["down"]["url"] = "http://127.0.0.1:1".into();
    let routed = Routed::start(&table);
    let reply = routed.get("/up").await;
    assert!(reply.text().starts_with("up") && reply.header("x-degraded").is_none());
    let reply = routed.get("/down").await;
    assert_eq!((reply.status, reply.text(), reply.header("x-degraded")), (200, "[]", Some("fallback")));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn pages_of_named_origins_may_ask_and_their_questions_do_not_reach_the_upstream() {
    let shop = named("shop").await;
    let cors = json!({"origins": ["https://shop.example"], "methods": ["PUT"], "headers": ["content-type"]});
    let entries = json!([{"path": "/", "upstream": "shop", "cors": cors, "maxRequestBytes": 0}]);
    let routed = Routed::start(&table(&[("shop", &shop)], &entries));
    let asked = "Origin: https://shop.example\r\nAccess-Control-Request-Method: PUT\r\n";
    let answer = routed.ask("OPTIONS", "/cart", asked).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://shop.example")));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
    assert_eq!(shop.connections(), 0);

    let reply = routed.ask("PUT", "/cart", "Origin: https://shop.example\r\nContent-Length: 0\r\n").await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, Some("https://shop.example")));
    let reply = routed.ask("GET", "/cart", "Origin: https://evil.example\r\n").await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin"), reply.header("vary")),
        (200, None, Some("origin"))
    );
    let refused = routed.ask("PUT", "/cart", "Origin: https://shop.example\r\nContent-Length: 1\r\n\r\nx").await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (413, Some("https://shop.example")));
    // No question of a browser: the upstream's to answer.
    assert!(routed.ask("OPTIONS", "/cart", "").await.text().starts_with("shop"));
}

#[tokio::test]
async fn an_old_version_of_an_api_says_when_it_ends_and_what_comes_after_it() {
    let (old, new) = (named("v1").await, named("v2").await);
    let end = json!({
        "Deprecation": "@1767225600",
        "Sunset": "Fri, 01 Jan 2027 00:00:00 GMT",
        "Link": "</api/v2>; rel=\"successor-version\"",
    });
    let entries = json!([
        {"path": "/api/v1", "upstream": "old", "responseHeaders": end},
        {"path": "/api/v2", "upstream": "new"},
    ]);
    let routed = Routed::start(&table(&[("old", &old), ("new", &new)], &entries));
    let reply = routed.get("/api/v1/items").await;
    assert_eq!(reply.text(), "v1: get /api/v1/items http/1.1");
    assert_eq!(reply.header("deprecation"), Some("@1767225600"));
    assert_eq!(reply.header("sunset"), Some("Fri, 01 Jan 2027 00:00:00 GMT"));
    assert_eq!(reply.header("link"), Some("</api/v2>; rel=\"successor-version\""));
    let reply = routed.get("/api/v2/items").await;
    assert_eq!(reply.text(), "v2: get /api/v2/items http/1.1");
    for name in ["deprecation", "sunset", "link"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_route_can_give_up_sooner_than_its_upstream_would() {
    let stalled = Scripted::start(|_, mut upstream| async move {
        let _ = upstream.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let quick = json!([{
        "path": "/quick", "upstream": "stalled", "tryTimeoutSeconds": 0.1, "timeoutSeconds": 10, "retries": 0
    }]);
    let routed = Routed::start(&table(&[("stalled", &stalled)], &quick));
    let asked = tokio::time::timeout(PATIENT.attempt / 2, routed.get("/quick")).await;
    assert_eq!(asked.expect("it is tried for a tenth of a second, once").status, 504);
}
