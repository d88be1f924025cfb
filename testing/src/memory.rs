//! The memory of a running program, as the kernel counts it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::program::Program;
use crate::wire::Wire;

/// Resident memory now, in bytes.
pub fn resident(program: &Program) -> u64 {
    status(program, "VmRSS:")
}

/// The most that it ever was.
pub fn peak(program: &Program) -> u64 {
    status(program, "VmHWM:")
}

fn status(program: &Program, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    1024 * value.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap()
}

/// Whether `grown` bytes, of what is said, are between `least` and `bound`.
pub fn assert_within(what: &str, grown: u64, least: u64, bound: u64) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let said = format!("{what}: {:.1} of {:.1} MiB, and at least {:.1}", mib(grown), mib(bound), mib(least));
    println!("{said}");
    assert!((least..bound).contains(&grown), "{said}");
}

/// Twenty uploads to `path` take no more than they have bytes, though each byte comes in a buffer of 8 KiB.
pub async fn assert_drips_are_small(program: &Program, address: SocketAddr, path: &str) {
    const UPLOADS: usize = 20;
    const BYTES: usize = 400;
    const MOST: u64 = 8 << 20;
    drip(address, path, UPLOADS, 1).await;
    let before = resident(program);
    let clients = drip(address, path, UPLOADS, BYTES).await;
    assert!((clients.len() * BYTES * 8192) as u64 > 7 * MOST, "the buffers would be seen");
    assert_within(&format!("{} bytes one by one to {path}", UPLOADS * BYTES), peak(program) - before, 0, MOST);
}

/// Uploads to `path`, each of which sends its body byte by byte, so slowly that each byte is read on its own; they stay open.
async fn drip(address: SocketAddr, path: &str, uploads: usize, bytes: usize) -> Vec<Wire> {
    let mut clients = Vec::new();
    for _ in 0..uploads {
        let mut client = Wire::connect(address).await.unwrap();
        client.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 65000\r\n\r\n")).await.unwrap();
        clients.push(client);
    }
    for _ in 0..bytes {
        for client in &mut clients {
            // The server may have given up on it.
            let _ = client.send("x").await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    clients
}

/// What the terms of the program's own sum come to with `environment`, in bytes.
pub fn bounds(program: &str, environment: &[(&str, &str)]) -> HashMap<String, u64> {
    let output = Command::new(program).arg("--memory").env_clear().envs(environment.iter().copied()).output().unwrap();
    let sum: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    let term =
        |term: &Value| (term["of"].as_str().unwrap().to_owned(), number(&term["count"]) * number(&term["bytes"]));
    let terms: HashMap<String, u64> = sum["terms"].as_array().unwrap().iter().map(term).collect();
    assert_eq!(terms.values().sum::<u64>(), number(&sum["bytes"]), "the sum is that of its terms");
    terms
}

/// A client that takes next to nothing of what it is sent.
pub async fn slow_reader(address: SocketAddr) -> Wire {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    Wire::over(socket.connect(address).await.unwrap())
}

/// Waits until the program's memory grows no more, for longer than a busy machine holds it up; the most that it ever was.
pub async fn settled(program: &Program) -> u64 {
    let (mut most, mut same) = (0, 0);
    while same < 4 {
        let now = resident(program);
        same = if now > most { 0 } else { same + 1 };
        most = most.max(now);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    peak(program)
}

/// 500 connections whose heads lack their end take no more than `bound`.
pub async fn assert_unfinished_heads_within(program: &Program, address: SocketAddr, bound: u64) {
    let before = resident(program);
    let _clients = unfinished_heads(address, 500, 16_384).await;
    assert_within("500 unfinished heads", settled(program).await - before, bound / 3, bound);
}

/// Connections whose heads, of `bytes`, lack their end: each alone, or behind a whole request that shifts it in its buffer.
async fn unfinished_heads(address: SocketAddr, connections: usize, bytes: usize) -> Vec<Wire> {
    let mut clients = Vec::new();
    for number in 0..connections {
        let mut client = Wire::connect(address).await.unwrap();
        let head = "GET /health HTTP/1.1\r\nHost: test\r\nX: ";
        if number % 2 == 0 {
            client.send(format!("{head}{}\r\n\r\n", "x".repeat(bytes / 3))).await.unwrap();
        }
        client.send(format!("{head}{}", "x".repeat(bytes - head.len() - 1))).await.unwrap();
        clients.push(client);
    }
    clients
}
