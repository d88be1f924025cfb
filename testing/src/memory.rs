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

/// Bytes as MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Uploads to `path`, each of which sends its body byte by byte, so slowly that each byte is read on its own; they stay open.
pub async fn drip(address: SocketAddr, path: &str, uploads: usize, bytes: usize) -> Vec<Wire> {
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

/// Waits until the program's memory grows no more.
pub async fn settled(program: &Program) -> u64 {
    let mut before = 0;
    loop {
        let now = resident(program);
        if now <= before {
            return peak(program);
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Connections whose heads, of `bytes`, lack their end: each alone, or behind a whole request that shifts it in its buffer.
pub async fn unfinished_heads(address: SocketAddr, connections: usize, bytes: usize) -> Vec<Wire> {
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
