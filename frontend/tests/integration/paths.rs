//! Paths: however one is spelt, it is found by the same route, and the upstream gets it in one spelling.

use serde_json::json;

use crate::gateways::{Routed, named, table};

const KEY: &str = "x-api-key: 0123456789abcdef\r\n";

#[tokio::test]
async fn what_is_behind_a_key_is_so_in_every_spelling() {
    let one = named("one").await;
    let entries = json!([
        {"path": "/orders", "upstream": "one", "auth": {"apiKey": {"secret": "keys"}}},
        {"path": "/", "upstream": "one"},
    ]);
    let secrets = [("keys", "me:0123456789abcdef")];
    let routed = Routed::with_secrets(&table(&[("one", &one)], &entries), &secrets);
    for path in [
        "/orders",
        "/orders/",
        "/orders/7",
        "/%6Frders",
        "/%6frders/7",
        "/o%72ders/7",
        "/%6F%72%64%65%72%73/",
        "/orders/;x",
        "/orders/7;v=1",
        "/orders?a",
        "/%6Frders?a",
        "http://test/%6Frders",
    ] {
        assert_eq!(routed.get(path).await.status, 401, "{path}");
        assert_eq!(routed.ask("HEAD", path, "").await.status, 401, "{path}");
        assert_eq!(routed.ask("GET", path, KEY).await.status, 200, "{path}");
    }
    // What some programs read as /orders, and others do not: with a key or without.
    for path in [
        "/orders;v=1",
        "/orders;v=1/7",
        "/%6Frders;v/7",
        "/orders%3Bv=1",
        "/orders%3fa",
        "/orders%23",
        "/x/..;/orders",
        "/x/../orders",
        "//orders",
        "/x/..%2forders",
        "/x%5c..%5corders",
        "/;/orders",
        "/./orders",
        "/orders%00",
        "/orders%0A",
        "/orders%C0%AF7",
    ] {
        assert_eq!(routed.get(path).await.status, 400, "{path}");
        assert_eq!(routed.ask("GET", path, KEY).await.status, 400, "{path}");
    }
    assert_eq!(routed.get("/ordersx").await.status, 200);
    // Other paths, as the grammar has it: a server that reads them as /orders does not belong behind this table.
    for path in ["/Orders", "/orders.", "/orders%20", "/%256Frders", "/ord%C3%A9rs", "/x;orders", "/x/orders"] {
        assert!(routed.get(path).await.text().starts_with(&format!("one: get {}", path.to_lowercase())), "{path}");
    }
}

#[tokio::test]
async fn limits_and_cors_are_those_of_the_route_in_every_spelling() {
    let one = named("one").await;
    let entries = json!([
        {"path": "/limited", "upstream": "one", "rateLimit": {"requests": 3, "periodSeconds": 60}},
        {"path": "/short", "upstream": "one", "maxRequestBytes": 1},
        {"path": "/cors", "upstream": "one", "cors": {"origins": ["https://shop.example"]}},
        {"path": "/", "upstream": "one"},
    ]);
    let routed = Routed::start(&table(&[("one", &one)], &entries));
    let mut statuses = Vec::new();
    for path in ["/limited", "/%6cimited", "/limite%64/7", "/%6Cimited", "/limited"] {
        statuses.push(routed.get(path).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert!(routed.counts("http_requests_total{method=\"GET\",route=\"/limited/{*rest}\",status=\"4xx\"} 2"));
    assert_eq!(routed.ask("POST", "/%73hort", "Content-Length: 2\r\n\r\nab").await.status, 413);
    let asked = "Origin: https://shop.example\r\nAccess-Control-Request-Method: GET\r\n";
    let answer = routed.ask("OPTIONS", "/%63ors/x", asked).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://shop.example")));
}

#[tokio::test]
async fn the_upstream_gets_the_spelling_by_which_the_route_was_found() {
    let one = named("one").await;
    let entries = json!([
        {"path": "/%73hop", "rewrite": "/%61pi", "upstream": "one"},
        {"path": "/caf%c3%a9", "exact": true, "upstream": "one"},
        {"path": "/", "upstream": "one"},
    ]);
    let routed = Routed::start(&table(&[("one", &one)], &entries));
    for (path, forwarded) in [
        ("/sho%70/%37/?%61=%2f..", "/api/7/?%61=%2f.."),
        ("/caf%C3%A9", "/caf%c3%a9"),
        ("/caf%c3%a9", "/caf%c3%a9"),
        ("/a%20b%3bc%2e%7e", "/a%20b%3bc.~"),
        ("/a|b[c]", "/a%7cb%5bc%5d"),
        ("/a;v=1/b,c:d@e", "/a;v=1/b,c:d@e"),
    ] {
        // The scripted upstream reads in lower case.
        assert_eq!(routed.get(path).await.text(), format!("one: get {forwarded} http/1.1"), "{path}");
    }
    assert_eq!(routed.get("/caf%C3%A9/").await.text(), "one: get /caf%c3%a9/ http/1.1");
}

#[tokio::test]
async fn a_last_slash_leads_past_no_guard() {
    let one = named("one").await;
    let entries = json!([
        {"path": "/exact", "exact": true, "upstream": "one", "auth": {"apiKey": {"secret": "keys"}}},
        {"path": "/open", "exact": true, "upstream": "one"},
        {"path": "/", "upstream": "one"},
    ]);
    let secrets = [("keys", "me:0123456789abcdef")];
    let routed = Routed::with_secrets(&table(&[("one", &one)], &entries), &secrets);
    for (path, status) in [("/exact", 401), ("/exact/", 400), ("/exact/7", 200), ("/open/", 200)] {
        assert_eq!(routed.get(path).await.status, status, "{path}");
    }
}
