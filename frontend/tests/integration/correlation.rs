//! What ties together the log lines of one request over both hops: its id and its trace.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use testing::built::built;
use testing::program::Program;
use testing::scripted::{OK, Scripted};
use testing::wire::{Reply, Wire};

use crate::GATEWAY;
use crate::gateways::{PATIENT, gateway_to};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A gateway in front of `upstream` that logs each request, with more settings.
fn gateway(upstream: SocketAddr, more: &[(&str, &str)]) -> (Program, SocketAddr) {
    let url = format!("http://{upstream}");
    Program::serving(GATEWAY, &[more, &[("BACKEND_URL", &url), ("LOG_LEVEL", "debug")]].concat())
}

/// The next line with this request id: message, trace id, and the path if there is one.
fn line(program: &mut Program, request_id: &str) -> String {
    let line = program.line_where(|line| line["request_id"] == request_id);
    let field = |name: &str| line[name].as_str().unwrap_or_default();
    format!("{} {} {}", field("message"), field("trace_id"), field("path")).trim_end().to_owned()
}

/// Reads as many lines with this id as are expected, which are sorted.
fn assert_lines(program: &mut Program, request_id: &str, expected: &[String]) {
    let mut lines: Vec<String> = expected.iter().map(|_| line(program, request_id)).collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
}

/// The value of `name` in a request's head.
fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// What an upstream gets, and what the client gets, of one request with `headers`.
async fn noted(headers: &str) -> (String, Reply) {
    let head = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&head);
    let upstream = Scripted::start(move |_, mut upstream| {
        let noted = Arc::clone(&noted);
        async move {
            *noted.lock().unwrap() = upstream.head().await.unwrap();
            upstream.send(OK).await;
        }
    })
    .await;
    let gateway = gateway_to(upstream.address, PATIENT);
    let reply = Wire::connect(gateway.address).await.unwrap().ask("GET", "/proxy/items", headers).await.unwrap();
    let head = head.lock().unwrap().clone();
    (head, reply)
}

#[tokio::test]
async fn both_hops_log_a_request_under_its_id_and_trace() {
    let (mut backend, upstream) = Program::serving(built(GATEWAY, "backend"), &[("LOG_LEVEL", "debug")]);
    let (mut gateway, service) = gateway(upstream, &[]);
    let mut client = Wire::connect(service).await.unwrap();
    let headers = format!("x-request-id: both-hops\r\ntraceparent: {PARENT}\r\n");
    let reply = client.ask("GET", "/proxy/items/7", &headers).await.unwrap();
    assert_eq!((reply.status, reply.header("x-request-id")), (200, Some("both-hops")));
    assert_eq!(line(&mut backend, "both-hops"), format!("request {TRACE} /api/items/7"));
    assert_eq!(line(&mut gateway, "both-hops"), format!("request {TRACE} /proxy/items/7"));

    // A problem of the backend's names the id that the gateway was asked with.
    let headers = format!("x-request-id: a-problem\r\ntraceparent: {PARENT}\r\n");
    let reply = client.ask("GET", "/proxy/items/x", &headers).await.unwrap();
    let problem: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &problem["request_id"]), (400, &"a-problem".into()));

    // Ids that are made at the first hop are the second's too.
    let reply = client.get("/proxy/items/8").await.unwrap();
    let made = reply.header("x-request-id").unwrap();
    let (at_backend, at_gateway) = (line(&mut backend, made), line(&mut gateway, made));
    let (trace, path) = at_backend.strip_prefix("request ").unwrap().split_once(' ').unwrap();
    assert_eq!((trace.len(), path), (32, "/api/items/8"));
    assert_eq!(at_gateway, format!("request {trace} /proxy/items/8"));
}

#[tokio::test]
async fn every_try_and_every_failure_keeps_them() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    let upstream = Scripted::start(move |_, mut upstream| {
        let noted = Arc::clone(&noted);
        async move {
            let head = upstream.head().await.unwrap();
            if head.contains("/cut ") {
                upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
            }
            noted.lock().unwrap().push(head);
        }
    })
    .await;
    let (mut gateway, service) = gateway(upstream.address, &[("UPSTREAM_RETRIES", "2")]);
    let mut client = Wire::connect(service).await.unwrap();
    let headers = format!("x-request-id: three-tries\r\ntraceparent: {PARENT}\r\ntracestate: a=1\r\n");
    let reply = client.ask("GET", "/proxy/items", &headers).await.unwrap();
    assert_eq!((reply.status, reply.header("x-request-id")), (502, Some("three-tries")));
    let seen = std::mem::take(&mut *heads.lock().unwrap());
    assert_eq!(seen.len(), 3);
    for head in &seen {
        assert_eq!(field(head, "x-request-id"), Some("three-tries"));
        assert_eq!((field(head, "traceparent"), field(head, "tracestate")), (Some(PARENT), Some("a=1")));
    }
    let expected = [
        format!("no reply from the upstream {TRACE}"),
        format!("request {TRACE} /proxy/items"),
        format!("trying again {TRACE}"),
        format!("trying again {TRACE}"),
    ];
    assert_lines(&mut gateway, "three-tries", &expected);

    let headers = format!("x-request-id: cut-short\r\ntraceparent: {PARENT}\r\n");
    assert!(client.ask("GET", "/proxy/cut", &headers).await.is_err());
    let expected = [format!("request {TRACE} /proxy/cut"), format!("the reply was cut short {TRACE}")];
    assert_lines(&mut gateway, "cut-short", &expected);
}

#[tokio::test]
async fn the_log_names_the_client_behind_a_trusted_proxy() {
    let upstream = Scripted::start(|_, mut upstream| async move { drop(upstream.head().await) }).await;
    let (mut gateway, service) =
        gateway(upstream.address, &[("TRUSTED_PROXIES", "127.0.0.1"), ("UPSTREAM_RETRIES", "0")]);
    let mut client = Wire::connect(service).await.unwrap();
    for (path, id) in [("/proxy/items", "failed"), ("/health", "own")] {
        let headers = format!("x-request-id: {id}\r\nX-Forwarded-For: 203.0.113.9\r\n");
        client.ask("GET", path, &headers).await.unwrap();
    }
    for (id, count) in [("failed", 2), ("own", 1)] {
        for _ in 0..count {
            let line = gateway.line_where(|line| line["request_id"] == id);
            assert_eq!(line["client"], "203.0.113.9", "{line}");
        }
    }
}

#[tokio::test]
async fn what_is_invalid_is_replaced_and_its_tracestate_dropped() {
    for invalid in ["x-request-id: a b\r\n", "x-request-id: a\r\nx-request-id: b\r\n", ""] {
        for parent in ["traceparent: 00-0-0-00\r\n", ""] {
            let (head, reply) = noted(&format!("{invalid}{parent}tracestate: a=1\r\n")).await;
            let id = field(&head, "x-request-id").unwrap();
            assert_eq!((id.len(), reply.header("x-request-id")), (32, Some(id)), "{head}");
            assert_eq!(head.matches("x-request-id: ").count(), 1, "{head}");
            let parent = field(&head, "traceparent").unwrap();
            assert!(parent.len() == 55 && !parent.starts_with("00-0-"), "{head}");
            assert_eq!(field(&head, "tracestate"), None);
        }
    }
}

#[tokio::test]
async fn a_tracestate_that_is_too_long_is_dropped_and_the_trace_kept() {
    for (state, kept) in [("k=v".to_owned(), true), (format!("k={}", "v".repeat(511)), false)] {
        let (head, _) = noted(&format!("traceparent: {PARENT}\r\ntracestate: {state}\r\n")).await;
        assert_eq!(field(&head, "traceparent"), Some(PARENT));
        assert_eq!(field(&head, "tracestate").is_some(), kept, "{state}");
    }
}
