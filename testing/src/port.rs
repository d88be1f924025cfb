//! Ports for processes that are told theirs, and keep it over restarts.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that Linux gives to outgoing connections (`net.ipv4.ip_local_port_range`, 32768 and up): one of these may be taken by any
/// connection of any test between the look and the listening.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port of loopback on which nobody listens, another one each time.
pub fn free() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side begin at different ones.
    let begin = std::process::id() % u32::from(COUNT) * 101;
    let mut ports = std::iter::repeat_with(|| {
        let next = begin + u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        FIRST + (next % u32::from(COUNT)) as u16
    });
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    ports.by_ref().take(usize::from(COUNT)).find(is_free).expect("loopback has a free port")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn a_port_is_given_once_and_no_connection_takes_it() {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        let ports: BTreeSet<u16> = (0..100).map(|_| free()).collect();
        assert_eq!(ports.len(), 100);
        assert!(ports.last().unwrap() < &first, "{ports:?} and {first}");
    }

    #[test]
    fn one_that_is_listened_on_is_left_out() {
        let next = free() + 1;
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, next));
        assert_ne!(free(), next);
    }
}
