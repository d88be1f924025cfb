//! The real program with a route table in a file.

use std::process::Command;

use serde_json::{Value, json};
use testing::program::{Program, address, refusal};
use testing::scripted::Scripted;
use testing::websocket::{HANDSHAKE, SWITCHED};
use testing::wire::{Wire, get};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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
        let text = refusal(GATEWAY, &[("ROUTES_FILE", routes)]);
        assert!(text.contains("ROUTES_FILE") && text.contains(why), "{text}");
    }
}

#[tokio::test]
async fn a_drain_says_how_many_websockets_there_are_and_ends_them() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await;
        upstream.send(SWITCHED).await;
        // What passes shows that the tunnel is there. This end does not close it either.
        let byte = upstream.stream.read_u8().await.unwrap();
        upstream.stream.write_u8(byte).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let table = json!({
        "upstreams": {"one": {"url": format!("http://{}", upstream.address)}},
        "routes": [{"path": "/ws", "upstream": "one", "upgrades": ["websocket"]}],
    });
    let routes = file("websockets.json", &table.to_string());
    let environment = [("ROUTES_FILE", routes.as_str()), ("DRAIN_SECONDS", "600"), ("LONGEST_REQUEST_SECONDS", "20")];
    let (mut program, service) = Program::serving(GATEWAY, &environment);
    let mut client = Wire::connect(service).await.unwrap();
    client.send(format!("GET /ws HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}\r\nx")).await.unwrap();
    assert_eq!(client.head().await.unwrap().0, 101);
    assert_eq!(client.exactly(1).await.unwrap(), b"x");
    program.signal("-TERM");
    assert_eq!(program.line("draining WebSockets")["open"], 1);
    program.signal("-TERM");
    assert_eq!(program.line("closing WebSockets")["open"], 1);
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[test]
fn networks_that_are_none_end_the_start_and_say_why() {
    let text = refusal(GATEWAY, &[("TRUSTED_PROXIES", "10.0.0.0/33")]);
    assert!(text.contains("TRUSTED_PROXIES=\"10.0.0.0/33\"") && text.contains("10.244.0.0/16,fd00::/8"), "{text}");
}
