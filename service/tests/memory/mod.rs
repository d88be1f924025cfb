//! The memory of a running program, as the kernel counts it.
#![allow(dead_code, unreachable_pub)] // Each test file is a program of its own, and uses its part of this.

use crate::program::Program;

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
