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

/// A name service that loses the first four packets, which are two tries of one lookup: of a pod, what enforces network policies does not
/// know it yet. Then each name is 127.0.0.1.
const LATE_NAME_SERVICE: &str = r#"
import socket
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.53", 53))
for _ in range(4):
    names.recvfrom(512)
while True:
    query, peer = names.recvfrom(512)
    question = query[12 : query.index(0, 12) + 5]
    has_one = question[-4:-2] == b"\0\1"
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x7f\0\0\1" if has_one else b""
    names.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([has_one]) + bytes(4) + question + answer, peer)
"#;

#[test]
fn a_gateway_is_ready_when_its_name_service_has_answered() {
    let shell = Shell::default();
    let told = shell.stdout(&format!(
        r#"unshare --net --mount bash -euc '
             trap "kill \$(jobs -p)" EXIT
             ip link set lo up
             mount -t tmpfs tmpfs /mnt
             echo nameserver 127.0.0.53 >/mnt/resolv.conf
             mount --bind /mnt/resolv.conf /etc/resolv.conf
             python3 -c "$0" &
             until ss -Hlun "sport = :53" | grep -q .; do sleep 0.1; done
             export BIND_ADDRESS=127.0.0.1 DRAIN_SECONDS=0 VERSION=v1 LOG_LEVEL=error
             PORT=8001 METRICS_PORT=9001 .cluster/binaries/out/backend &
             BACKEND_URL=http://backend:8001 PORT=8000 METRICS_PORT=9000 .cluster/binaries/out/frontend &
             until curl -s -o /dev/null http://127.0.0.1:8000/health; do sleep 0.1; done
             code() {{ curl -s -o /dev/null -w "$1 %{{http_code}}\n" "http://127.0.0.1:8000$1"; }}
             for path in /health /started /ready; do code $path; done
             .cluster/bin/client wait http://127.0.0.1:8000/ready --timeout 30s >&2
             for path in /started /ready /proxy/items; do code $path; done' '{LATE_NAME_SERVICE}'"#
    ));
    assert_eq!(told, "/health 200\n/started 503\n/ready 503\n/started 200\n/ready 200\n/proxy/items 200\n");
}
