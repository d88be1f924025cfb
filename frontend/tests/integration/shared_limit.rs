//! Gateways that count the requests of a client together, in a Redis that they share.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use serde_json::{Value, json};
use testing::redis::Redis;
use testing::scripted::Scripted;
use testing::wire::until;

use crate::gateways::{Routed, named, table};

/// Of `shop`, with this limit of all gateways.
fn limited(shop: &Scripted, requests: u32, period: f64) -> Value {
    let limit = json!({"requests": requests, "periodSeconds": period, "byHeader": "x-api-key", "global": true});
    table(&[("shop", shop)], &json!([{"path": "/", "upstream": "shop", "rateLimit": limit}]))
}

/// Two that share `redis`, which both have found.
async fn two(table: &Value, redis: &Redis) -> [Routed; 2] {
    let gateways = [Routed::sharing(table, &redis.url()), Routed::sharing(table, &redis.url())];
    for gateway in &gateways {
        until("the store is there", async || gateway.counts("store_reachable 1")).await;
    }
    gateways
}

#[tokio::test]
async fn gateways_that_share_a_store_let_through_what_one_would_and_each_judges_for_itself_without_it() {
    let (shop, mut redis) = (named("shop").await, Redis::start(&[]));
    let all = limited(&shop, 5, 3600.0);
    let gateways = two(&all, &redis).await;
    let passed = async |client: &str| {
        let mut passed = 0;
        for _ in 0..8 {
            for gateway in &gateways {
                let reply = gateway.ask("GET", "/x", &format!("x-api-key: {client}\r\n")).await;
                assert_eq!(reply.header("ratelimit-limit"), Some("5"));
                passed += u32::from(reply.status == 200);
            }
        }
        passed
    };
    assert_eq!(passed("a").await, 5, "of one client by two gateways");
    let refused = gateways[0].ask("GET", "/x", "x-api-key: a\r\n").await;
    assert_eq!((refused.status, refused.header("ratelimit-remaining")), (429, Some("0")));
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=720).contains(&after), "{after}");
    assert!(gateways[0].counts("rate_limit_judged_total{by=\"store\"} 9"));
    assert!(!redis.ask("KEYS *").contains("x-api-key") && redis.ask("DBSIZE") == ":1\r\n", "a digest for the client");

    redis.kill();
    for gateway in &gateways {
        until("the store is away", async || gateway.counts("store_reachable 0")).await;
    }
    assert_eq!(passed("a").await, 2 * 5, "each gateway's own allowance");
    assert!(gateways[0].counts("rate_limit_judged_total{by=\"gateway\"} 8"));
    redis.restart();
    for gateway in &gateways {
        until("the store is back", async || gateway.counts("store_reachable 1")).await;
    }
    assert_eq!(passed("a").await, 0, "what the store has admitted counts");
    assert_eq!(passed("b").await, 5);

    // One without a store refuses such a table, and goes on by the one before.
    let without = Routed::start(&table(&[("shop", &shop)], &json!([{"path": "/", "upstream": "shop"}])));
    without.write(&all.to_string());
    until("it is refused", async || without.counts("route_table_reloads_total{outcome=\"refused\"} 1")).await;
    assert_eq!(without.get("/x").await.status, 200);
}

/// What the algorithm promises over a window: the allowance once, and as much again as the time brings.
#[tokio::test]
async fn over_a_window_two_gateways_let_through_together_what_the_limit_says() {
    let (shop, redis) = (named("shop").await, Redis::start(&[]));
    let [one, other] = two(&limited(&shop, 20, 1.0), &redis).await;
    let (begin, passed) = (Instant::now(), AtomicU32::new(0));
    let asked = async |gateway: &Routed| {
        while passed.load(Relaxed) < 40 {
            passed.fetch_add(u32::from(gateway.get("/x").await.status == 200), Relaxed);
        }
    };
    tokio::join!(asked(&one), asked(&other));
    let (passed, took) = (passed.load(Relaxed), begin.elapsed().as_secs_f64());
    // 20 at once, and then one every 50 ms.
    let most = 20.0 + took * 20.0 + 1.0;
    assert!(f64::from(passed) <= most, "{passed} in {took} s");
}

/// Each goes on by its own count: no request fails.
#[tokio::test]
async fn a_store_that_is_killed_under_load_fails_no_request() {
    let (shop, mut redis) = (named("shop").await, Redis::start(&[]));
    let gateways = two(&limited(&shop, 1_000_000, 1.0), &redis).await;
    let (ended, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    let load = async |gateway: &Routed| {
        while !ended.load(Relaxed) {
            assert_eq!(gateway.get("/x").await.status, 200);
            answered.fetch_add(1, Relaxed);
        }
    };
    let more = async |what| {
        let before = answered.load(Relaxed);
        until(what, async || answered.load(Relaxed) > before + 100).await;
    };
    let killed = async {
        more("load").await;
        redis.kill();
        for gateway in &gateways {
            until("the store is away", async || gateway.counts("store_reachable 0")).await;
        }
        more("load without the store").await;
        redis.restart();
        for gateway in &gateways {
            until("the store is back", async || gateway.counts("store_reachable 1")).await;
        }
        more("load after it").await;
        ended.store(true, Relaxed);
    };
    tokio::join!(killed, load(&gateways[0]), load(&gateways[0]), load(&gateways[1]), load(&gateways[1]));
}
