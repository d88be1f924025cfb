//! Routes whose reply is put together of what several upstreams answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service::settings::limits::Limits;
use testing::running::WIDE;
use testing::scripted::Scripted;
use testing::wire::{Wire, until};
use tokio::sync::{Barrier, Semaphore};

use crate::gateways::{Routed, table};

/// The reply `status` with `body`.
fn reply(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An upstream that answers everybody with `body`.
async fn saying(body: &str) -> Scripted {
    Scripted::answering(reply("200 OK", body)).await
}

/// `/overview` of `user`, which is required or not, and `orders`, each of the upstream of its name, with `settings` besides.
fn overview(user: &Scripted, orders: &Scripted, required: bool, settings: &Value) -> Value {
    let mut route = json!({
        "path": "/overview",
        "aggregate": {
            "user": {"upstream": "user", "rewrite": "/api/users", "required": required},
            "orders": {"upstream": "orders", "rewrite": "/api/orders/of"},
        },
    });
    route.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    table(&[("user", user), ("orders", orders)], &json!([route]))
}

#[tokio::test]
async fn a_reply_is_put_together_of_what_two_upstreams_answer_at_the_same_time() {
    // Neither answers before both were asked.
    let both = Arc::new(Barrier::new(2));
    let upstream = |body: &'static str| {
        let both = Arc::clone(&both);
        Scripted::start(move |_, mut upstream| {
            let both = Arc::clone(&both);
            async move {
                while let Some(head) = upstream.head().await {
                    both.wait().await;
                    let asked = |name: &str| head.lines().find(|line| line.starts_with(name)).unwrap_or("none");
                    let lines = ["get ", "accept:", "accept-encoding", "if-none-match", "x-request-id"].map(asked);
                    let body = body.replace("ASKED", &lines.join("; "));
                    upstream.send(&reply("200 OK", &body)).await;
                }
            }
        })
    };
    let (user, orders) =
        (upstream(r#"{"name":"Ada","asked":"ASKED"}"#).await, upstream(" [1.10, 9007199254740993]\n").await);
    let routed = Routed::start(&overview(&user, &orders, false, &json!({})));
    let headers = "X-Request-Id: one\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\nIf-None-Match: \"a\"\r\n";
    let reply = routed.ask("GET", "/overview/7?a=b", headers).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.header("x-degraded"), None);
    let asked = "get /api/users/7?a=b http/1.1; accept: application/json; none; none; x-request-id: one";
    let whole = format!(r#"{{"orders": [1.10, 9007199254740993]NL,"user":{{"name":"Ada","asked":"{asked}"}}}}"#);
    assert_eq!(reply.text(), whole.replace("NL", "\n"), "to the last digit as they wrote it");

    let head = routed.ask("HEAD", "/overview/7?a=b", headers).await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some(&*whole.replace("NL", "\n").len().to_string()))
    );
    assert_eq!(routed.ask("POST", "/overview", "Content-Length: 0\r\n").await.header("allow"), Some("GET, HEAD"));
}

/// What an upstream sends instead of a good reply, and what the client is told of it.
const MISSING: [(&str, u16, &str); 10] = [
    ("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}", 502, "answered 500 Internal Server Error"),
    ("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}", 404, "answered 404 Not Found"),
    ("HTTP/1.1 302 No\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 502, "answered 302 Found"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{\"a\":}", 502, "sent a reply that is no JSON"),
    // White space of other languages, and text that is none.
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\x0c{}", 502, "sent a reply that is no JSON"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n \x0c", 502, "sent a reply that is no JSON"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\x0b", 502, "sent a reply that is no JSON"),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[1,2,3,4,5,6,7,8,9]\n",
        502,
        "sent a reply that is longer than 19 bytes",
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\nx\r\n", 502, "sent a reply that broke off"),
    ("no HTTP\r\n\r\n", 502, "sent a reply that is not valid HTTP"),
];

#[tokio::test]
async fn a_part_that_is_missing_is_null_and_told_and_the_others_are_there() {
    let user = saying(r#"{"name":"Ada"}"#).await;
    for (answer, status, detail) in MISSING {
        let orders = Scripted::answering(answer).await;
        let routed = Routed::start(&overview(&user, &orders, true, &json!({"maxReplyBytes": 19})));
        let reply = routed.get("/overview/7").await;
        assert_eq!((reply.status, reply.header("x-degraded")), (200, Some("aggregate")), "{answer}");
        let detail = format!("upstream {} {detail}", orders.address);
        let told = json!({"orders": {"status": status, "detail": detail}});
        let whole: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(whole, json!({"user": {"name": "Ada"}, "orders": null, "errors": told}), "{answer}");
    }
    let nothing = Scripted::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let routed = Routed::start(&overview(&user, &nothing, true, &json!({})));
    let reply = routed.get("/overview/7").await;
    assert_eq!((reply.text(), reply.header("x-degraded")), (r#"{"orders":null,"user":{"name":"Ada"}}"#, None));
}

#[tokio::test]
async fn without_a_part_that_is_required_there_is_no_reply_and_nobody_waits_for_the_others() {
    let silent = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    for (answer, status, detail) in MISSING {
        let user = Scripted::answering(answer).await;
        let routed = Routed::start(&overview(&user, &silent, true, &json!({"maxReplyBytes": 19})));
        let reply = routed.get("/overview/7").await;
        assert_eq!(reply.status, status, "{answer}");
        let problem: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(problem["detail"], format!("upstream {} {detail}", user.address));
        assert_eq!(problem["upstream"], user.address.to_string());
    }
    let down = Scripted::answering(reply("500 Oh", "")).await;
    let fallback = json!({"fallback": {"status": 200, "contentType": "text/plain", "body": "later"}});
    let routed = Routed::start(&overview(&down, &silent, true, &fallback));
    let instead = routed.get("/overview/7").await;
    assert_eq!((instead.text(), instead.header("x-degraded")), ("later", Some("fallback")));
    let routed = Routed::start(&overview(&down, &down, false, &json!({})));
    assert_eq!(routed.get("/overview/7").await.status, 502, "of nothing at all nothing is put together");
}

#[tokio::test]
async fn one_deadline_holds_for_heads_and_bodies_of_all_parts() {
    // Its head comes at once, and the rest never: a byte each moment.
    let drips = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n[").await;
        loop {
            upstream.send(" ").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let silent = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let quick = saying("1").await;
    let times = json!({"timeoutSeconds": 0.5, "tryTimeoutSeconds": 0.4});
    let mut document = overview(&drips, &silent, false, &times);
    document["upstreams"]["quick"] = json!({"url": format!("http://{}", quick.address)});
    document["routes"][0]["aggregate"]["quick"] = json!({"upstream": "quick"});
    let routed = Routed::start(&document);
    let began = Instant::now();
    let reply = routed.get("/overview/7").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let whole: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((&whole["quick"], &whole["errors"]["user"]["status"]), (&json!(1), &json!(504)), "{whole}");
    let said = |part: &str| whole["errors"][part]["detail"].as_str().unwrap().to_owned();
    assert!(
        said("user").ends_with("did not send its whole reply in time")
            && said("orders").ends_with("does not answer in time")
    );
    assert!(routed.counts("upstream_failures_total{upstream=\"orders\",reason=\"timeout\"} 1"));
}

#[tokio::test]
async fn parts_take_no_more_memory_than_there_is_for_bodies() {
    let long = saying(&format!("[{}1]", "0,".repeat(3000))).await;
    let document = overview(&long, &long, false, &json!({}));
    let routed = Routed::within(&document, Limits { held_body_bytes: 12_000, ..WIDE });
    let reply = routed.get("/overview/7").await;
    let whole: Value = serde_json::from_slice(&reply.body).unwrap();
    let busy = json!({"status": 503, "detail": "there is no room for replies that are put together: try again later"});
    assert!([&whole["errors"]["user"], &whole["errors"]["orders"]].contains(&&busy), "{whole}");
    drop(routed);
    let routed = Routed::within(&document, WIDE);
    assert_eq!(routed.get("/overview/7").await.header("x-degraded"), None);
}

/// Each has a connection of its own, so there are as many at most, whatever clients ask for.
#[tokio::test]
async fn parts_beyond_those_that_may_be_under_way_wait() {
    const CLIENTS: usize = 40;
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let slow = Scripted::start(move |_, mut upstream| {
        let held = Arc::clone(&held);
        async move {
            while upstream.head().await.is_some() {
                held.acquire().await.unwrap().forget();
                upstream.send(&reply("200 OK", "1")).await;
            }
        }
    })
    .await;
    let route = json!({"path": "/", "aggregate": {"a": {"upstream": "it"}, "b": {"upstream": "it"}}});
    let routed = Routed::start(&table(&[("it", &slow)], &json!([route])));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Wire::connect(routed.gateway.address).await.unwrap();
        client.send("GET /x HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        clients.push(client);
    }
    until("all that may be", async || routed.counts("upstream_requests_in_flight{upstream=\"it\"} 64")).await;
    until("all requests", async || routed.counts(&format!("http_requests_in_flight {CLIENTS}"))).await;
    assert!(routed.counts("upstream_requests_in_flight{upstream=\"it\"} 64"), "and no more");
    permits.add_permits(2 * CLIENTS);
    for mut client in clients {
        assert_eq!(client.reply("GET").await.unwrap().text(), r#"{"a":1,"b":1}"#);
    }
}
