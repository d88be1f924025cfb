//! The memory of the backend's process while clients stretch a bound: each stays where the sum of its bounds has it.

use testing::memory::{
    assert_drips_are_small, assert_unfinished_heads_within, assert_within, bounds, resident, settled, slow_reader,
};
use testing::program::Program;

const PROGRAM: &str = env!("CARGO_BIN_EXE_backend");

/// Of a body that nobody wants too.
#[tokio::test]
async fn bodies_sent_byte_by_byte_take_no_more_than_they_have_bytes() {
    for path in ["/api/echo", "/nowhere"] {
        let (backend, service) = Program::serving(PROGRAM, &[]);
        assert_drips_are_small(&backend, service, path).await;
    }
}

#[tokio::test]
async fn unfinished_heads_stay_within_the_bound_of_their_connections() {
    let environment = [("MAX_CONNECTIONS", "500")];
    let bound = bounds(PROGRAM, &environment)["connections"];
    let (backend, service) = Program::serving(PROGRAM, &environment);
    assert_unfinished_heads_within(&backend, service, bound).await;
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
    assert_eq!(held, 1 << 20);
    assert_within(&format!("{CLIENTS} echoes of 64 KiB"), settled(&backend).await - before, 0, bound);
}
