//! Over IPv6: from the client to the gateway to the backend, each the real program, and what an upstream is told of clients.

use std::net::SocketAddr;
use std::process::{Command, Output};

use serde_json::Value;
use testing::built::built;
use testing::program::Program;
use testing::scripted::{OK, Scripted};
use testing::wire::get;

use crate::GATEWAY;

fn client(arguments: &[&str]) -> Output {
    Command::new(built(GATEWAY, "client")).args(arguments).output().unwrap()
}

#[tokio::test]
async fn client_gateway_and_backend_meet_over_ipv6_and_the_gateway_listens_on_both_families() {
    let (_backend, backend) = Program::serving(built(GATEWAY, "backend"), &[("BIND_ADDRESS", "::1")]);
    assert!(backend.is_ipv6());
    // Its own default: an empty variable is one that is not set.
    let (_gateway, gateway) =
        Program::serving(GATEWAY, &[("BIND_ADDRESS", ""), ("BACKEND_URL", &format!("http://{backend}"))]);
    let port = gateway.port();
    let url = format!("http://[::1]:{port}/proxy/items");
    let wait = client(&["wait", &format!("http://[::1]:{port}/ready"), "--timeout", "20s"]);
    assert!(wait.status.success(), "{wait:?}");
    let load = client(&["load", &url, "--rate", "50", "--duration", "500ms", "--output", "json"]);
    assert!(load.status.success(), "{load:?}");
    let ledger: Value = serde_json::from_slice(&load.stdout).unwrap();
    assert_eq!(ledger["requests"]["answered"], 25);
    let services: Vec<_> = ledger["services"].as_array().unwrap().iter().map(|one| &one["service"]).collect();
    assert_eq!(services, ["backend", "frontend"], "both have answered");
    for address in [SocketAddr::from(([127, 0, 0, 1], port)), format!("[::1]:{port}").parse().unwrap()] {
        assert_eq!(get(address, "/proxy/items").await.status, 200, "{address}");
    }
}

#[tokio::test]
async fn an_upstream_is_told_the_address_of_the_family_that_a_client_came_by() {
    let (upstream, heads) = Scripted::noting_at("[::1]:0", |_| OK.to_owned()).await;
    let upstream = upstream.address;
    let (_gateway, gateway) =
        Program::serving(GATEWAY, &[("BIND_ADDRESS", "::"), ("BACKEND_URL", &format!("http://{upstream}"))]);
    for address in ["127.0.0.1", "::1"] {
        let to = SocketAddr::new(address.parse().unwrap(), gateway.port());
        assert_eq!(get(to, "/proxy/items").await.status, 200, "{address}");
        let head = heads.lock().unwrap().pop().unwrap();
        assert!(head.contains(&format!("\r\nx-forwarded-for: {address}\r\n")), "{head}");
        assert!(head.contains(&format!("\r\nhost: {upstream}\r\n")), "{head}");
    }
}
