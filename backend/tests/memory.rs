//! The memory of the backend's process while clients stretch a bound: each stays where the sum of its bounds has it.

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

const MIB: u64 = 1 << 20;

fn backend(environment: &[(&str, &str)]) -> (Program, SocketAddr) {
    let mut backend = Program::spawn(&mut Command::new(env!("CARGO_BIN_EXE_backend")), environment);
    let service = address(&backend.line("listening"), "address");
    backend.line("ready");
    (backend, service)
}

/// Each byte comes in a buffer of 8 KiB, which must not be kept for it; of a body that nobody wants neither.
#[tokio::test]
async fn bodies_sent_byte_by_byte_take_no_more_than_they_have_bytes() {
    const UPLOADS: usize = 20;
    const BYTES: usize = 400;
    for path in ["/api/echo", "/nowhere"] {
        let (backend, service) = backend(&[]);
        drip(service, path, UPLOADS, 1).await;
        let before = resident(&backend);
        let clients = drip(service, path, UPLOADS, BYTES).await;
        let grown = peak(&backend) - before;
        println!("{} bytes one by one to {path}: {:.1} MiB more", UPLOADS * BYTES, mib(grown));
        assert!(grown < 8 * MIB && (clients.len() * BYTES * 8192) as u64 > 7 * 8 * MIB, "{:.1} MiB", mib(grown));
    }
}
