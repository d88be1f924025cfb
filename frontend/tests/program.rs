//! The real program with a route table in a file.

#[path = "../../service/tests/program/mod.rs"]
mod program;
#[path = "../../service/tests/wire/mod.rs"]
mod wire;

use std::process::Command;

use program::{Program, address};
use serde_json::{Value, json};
use wire::{Wire, get};

const PROGRAM: &str = env!("CARGO_BIN_EXE_frontend");

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
    let mut program = Program::spawn(&mut Command::new(PROGRAM), &[("ROUTES_FILE", &routes)]);
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
        let output = Command::new(PROGRAM).env_clear().env("ROUTES_FILE", routes).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains("ROUTES_FILE") && text.contains(why), "{text}");
    }
}

#[test]
fn networks_that_are_none_end_the_start_and_say_why() {
    let output = Command::new(PROGRAM).env_clear().env("TRUSTED_PROXIES", "10.0.0.1/8").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{text}");
    assert!(text.contains("TRUSTED_PROXIES=\"10.0.0.1/8\"") && text.contains("10.244.0.0/16,fd00::/8"), "{text}");
}
