//! The memory of the gateway's process while clients stretch a bound: each stays where the sum of its bounds has it.

#[path = "../../service/tests/memory/mod.rs"]
mod memory;
#[path = "../../service/tests/program/mod.rs"]
mod program;
#[path = "../../service/tests/wire/mod.rs"]
mod wire;

use std::net::SocketAddr;
use std::process::Command;

use memory::{drip, mib, peak, resident};
use program::{Program, address};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wire::Wire;

const MIB: u64 = 1 << 20;
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An upstream that reads all, and sends `reply` after whatever ends as a head does.
async fn upstream(reply: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while let Ok(1..) = stream.read_buf(&mut head).await {
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        stream.write_all(reply.as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

/// A gateway whose only route, for every path, has `settings` besides its path and its upstream.
fn gateway(name: &str, upstream: SocketAddr, settings: &serde_json::Value) -> (Program, SocketAddr) {
    let mut route = json!({"path": "/x", "upstream": "it"});
    route.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let table = json!({"upstreams": {"it": {"url": format!("http://{upstream}")}}, "routes": [route]}).to_string();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("memory-{name}.json"));
    std::fs::write(&file, table).unwrap();
    let environment = [("ROUTES_FILE", file.to_str().unwrap())];
    let mut gateway = Program::spawn(&mut Command::new(env!("CARGO_BIN_EXE_frontend")), &environment);
    let service = address(&gateway.line("listening"), "address");
    gateway.line("ready");
    (gateway, service)
}

#[tokio::test]
async fn long_names_of_clients_of_a_rate_limit_are_not_kept() {
    const CLIENTS: usize = 3000;
    const NAME: usize = 8000;
    let upstream = upstream(OK).await;
    let limit = json!({"rateLimit": {"requests": 1, "periodSeconds": 3600, "byHeader": "x-api-key"}});
    let (gateway, service) = gateway("rate-limit", upstream, &limit);
    let mut client = Wire::connect(service).await.unwrap();
    let ask = |client: usize| format!("X-Api-Key: {client:0>NAME$}\r\n");
    assert_eq!(client.ask("GET", "/x", &ask(0)).await.unwrap().status, 200);
    let before = resident(&gateway);
    for name in 1..CLIENTS {
        let reply = client.ask("GET", "/x", &ask(name)).await.unwrap();
        assert_eq!(reply.status, 200);
        if reply.says_close() {
            client = Wire::connect(service).await.unwrap();
        }
    }
    assert_eq!(client.ask("GET", "/x", &ask(0)).await.unwrap().status, 429, "the first is still told apart");
    let grown = peak(&gateway) - before;
    let names = (CLIENTS * NAME) as u64;
    println!("{CLIENTS} clients of {NAME} bytes: {:.1} MiB more", mib(grown));
    assert!(grown < 4 * MIB && names > 5 * 4 * MIB, "{:.1} MiB", mib(grown));
}

/// Each byte comes in a buffer of 8 KiB, which must not be kept for it.
#[tokio::test]
async fn bodies_sent_byte_by_byte_take_no_more_than_they_have_bytes() {
    const UPLOADS: usize = 20;
    const BYTES: usize = 400;
    let upstream = upstream("").await;
    let (gateway, service) = gateway("drip", upstream, &json!({}));
    drip(service, "/x", UPLOADS, 1).await;
    let before = resident(&gateway);
    let clients = drip(service, "/x", UPLOADS, BYTES).await;
    let grown = peak(&gateway) - before;
    println!("{} bytes one by one: {:.1} MiB more", UPLOADS * BYTES, mib(grown));
    assert!(grown < 8 * MIB && (clients.len() * BYTES * 8192) as u64 > 7 * 8 * MIB, "{:.1} MiB", mib(grown));
}
