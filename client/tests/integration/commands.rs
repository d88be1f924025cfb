//! `get`, `wait` and the command line.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use crate::run::{client, finish, start};
use crate::server::{Server, Step};

fn reply(status: &str, body: &str) -> Step {
    Step::Send(format!("HTTP/1.1 {status}\r\nx-seen: yes\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

#[test]
fn get_prints_the_head_on_stderr_and_the_body_on_stdout() {
    let server = Server::start(|_| vec![reply("200 OK", "{\"a\":1}")]);
    let ran = client(&["get", &server.url("/api/items?x=1")]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.stdout, "{\"a\":1}");
    let address = server.address;
    assert_eq!(ran.stderr, format!("connected to {address}\nHTTP/1.1 200 OK\nx-seen: yes\ncontent-length: 7\n\n\n"));
    let head = &server.requests()[0].head;
    assert!(head.starts_with("GET /api/items?x=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(server.requests()[0].header("host"), address.to_string());
}

#[test]
fn get_quietly_prints_the_body_alone() {
    let server = Server::start(|_| vec![reply("200 OK", "body")]);
    let ran = client(&["get", "--quiet", &server.url("/")]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "body", ""));
}

#[test]
fn get_exits_with_1_on_an_error_status_and_still_prints_the_body() {
    for (status, code) in [("404 Not Found", 1), ("503 Service Unavailable", 1), ("302 Found", 0)] {
        let server = Server::start(move |_| vec![reply(status, "why")]);
        let ran = client(&["get", &server.url("/")]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), "why"), "{status}");
    }
}

#[test]
fn get_exits_with_2_when_there_is_no_complete_reply() {
    let half = || Step::Send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive.".into());
    for (name, words) in [
        ("refused", "nothing listens there"),
        ("closed", "closed after the request was sent, before a reply"),
        ("reset", "reset after the request was sent, before a reply"),
        ("cut", "closed in the middle of the body"),
        ("stall", "no complete reply in time (after 0.3 s)"),
    ] {
        let server = Server::start(move |_| match name {
            "closed" => vec![Step::Close],
            "reset" => vec![Step::Reset],
            "cut" => vec![half(), Step::Close],
            _ => vec![Step::Stall],
        });
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let url = if name == "refused" { format!("http://{nobody}/") } else { server.url("/") };
        let ran = client(&["get", &url, "--timeout", if name == "stall" { "300ms" } else { "60s" }]);
        assert_eq!(ran.code, Some(2), "{name}: {ran:?}");
        assert!(ran.stderr.contains(&format!("client: {url}: {words}")), "{name}: {ran:?}");
    }
}

#[test]
fn get_sends_the_method_the_headers_and_the_body_that_it_was_given() {
    let server = Server::start(|_| vec![reply("200 OK", "")]);
    let url = server.url("/");
    let ran = client(&["get", &url, "-X", "PUT", "--data", "hello", "-H", "Host: shop.example", "-H", "X-A:  b "]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let request = &server.requests()[0];
    assert!(request.head.starts_with("PUT / HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("host"), "shop.example");
    assert_eq!(request.header("x-a"), "b");
    assert_eq!(request.header("content-length"), "5");
}

#[test]
fn get_shows_control_characters_and_does_not_obey_them() {
    let server =
        Server::start(|_| vec![Step::Send("HTTP/1.1 200 OK\r\nx-a: \u{9b}31m\r\ncontent-length: 0\r\n\r\n".into())]);
    let ran = client(&["get", &server.url("/")]);
    assert!(ran.stderr.contains(r"x-a: \xc2\x9b31m"), "{ran:?}");
}

#[test]
fn an_ipv6_address_works() {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let server = Server::start_on(listener, |_| vec![reply("200 OK", "six")]);
    let ran = client(&["get", &server.url("/")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "six"), "{ran:?}");
    assert!(server.requests()[0].header("host").starts_with("[::1]:"));
}

#[test]
fn wait_asks_until_the_status_is_right() {
    let server = Server::start(|request| match request.number {
        1 => vec![Step::Close],
        2 => vec![reply("503 Service Unavailable", "")],
        _ => vec![reply("200 OK", "")],
    });
    let ran = client(&["wait", &server.url("/ready"), "--interval", "50ms", "--timeout", "30s"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((server.requests().len(), server.connections()), (3, 3));
    assert!(ran.stderr.contains("503 Service Unavailable\n"), "{ran:?}");
    assert!(ran.stderr.contains("200 OK after "), "{ran:?}");

    // The next try would be after the end, which so does not meet one.
    let ran = client(&["wait", &server.url("/"), "--status", "404", "--interval", "1m", "--timeout", "2s"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.ends_with("gave up after 2 s; last of 1 tries: 200 OK\n"), "{ran:?}");
}

#[test]
fn wait_outlasts_a_server_that_is_not_there_yet() {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let url = format!("http://{address}/");
    let ran = client(&["wait", &url, "--timeout", "200ms", "--interval", "50ms"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("nothing listens there"), "{ran:?}");

    let waiting = start(&["wait", &url, "--timeout", "30s", "--interval", "50ms"]);
    let _server = Server::start_on(TcpListener::bind(address).unwrap(), |_| vec![reply("200 OK", "")]);
    assert_eq!(finish(waiting).code, Some(0));
}

#[test]
fn wrong_usage_exits_with_64_and_says_where_to_read() {
    for arguments in [&[][..], &["load"], &["load", "http://a/", "--rate", "0"], &["get", "https://a/"]] {
        let ran = client(arguments);
        assert_eq!(ran.code, Some(64), "{ran:?}");
        assert!(ran.stdout.is_empty() && ran.stderr.contains("--help' says more"), "{ran:?}");
    }
    let ran = client(&["--version"]);
    assert_eq!((ran.code, ran.stdout.starts_with("client ")), (Some(0), true), "{ran:?}");
}

#[test]
fn too_few_open_files_are_said_before_the_load() {
    let command = format!("ulimit -n 100; exec {} load http://127.0.0.1:9/ -c 100", env!("CARGO_BIN_EXE_client"));
    let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("100 connections need 132 open files, and this process may have 100"), "{stderr}");
}

#[test]
fn a_ledger_that_cannot_be_written_is_found_out_before_the_load() {
    let server = Server::start(|request| vec![request.answer()]);
    let ran = client(&["load", &server.url("/"), "--ledger", "/nowhere/ledger.json"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("--ledger /nowhere/ledger.json: No such file"), "{ran:?}");
    assert!(server.requests().is_empty());
}
