//! The API over real sockets.

use std::time::{Duration, Instant};

use backend::faults::SLOW;
use backend::items::{Document, Resource};
use backend::paths::table;
use backend::{Backend, Config};
use serde_json::Value;
use service::app::own_path::Methods;
use service::settings::limits::Limits;
use testing::running::{BRIEF, Running, WIDE, start};
use testing::wire::{PATIENCE, Reply, Wire, get, until};

const CONFIG: Config = Config {
    burn_slots: 2,
    burn_default: Duration::from_millis(5),
    burn_max: Duration::from_secs(10),
    delay_max: Duration::from_secs(10),
    health_behind_burn: false,
    faults_on_request: false,
    resource: Resource::KNOTS,
    greeting: None,
    discovery: false,
};

fn backend() -> Running {
    start::<Backend>(CONFIG, BRIEF, WIDE)
}

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

#[tokio::test]
async fn items_are_listed_and_found_with_who_served_them() {
    let running = backend();
    let all = json(&get(running.address, "/api/items").await);
    assert_eq!(
        all["served_by"],
        serde_json::json!({"service": "backend", "version": "v1", "pod": "backend-1", "node": "worker"})
    );
    for item in all["items"].as_array().unwrap() {
        let one = json(&get(running.address, &format!("/api/items/{}", item["id"])).await);
        assert_eq!(one["item"], *item);
        assert_eq!(one["served_by"], all["served_by"]);
    }
}

#[tokio::test]
async fn refusals_are_problems_that_say_what_to_do() {
    let running = backend();
    let mut client = Wire::connect(running.address).await.unwrap();
    for (method, path, status, says) in [
        ("GET", "/api/items/99", 404, "there are 12"),
        ("GET", "/api/items/one", 400, "whole number"),
        ("GET", "/api/items?x=1", 400, "known: delay_ms"),
        ("GET", "/api/items/1?delay_ms=1", 400, "takes no query parameters"),
        ("GET", "/api/items?delay_ms=10001", 400, "from 0 to 10000"),
        ("GET", "/api/items?delay_ms=-1", 400, "from 0 to 10000"),
        ("GET", "/api/items?delay_ms=", 400, "from 0 to 10000"),
        ("GET", "/api/items?delay_ms=1&delay_ms=1", 400, "given twice"),
        ("GET", "/api/cpu-burn?ms=0", 400, "from 1 to 10000"),
        ("GET", "/api/cpu-burn?ms=10001", 400, "from 1 to 10000"),
        ("GET", "/api/cpu-burn?ms=-1", 400, "from 1 to 10000"),
        ("GET", "/api/cpu-burn?ms=+1", 400, "from 1 to 10000"),
        ("GET", "/api/cpu-burn?ms=", 400, "from 1 to 10000"),
        ("GET", "/api/cpu-burn?ms=99999999999999999999", 400, "from 1 to 10000"),
        ("GET", "/api/cpu-burn?ms=1&ms=2", 400, "given twice"),
        ("GET", "/api/cpu-burn?sec=1", 400, "known: ms"),
        ("GET", "/nope", 404, "no such path"),
        ("POST", "/api/items", 405, "GET, HEAD"),
        ("DELETE", "/health", 405, "GET, HEAD"),
        ("GET", "/api/echo", 405, "POST"),
        ("POST", "/api/echo?x=1", 400, "takes no query parameters"),
    ] {
        let reply = client.ask(method, path, "").await.unwrap();
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{method} {path}");
        let problem = json(&reply);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["instance"], path.split('?').next().unwrap());
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
        assert_eq!(reply.header("allow").is_some(), status == 405, "{method} {path}");
    }
}

#[tokio::test]
async fn every_path_to_read_answers_get_head_and_options() {
    let running = backend();
    let mut client = Wire::connect(running.address).await.unwrap();
    for own in table(&CONFIG) {
        if own.methods != Methods::Get {
            continue;
        }
        let path = own.path.replace("{id}", "7");
        let get = client.get(&path).await.unwrap();
        assert_eq!(get.status, 200, "{path}");
        let head = client.ask("HEAD", &path, "").await.unwrap();
        // Two burns of the same length report different counts, so their lengths may differ.
        if own.path != "/api/cpu-burn" {
            assert_eq!(head.stable_headers(), get.stable_headers(), "{path}");
        }
        let options = client.ask("OPTIONS", &path, "").await.unwrap();
        assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")), "{path}");
    }
}

/// What is not switched on is not there.
#[tokio::test]
async fn discovery_is_off_unless_it_is_switched_on() {
    let running = backend();
    assert_eq!(get(running.address, "/api/discovery").await.status, 404);
    assert!(!get(running.address, "/openapi.json").await.text().contains("/api/discovery"));
    let running = start::<Backend>(Config { discovery: true, ..CONFIG }, BRIEF, WIDE);
    let found = json(&get(running.address, "/api/discovery?service=localhost").await);
    assert_eq!(found["discovery"]["environment"]["host"]["name"], "LOCALHOST_SERVICE_HOST");
    assert!(!found["discovery"]["dns"]["addresses"].as_array().unwrap().is_empty(), "{found}");
    for query in ["", "?service=", "?service=a_b", "?name=a", "?service=a&service=b"] {
        assert_eq!(get(running.address, &format!("/api/discovery{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn the_root_answers_the_greeting_where_there_is_one() {
    assert_eq!(get(backend().address, "/").await.status, 404);
    let running = start::<Backend>(Config { greeting: Some("Hello, world!".to_owned()), ..CONFIG }, BRIEF, WIDE);
    let reply = get(running.address, "/").await;
    assert_eq!((reply.status, reply.text()), (200, "Hello, world!"));
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(get(running.address, "/?x=1").await.status, 400);
}

#[tokio::test]
async fn own_items_have_a_path_of_their_own() {
    let document = Document::parse(r#"[{"id":7,"name":"Grace"},{"id":3,"name":"Ada"}]"#).unwrap();
    let resource = Resource { name: "users".into(), document: Some(document) };
    let running = start::<Backend>(Config { resource, ..CONFIG }, BRIEF, WIDE);
    let all = json(&get(running.address, "/api/users?delay_ms=0").await);
    assert_eq!(all["items"][1]["name"], "Grace");
    assert_eq!(json(&get(running.address, "/api/users/7").await)["item"], all["items"][1]);
    assert_eq!(get(running.address, "/api/users/8").await.status, 404);
    assert_eq!(get(running.address, "/api/items").await.status, 404);
    assert!(get(running.address, "/openapi.json").await.text().contains("/api/users/{id}"));
}

#[tokio::test]
async fn a_delayed_list_is_the_same_list_later_and_holds_nobody_up() {
    let running = backend();
    let mut slow = Wire::connect(running.address).await.unwrap();
    let asked = Instant::now();
    slow.send("GET /api/items?delay_ms=400 HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    until("the delay", async || running.server.metrics.requests_in_flight() == 1).await;
    let prompt = get(running.address, "/api/items?delay_ms=0").await;
    assert_eq!(running.server.metrics.requests_in_flight(), 1, "the delayed reply came first");
    let delayed = slow.reply("GET").await.unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(400), "{:?}", asked.elapsed());
    assert_eq!((delayed.status, delayed.body), (200, prompt.body));
}

#[tokio::test]
async fn an_echo_is_the_body_byte_for_byte_and_nothing_that_a_browser_runs() {
    let running = backend();
    let mut client = Wire::connect(running.address).await.unwrap();
    let longest = "x".repeat(backend::echo::LONGEST);
    for body in ["", "<script>alert(1)</script>", "a\0b\r\n\r\nHTTP/1.1 200 OK\r\n", &longest] {
        let head = "POST /api/echo HTTP/1.1\r\nHost: test\r\nContent-Type: text/html\r\n";
        client.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await.unwrap();
        let by_length = client.reply("POST").await.unwrap();
        let chunk = if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
        client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")).await.unwrap();
        let by_chunks = client.reply("POST").await.unwrap();
        for reply in [by_length, by_chunks] {
            assert_eq!((reply.status, reply.text()), (200, body));
            assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
            assert!(reply.header("x-served-by").unwrap().starts_with("backend/"));
        }
    }
}

#[tokio::test]
async fn a_body_too_long_to_echo_is_refused_and_the_refusal_arrives() {
    let running = backend();
    let body = "x".repeat(backend::echo::LONGEST + 1);
    let head = "POST /api/echo HTTP/1.1\r\nHost: test\r\n";
    for request in [
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        // Who asks first need not send it at all.
        format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()),
    ] {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send(request).await.unwrap();
        let refused = client.reply("POST").await.unwrap();
        assert_eq!((refused.status, refused.header("content-type")), (413, Some("application/problem+json")));
        assert!(json(&refused)["detail"].as_str().unwrap().contains("65536"), "{refused:?}");
    }
}

/// Clients that send slowly on purpose get no more memory than a fixed part, and leave the rest of the API alone.
#[tokio::test]
async fn bodies_beyond_those_being_read_are_sent_away_for_a_moment() {
    let running = start::<Backend>(CONFIG, BRIEF, Limits { held_body_bytes: 64 * 512, ..WIDE });
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send("POST /api/echo HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na").await.unwrap();
        slow.push(client);
    }
    until("64 bodies take all the room", async || running.server.room.taken() == 64 * 512).await;
    let mut client = Wire::connect(running.address).await.unwrap();
    client.send("POST /api/echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\na").await.unwrap();
    let refused = client.reply("POST").await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(get(running.address, "/api/items").await.status, 200);
    for mut client in slow {
        client.send("b").await.unwrap();
        assert_eq!(client.reply("POST").await.unwrap().text(), "ab");
    }
    until("the room is free again", async || running.server.room.taken() == 0).await;
}

/// The classic error, switched on: a busy pod looks dead to its liveness probe, which is right again when it is idle.
#[tokio::test]
async fn liveness_waits_for_the_burns_only_where_that_fault_is_on() {
    let running = start::<Backend>(Config { health_behind_burn: true, ..CONFIG }, BRIEF, WIDE);
    let idle = get(running.address, "/health").await;
    assert_eq!(idle.status, 200);
    assert_eq!(json(&idle)["served_by"]["faults"], serde_json::json!(["health-behind-burn"]));
    let busy = fill_the_slots(&running, 10_000).await;
    let mut probe = Wire::connect(running.address).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), probe.get("/health")).await;
    assert!(early.is_err(), "liveness was answered while every slot was busy");
    assert_eq!(get(running.address, "/ready").await.status, 200);
    drop(busy);
    assert_eq!(probe.reply("GET").await.unwrap().status, 200);
}

/// What is not switched on is not there.
#[tokio::test]
async fn requests_begin_no_faults_unless_that_is_switched_on() {
    let running = backend();
    let mut client = Wire::connect(running.address).await.unwrap();
    for name in ["not-ready", "not-live", "slow", "none"] {
        for method in ["POST", "GET", "OPTIONS"] {
            assert_eq!(client.ask(method, &format!("/api/faults/{name}"), "").await.unwrap().status, 404, "{name}");
        }
    }
    assert!(!client.get("/openapi.json").await.unwrap().text().contains("/api/faults"));
    for probe in ["/health", "/ready", "/started"] {
        assert_eq!(client.get(probe).await.unwrap().status, 200, "{probe}");
    }
}

#[tokio::test]
async fn a_fault_on_request_fails_one_probe_or_slows_answers_until_there_is_none() {
    let running = start::<Backend>(Config { faults_on_request: true, ..CONFIG }, BRIEF, WIDE);
    let mut client = Wire::connect(running.address).await.unwrap();
    for (name, seconds, health, ready, slow) in [
        ("not-ready", 60, 200, 503, false),
        ("not-live", 60, 503, 200, false),
        ("slow", 60, 200, 200, true),
        ("none", 0, 200, 200, false),
    ] {
        let begun = client.ask("POST", &format!("/api/faults/{name}"), "").await.unwrap();
        let begun = json(&begun);
        assert_eq!(begun["fault"], serde_json::json!({"name": name, "seconds": seconds}));
        assert_eq!(begun["served_by"]["faults"], serde_json::json!(["on-request"]));
        for (probe, status) in [("/health", health), ("/ready", ready), ("/started", 200)] {
            assert_eq!(client.get(probe).await.unwrap().status, status, "{name}: {probe}");
        }
        let asked = Instant::now();
        assert_eq!(client.get("/api/items/1").await.unwrap().status, 200, "{name}");
        // A machine may be slow by itself, and no faster than it is told.
        assert!(!slow || asked.elapsed() >= SLOW, "{name}: {:?}", asked.elapsed());
    }
    client.ask("POST", "/api/faults/not-ready", "").await.unwrap();
    for (method, path, status, says) in [
        ("POST", "/api/faults/none?x=1", 400, "takes no query parameters"),
        ("POST", "/api/faults/crash", 404, "not-ready, not-live, slow, none"),
        ("POST", "/api/faults/%6eone", 404, "not-ready, not-live, slow, none"),
        ("POST", "/api/faults/", 404, "no such path"),
        ("POST", "/api/faults/none/", 404, "no such path"),
        ("GET", "/api/faults/none", 405, "POST"),
        ("PUT", "/api/faults/none", 405, "POST"),
    ] {
        let refused = client.ask(method, path, "").await.unwrap();
        assert_eq!(refused.status, status, "{method} {path}");
        assert!(json(&refused)["detail"].as_str().unwrap().contains(says), "{method} {path}: {}", refused.text());
    }
    assert_eq!(client.get("/ready").await.unwrap().status, 503, "what was refused ended the fault");
}

#[tokio::test]
async fn a_body_that_nobody_wants_does_not_cost_the_reply() {
    let running = backend();
    let mut client = Wire::connect(running.address).await.unwrap();
    let body = "x".repeat(60_000);
    let head = format!("POST /api/items HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send(head + &body).await.unwrap();
    assert_eq!(client.reply("POST").await.unwrap().status, 405);
    assert_eq!(client.get("/health").await.unwrap().status, 200);
}

#[tokio::test]
async fn burns_beyond_the_slots_are_refused_with_a_time_to_come_back() {
    let running = backend();
    let mut busy = fill_the_slots(&running, 3000).await;
    let refused = get(running.address, "/api/cpu-burn?ms=1").await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    // A client that goes away frees its slot long before its burn would have ended.
    busy.pop();
    until("a free slot", async || get(running.address, "/api/cpu-burn?ms=1").await.status == 200).await;
}

#[tokio::test]
async fn a_burn_reports_what_it_did() {
    let running = backend();
    let report = json(&get(running.address, "/api/cpu-burn?ms=30").await);
    assert!(report["burned_ms"].as_u64().unwrap() >= 30, "{report}");
    assert!(report["iterations"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["served_by"]["pod"], "backend-1");
}

/// The middle of many probes is what counts: a machine that runs other tests delays single ones by whole scheduler slices, and
/// a burn on the serving thread would delay every one, by seconds.
#[tokio::test]
async fn most_probes_answer_within_5_ms_while_every_slot_is_busy() {
    let running = backend();
    let _busy = fill_the_slots(&running, 10_000).await;
    let mut client = Wire::connect(running.address).await.unwrap();
    let mut took = Vec::new();
    for path in ["/health", "/ready", "/started"].repeat(20) {
        let asked = Instant::now();
        assert_eq!(client.get(path).await.unwrap().status, 200);
        took.push(asked.elapsed());
    }
    took.sort();
    assert_eq!(get(running.address, "/api/cpu-burn?ms=1").await.status, 429, "the slots were not busy all the time");
    assert!(took[took.len() / 2] < Duration::from_millis(5), "{took:?}");
}

/// Starts as many burns as there are slots; they end when the connections are dropped.
async fn fill_the_slots(running: &Running, ms: u64) -> Vec<Wire> {
    let mut busy = Vec::new();
    for number in (1_i64..).take(CONFIG.burn_slots) {
        let mut client = Wire::connect(running.address).await.unwrap();
        client.send(format!("GET /api/cpu-burn?ms={ms} HTTP/1.1\r\nHost: test\r\n\r\n")).await.unwrap();
        until("the burn", async || running.server.metrics.requests_in_flight() == number).await;
        busy.push(client);
    }
    busy
}

/// On the runtime that the program has, whose threads for blocking calls are as many as the most burns.
#[test]
fn a_name_is_looked_up_while_every_burn_slot_is_busy() {
    let runtime = service::process::runtime::build(service::process::runtime::Workers::Current).unwrap();
    runtime.block_on(async {
        let length = Duration::from_secs(600);
        let config = Config { burn_slots: 64, burn_max: length, discovery: true, ..CONFIG };
        let running = start::<Backend>(config, BRIEF, WIDE);
        let mut burning = Vec::new();
        for _ in 0..64 {
            let mut client = Wire::connect(running.address).await.unwrap();
            client
                .send(format!("GET /api/cpu-burn?ms={} HTTP/1.1\r\nHost: a\r\n\r\n", length.as_millis()))
                .await
                .unwrap();
            burning.push(client);
        }
        until("all to burn", async || running.server.metrics.requests_in_flight() == 64).await;
        assert_eq!(get(running.address, "/api/cpu-burn?ms=1").await.status, 429);
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host("localhost:80")).await;
        assert!(found.expect("the burns take all threads").is_ok());
    });
    runtime.shutdown_background();
}
