//! `make run` and `make run-two`: services as plain processes.

use std::sync::{Mutex, PoisonError};

use e2e::{Shell, eventually};

/// Both have port 8001.
static PORTS: Mutex<()> = Mutex::new(());

/// Types `make` with `target`, waits until each URL answers with its text, and sees that the ports are free when it has ended.
fn make_serves(target: &str, ports: &[u16], answers: &[(&str, &str)]) {
    let _alone = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let shell = Shell::default();
    shell.run("cargo build --quiet -p backend -p frontend");
    let make = shell.start(&format!("make --no-print-directory {target}"));
    for (url, text) in answers {
        eventually(url, || {
            let reply = shell.attempt(&format!("curl -fsS {url}"));
            if reply.stdout.contains(text) { Ok(()) } else { Err(reply.text()) }
        });
    }
    let _ = make.terminate();
    let listening = ports.iter().map(|port| format!("sport = :{port}")).collect::<Vec<_>>().join(" or ");
    eventually("the ports are free again", || {
        let open = shell.stdout(&format!("ss -Hltn '( {listening} )'"));
        if open.is_empty() { Ok(()) } else { Err(open) }
    });
}

#[test]
fn make_run_serves_the_page_and_the_api() {
    let answers = [("http://127.0.0.1:8000/", "<html"), ("http://127.0.0.1:8000/proxy/items", "\"items\"")];
    make_serves("run", &[8000, 8001], &answers);
}

#[test]
fn make_run_two_serves_a_gateway_and_two_services() {
    let answers = [
        ("http://127.0.0.1:8001/service-1/items/1", "ml-service1"),
        ("http://127.0.0.1:8001/service-2/items/1", "ml-service2"),
        ("http://127.0.0.1:8002/docs", "/api/items"),
        ("http://127.0.0.1:8003/docs", "/api/items"),
        ("http://127.0.0.1:8001/docs", "/ui/docs.js"),
        ("http://127.0.0.1:8001/openapi.json", "/service-2/items"),
    ];
    make_serves("run-two", &[8001, 8002, 8003], &answers);
}
