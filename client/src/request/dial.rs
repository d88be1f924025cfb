//! Connecting to a host that has several addresses: RFC 8305, section 5.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, task::JoinSet, time::sleep};

use super::cause::{Cause, Kind};
use super::source_port;

/// The time that one address has before the next is tried beside it: the Connection Attempt Delay of RFC 8305, section 8.
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// Connects to the first of `addresses` that accepts. Each is tried once, in this order: as soon as the one before it has
/// failed, or 250 ms after it. The attempts that are not needed are dropped.
///
/// # Errors
/// That of the address that failed last; [`Kind::Resolve`] where there is none.
pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Cause> {
    let mut cause = Cause::new(Kind::Resolve, "no address");
    let mut attempts = JoinSet::new();
    let mut untried = addresses.iter().copied();
    loop {
        if let Some(address) = untried.next() {
            attempts.spawn(async move { (address, source_port::connect(address).await) });
        }
        tokio::select! {
            Some(attempt) = attempts.join_next() => match attempt {
                Ok((address, Ok(stream))) => return Ok((stream, address)),
                Ok((address, Err(error))) => {
                    cause = Cause::connecting(&error);
                    if addresses.len() > 1 {
                        cause.detail = format!("{address}: {}", cause.detail);
                    }
                }
                // Only this function aborts them, when it is dropped itself.
                Err(_) => {}
            },
            () = sleep(NEXT_AFTER), if untried.len() > 0 => {}
            else => return Err(cause),
        }
    }
}

/// Orders addresses so that both families have their turn: the resolver's first one, then the first of the other family, and
/// so on (RFC 8305, section 4). The resolver has them in the order of RFC 6724.
pub(crate) fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_ipv4);
    let mut second = second.into_iter();
    let mut order: Vec<_> = first.into_iter().flat_map(|address| [Some(address), second.next()]).flatten().collect();
    order.extend(second);
    order
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Instant;

    use super::*;

    fn parsed(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    /// Listens, and has so many in its queue that the kernel drops what comes next. Needs a runtime.
    fn black_hole() -> (tokio::net::TcpListener, Vec<std::net::TcpStream>) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let queued = (0..2).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        (listener, queued)
    }

    #[test]
    fn families_take_turns_and_the_resolver_says_which_is_first() {
        for (given, expected) in [
            (&["[::1]:1", "[::2]:1", "1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"][..], "::1 1.1.1.1 ::2 1.1.1.2 1.1.1.3"),
            (&["1.1.1.1:1", "[::1]:1", "[::2]:1"], "1.1.1.1 ::1 ::2"),
            (&["1.1.1.2:1", "1.1.1.1:1"], "1.1.1.2 1.1.1.1"),
            (&[], ""),
        ] {
            let order: Vec<_> = interleaved(parsed(given)).iter().map(|address| address.ip().to_string()).collect();
            assert_eq!(order.join(" "), expected);
        }
    }

    #[tokio::test]
    async fn an_address_that_refuses_costs_no_wait() {
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let accepting = listener.local_addr().unwrap();
        let start = Instant::now();
        let (_, peer) = connect(&[refusing, accepting]).await.unwrap();
        assert_eq!(peer, accepting);
        assert!(start.elapsed() < NEXT_AFTER, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn an_address_that_says_nothing_has_a_quarter_of_a_second_alone() {
        let (silent, _queued) = black_hole();
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let accepting = listener.local_addr().unwrap();
        let start = Instant::now();
        let (_, peer) = connect(&[silent.local_addr().unwrap(), accepting]).await.unwrap();
        assert_eq!(peer, accepting);
        assert!(start.elapsed() >= NEXT_AFTER, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn an_address_that_is_slow_is_still_waited_for_beside_the_next() {
        let (slow, queued) = black_hole();
        let address = slow.local_addr().unwrap();
        let refusing = TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap();
        let accepting = async {
            // Room in its queue: the kernel takes the next of the connection's retransmissions.
            sleep(NEXT_AFTER * 2).await;
            drop(queued);
            loop {
                drop(slow.accept().await);
            }
        };
        let addresses = [address, refusing];
        tokio::select! {
            connected = connect(&addresses) => assert_eq!(connected.unwrap().1, address),
            () = accepting => {}
        }
    }

    #[tokio::test]
    async fn the_last_failure_is_told_with_its_address() {
        let refusing = |address| TcpListener::bind(address).unwrap().local_addr().unwrap();
        let addresses = [refusing("127.0.0.1:0"), refusing("[::1]:0")];
        let cause = connect(&addresses).await.unwrap_err();
        assert_eq!(cause.kind, Kind::ConnectRefused);
        assert!(cause.detail.contains("[::1]:"), "{cause}");
        assert_eq!(connect(&[]).await.unwrap_err().kind, Kind::Resolve);
    }
}
