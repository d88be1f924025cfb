//! One upstream is slow: it takes the places that it may have, and not all of the gateway's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service::settings::limits::Limits;
use testing::running::WIDE;
use testing::scripted::Scripted;
use testing::wire::{Wire, until};
use tokio::sync::Semaphore;

use crate::gateways::{Routed, named, table};

/// Requests that the gateway takes at once, and of them the slow upstream's.
const PLACES: usize = 8;
const OF_SLOW: usize = 4;
const LIMITS: Limits = Limits { in_flight: PLACES, ..WIDE };

/// Answers a request for each permit, its head at once if it is `begun`.
async fn slow(permits: &Arc<Semaphore>, begun: bool) -> Scripted {
    let permits = Arc::clone(permits);
    Scripted::start(move |_, mut upstream| {
        let permits = Arc::clone(&permits);
        async move {
            while upstream.head().await.is_some() {
                let (head, rest) = ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "slow");
                upstream.send(if begun { head } else { "" }).await;
                permits.acquire().await.unwrap().forget();
                upstream.send(&if begun { rest.to_owned() } else { [head, rest].concat() }).await;
            }
        }
    })
    .await
}

/// `/slow`, whose upstream may have `most` requests, and `/quick`, whose upstream has no bound.
fn two(slow: &Scripted, quick: &Scripted, most: usize, fallback: &Value) -> Value {
    let mut routes = json!([{"path": "/slow", "upstream": "slow"}, {"path": "/quick", "upstream": "quick"}]);
    if !fallback.is_null() {
        routes[0]["fallback"] = fallback.clone();
    }
    let mut table = table(&[("slow", slow), ("quick", quick)], &routes);
    table["upstreams"]["slow"]["maxInFlight"] = most.into();
    table
}

/// Clients that wait for the slow upstream, once it has a request of each.
async fn waiting(routed: &Routed, count: usize) -> Vec<Wire> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = Wire::connect(routed.gateway.address).await.unwrap();
        client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        clients.push(client);
    }
    let line = format!("upstream_requests_in_flight{{upstream=\"slow\"}} {count}");
    until("the slow upstream to have them", async || routed.counts(&line)).await;
    clients
}

/// How long 100 requests take that are answered, or the first other status.
async fn hundred(routed: &Routed) -> Result<Duration, u16> {
    let mut client = Wire::connect(routed.gateway.address).await.unwrap();
    let began = Instant::now();
    for _ in 0..100 {
        match client.get("/quick").await.unwrap().status {
            200 => {}
            other => return Err(other),
        }
    }
    Ok(began.elapsed())
}

#[tokio::test]
async fn a_slow_upstream_fills_its_own_places_and_the_quick_one_answers_as_quickly_as_before() {
    let (permits, quick) = (Arc::new(Semaphore::new(0)), named("quick").await);
    let slow = slow(&permits, false).await;
    let routed = Routed::within(&two(&slow, &quick, OF_SLOW, &Value::Null), LIMITS);
    let usual = hundred(&routed).await.unwrap();
    let clients = waiting(&routed, OF_SLOW).await;
    for _ in 0..2 * PLACES {
        let refused = routed.get("/slow").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        let problem: Value = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!(problem["upstream"], slow.address.to_string());
        assert!(problem["detail"].as_str().unwrap().ends_with("has as many requests as it may: try again later"));
    }
    assert!(
        routed.counts("upstream_failures_total{upstream=\"slow\",reason=\"full\"} 16"),
        "{}",
        routed.gateway.metrics()
    );
    let meanwhile = hundred(&routed).await.unwrap();
    // Far above what a busy machine makes of it, and far below what anyone would wait who stood in a line behind the slow one.
    assert!(meanwhile < usual * 10 + Duration::from_secs(1), "{meanwhile:?} instead of {usual:?}");

    permits.add_permits(OF_SLOW);
    for mut client in clients {
        assert_eq!(client.reply("GET").await.unwrap().text(), "slow");
    }
    permits.add_permits(1);
    assert_eq!(routed.get("/slow").await.text(), "slow", "the places are free again");
}

/// What the test above would find without a bulkhead.
#[tokio::test]
async fn without_a_bulkhead_the_slow_upstream_takes_the_places_of_all() {
    let (permits, quick) = (Arc::new(Semaphore::new(0)), named("quick").await);
    let slow = slow(&permits, false).await;
    let routed = Routed::within(&two(&slow, &quick, 0, &Value::Null), LIMITS);
    assert!(hundred(&routed).await.is_ok());
    let _clients = waiting(&routed, PLACES).await;
    assert_eq!(hundred(&routed).await, Err(503));
}

#[tokio::test]
async fn a_reply_that_has_not_ended_keeps_its_place_until_the_client_has_it_or_leaves() {
    let (permits, quick) = (Arc::new(Semaphore::new(0)), named("quick").await);
    let slow = slow(&permits, true).await;
    let fallback = json!({"status": 200, "contentType": "text/plain", "body": "later"});
    let routed = Routed::within(&two(&slow, &quick, 2, &fallback), LIMITS);
    let mut clients = waiting(&routed, 2).await;
    for client in &mut clients {
        assert_eq!(client.head().await.unwrap().0, 200);
    }
    let instead = routed.get("/slow").await;
    assert_eq!((instead.text(), instead.header("x-degraded")), ("later", Some("fallback")));
    clients.pop();
    let one = "upstream_requests_in_flight{upstream=\"slow\"} 1";
    until("the place of the client that has left", async || routed.counts(one)).await;
    permits.add_permits(10);
    assert_eq!(clients[0].exactly(4).await.unwrap(), b"slow");
    until("its place as well", async || routed.counts("upstream_requests_in_flight{upstream=\"slow\"} 0")).await;
    assert_eq!(routed.get("/slow").await.text(), "slow");
}

#[tokio::test]
async fn a_new_table_with_another_bound_counts_what_is_on_its_way() {
    let (permits, quick) = (Arc::new(Semaphore::new(0)), named("quick").await);
    let slow = slow(&permits, false).await;
    let routed = Routed::within(&two(&slow, &quick, 0, &Value::Null), LIMITS);
    let _clients = waiting(&routed, 3).await;
    routed.write(&two(&slow, &quick, 3, &Value::Null).to_string());
    until("the new table", async || routed.counts("route_table_reloads_total{outcome=\"in_force\"} 1")).await;
    assert_eq!(routed.get("/slow").await.status, 503);
}
