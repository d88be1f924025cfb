//! The memory of the backend's process while clients stretch a bound: each stays where the sum of its bounds has it.

use testing::memory::{bounds, drip, mib, peak, resident, settled, slow_reader, unfinished_heads};
use testing::program::Program;

const MIB: u64 = 1 << 20;
const PROGRAM: &str = env!("CARGO_BIN_EXE_backend");

/// Each byte comes in a buffer of 8 KiB, which must not be kept for it; of a body that nobody wants neither.
#[tokio::test]
async fn bodies_sent_byte_by_byte_take_no_more_than_they_have_bytes() {
    const UPLOADS: usize = 20;
    const BYTES: usize = 400;
    for path in ["/api/echo", "/nowhere"] {
        let (backend, service) = Program::serving(PROGRAM, &[]);
        drip(service, path, UPLOADS, 1).await;
        let before = resident(&backend);
        let clients = drip(service, path, UPLOADS, BYTES).await;
        let grown = peak(&backend) - before;
        println!("{} bytes one by one to {path}: {:.1} MiB more", UPLOADS * BYTES, mib(grown));
        assert!(grown < 8 * MIB && (clients.len() * BYTES * 8192) as u64 > 7 * 8 * MIB, "{:.1} MiB", mib(grown));
    }
}

#[tokio::test]
async fn unfinished_heads_stay_within_the_bound_of_their_connections() {
    let environment = [("MAX_CONNECTIONS", "500")];
    let bound = bounds(PROGRAM, &environment)["connections"];
    let (backend, service) = Program::serving(PROGRAM, &environment);
    let before = resident(&backend);
    let _clients = unfinished_heads(service, 500, 16_384).await;
    let grown = settled(&backend).await - before;
    println!("500 unfinished heads: {:.1} of {:.1} MiB", mib(grown), mib(bound));
    assert!(grown < bound && grown > bound / 3, "{:.1} of {:.1} MiB", mib(grown), mib(bound));
}

/// What is sent back counts until it has been taken; who gets no room for it is answered 503.
#[tokio::test]
async fn echoes_that_nobody_takes_stay_within_the_bound_of_bodies() {
    const CLIENTS: usize = 100;
    let environment = [("MAX_CONNECTIONS", "100"), ("MAX_IN_FLIGHT", "100"), ("MAX_HELD_BODY_BYTES", "1048576")];
    let bounds = bounds(PROGRAM, &environment);
    let held = bounds["bytes of bodies that are kept whole"];
    let bound = bounds["connections"] + bounds["requests that are answered"] + held;
    let (backend, service) = Program::serving(PROGRAM, &environment);
    let before = resident(&backend);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(slow_reader(service).await);
    }
    // The kernel takes some replies off the server's hands, so there are several on each connection.
    let request =
        format!("POST /api/echo HTTP/1.1\r\nHost: test\r\nContent-Length: 65536\r\n\r\n{}", "x".repeat(65_536));
    for client in &mut clients {
        let sent = client.send(request.repeat(12));
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), sent).await;
    }
    let grown = settled(&backend).await - before;
    println!("{CLIENTS} echoes of 64 KiB: {:.1} of {:.1} MiB", mib(grown), mib(bound));
    assert!(grown < bound && held == 1 << 20, "{:.1} of {:.1} MiB", mib(grown), mib(bound));
}
