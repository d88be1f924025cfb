//! The real program with a route table in a file.

use std::process::Command;

use serde_json::{Value, json};
use testing::program::{Program, address};
use testing::wire::{Wire, get};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::GATEWAY;

fn file(name: &str, content: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_metrics_port_shows_the_table_in_force() {
    let table = json!({
        "upstreams": {"shop": {"url": "http://shop.example:8000", "retries": 1}},
        "routes": [{"path": "/shop", "upstream": "shop"}],
    });
    let routes = file("shown.json", &table.to_string());
    let mut program = Program::spawn(&mut Command::new(GATEWAY), &[("ROUTES_FILE", &routes)]);
    let listening = program.line("listening");
    let (service, metrics) = (address(&listening, "address"), address(&listening, "metrics_address"));
    program.line("ready");
    let shown = get(metrics, "/routes").await;
    assert_eq!((shown.status, shown.header("content-type")), (200, Some("application/json")));
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!(shown["upstreams"]["shop"]["retries"], 1);
    assert_eq!(shown["upstreams"]["shop"]["timeoutSeconds"], 5.0, "what was left to defaults is there too");
    assert_eq!(shown["routes"][0]["path"], "/shop");
    assert_eq!(get(service, "/routes").await.status, 404, "it is nobody's business outside");
    let posted = Wire::connect(metrics).await.unwrap().ask("POST", "/routes", "Content-Length: 0\r\n").await.unwrap();
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
}

#[test]
fn a_table_that_is_none_ends_the_start_and_says_why() {
    let wrong = file("wrong.json", r#"{"upstreams": {}, "routes": [{"path": "/", "upstream": "shop"}]}"#);
    for (routes, why) in
        [(wrong.as_str(), "routes[0]: there is no upstream \"shop\""), ("/nowhere/routes.json", "No such file")]
    {
        let output = Command::new(GATEWAY).env_clear().env("ROUTES_FILE", routes).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains("ROUTES_FILE") && text.contains(why), "{text}");
    }
}

/// The example of RFC 6455, section 1.3.
const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[tokio::test]
async fn a_drain_says_how_many_websockets_there_are_and_ends_them() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let table = json!({
        "upstreams": {"one": {"url": format!("http://{}", upstream.local_addr().unwrap())}},
        "routes": [{"path": "/ws", "upstream": "one", "upgrades": ["websocket"]}],
    });
    let routes = file("websockets.json", &table.to_string());
    let environment = [("ROUTES_FILE", routes.as_str()), ("DRAIN_SECONDS", "600"), ("LONGEST_REQUEST_SECONDS", "20")];
    let mut program = Program::spawn(&mut Command::new(GATEWAY), &environment);
    let service = address(&program.line("listening"), "address");
    program.line("ready");
    let mut client = Wire::connect(service).await.unwrap();
    client.send(HANDSHAKE).await.unwrap();
    let (mut switched, _) = upstream.accept().await.unwrap();
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        switched.read_buf(&mut asked).await.unwrap();
    }
    switched.write_all(SWITCHED.as_bytes()).await.unwrap();
    assert_eq!(client.head().await.unwrap().0, 101);
    // What passes shows that the tunnel is there.
    client.send("x").await.unwrap();
    assert_eq!(switched.read_u8().await.unwrap(), b'x');
    program.signal("-TERM");
    assert_eq!(program.line("draining WebSockets")["open"], 1);
    program.signal("-TERM");
    assert_eq!(program.line("closing WebSockets")["open"], 1);
    // Neither end closes.
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[test]
fn networks_that_are_none_end_the_start_and_say_why() {
    let output = Command::new(GATEWAY).env_clear().env("TRUSTED_PROXIES", "10.0.0.0/33").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{text}");
    assert!(text.contains("TRUSTED_PROXIES=\"10.0.0.0/33\"") && text.contains("10.244.0.0/16,fd00::/8"), "{text}");
}
