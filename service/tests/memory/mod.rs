//! The memory of a running program, as the kernel counts it.
#![allow(dead_code, unreachable_pub)] // Each test file is a program of its own, and uses its part of this.

use std::net::SocketAddr;
use std::time::Duration;

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
