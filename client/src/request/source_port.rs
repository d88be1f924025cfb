//! Ports that connections leave from, so that no run inherits what an earlier one lost.
//!
//! A node that forwards a connection to an endpoint remembers where it led it: while nothing answers, for two minutes
//! (`nf_conntrack_tcp_timeout_syn_sent` of <https://docs.kernel.org/networking/nf_conntrack-sysctl.html>). A later
//! connection from the same port follows the same way, though the endpoint may be long gone: it is lost, and not by
//! what is measured. The kernel may hand a port out again at once, and no program knows what the one before it lost.
//! So ports are taken in turn, and where a program begins is told by the clock.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use tokio::net::{TcpSocket, TcpStream};

/// The time in which the clock goes once round the ports: what a node remembers, from the last of the SYNs that are sent
/// again while a client waits.
const ROUND: Duration = Duration::from_secs(150);

/// Ports that are tried for one connection, where others hold them, before the kernel chooses.
const TRIES: usize = 64;

/// Connects to `address` from the next port in turn.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    static TURN: LazyLock<Turn> =
        LazyLock::new(|| Turn::beginning(ephemeral(), SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()));
    for port in (0..TRIES).map(|_| TURN.next()) {
        match connect_from(port, address).await {
            Err(error) if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable) => {}
            connected => return connected,
        }
    }
    TcpStream::connect(address).await
}

async fn connect_from(port: u16, address: SocketAddr) -> io::Result<TcpStream> {
    let (socket, any) = if address.is_ipv4() {
        (TcpSocket::new_v4()?, Ipv4Addr::UNSPECIFIED.into())
    } else {
        (TcpSocket::new_v6()?, Ipv6Addr::UNSPECIFIED.into())
    };
    // Two connections may share a port where they lead to different addresses.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(any, port))?;
    socket.connect(address).await
}

/// The range that the kernel takes such ports from. Its default where it can't be read.
fn ephemeral() -> Range<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = text.split_whitespace().map_while(|bound| bound.parse::<u16>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(first), Some(last)) if first < last => first..last,
        _ => 32_768..60_999,
    }
}

/// Ports one after the other, from where the clock stands at the beginning. Programs that follow each other, and open fewer
/// connections a second than the clock passes ports (of 28,231: 188), use none twice in a [`ROUND`].
struct Turn {
    ports: Range<u16>,
    taken: AtomicU32,
}

impl Turn {
    fn beginning(ports: Range<u16>, clock: Duration) -> Self {
        let first = clock.as_millis() % ROUND.as_millis() * ports.len() as u128 / ROUND.as_millis();
        Self { ports, taken: AtomicU32::new(u32::try_from(first).expect("below 65,536")) }
    }

    fn next(&self) -> u16 {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        let offset = taken as usize % self.ports.len();
        self.ports.start + u16::try_from(offset).expect("below the range's length")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn programs_that_follow_each_other_use_no_port_twice_while_a_node_remembers_it() {
        // Each runs for 10 s with 150 connections a second, and begins when the one before it has ended.
        let mut last = HashMap::new();
        for start in (0..600).step_by(10) {
            let turn = Turn::beginning(32_768..60_999, Duration::from_secs(1_800_000_000 + start));
            for number in 0..1_500 {
                let now = Duration::from_secs(start) + Duration::from_secs(1) * number / 150;
                if let Some(before) = last.insert(turn.next(), now) {
                    assert!(now > before + Duration::from_secs(125), "{before:?} {now:?}");
                }
            }
        }
    }

    #[test]
    fn a_turn_goes_round_its_range_and_no_further() {
        let turn = Turn::beginning(65_533..65_535, Duration::from_secs(1_500 + 75));
        assert_eq!([turn.next(), turn.next(), turn.next()], [65_534, 65_533, 65_534]);
    }

    #[tokio::test]
    async fn a_port_that_others_hold_is_passed_over() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let first = connect(address).await.unwrap().local_addr().unwrap().port();
        let held: Vec<_> =
            (1..8).filter_map(|next| std::net::TcpListener::bind(("0.0.0.0", first + next)).ok()).collect();
        let second = connect(address).await.unwrap().local_addr().unwrap().port();
        assert!(held.iter().all(|held| held.local_addr().unwrap().port() != second), "{first} {second} {held:?}");
        assert_ne!(first, second);
    }
}
