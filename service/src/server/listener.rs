//! Listening sockets, and what to do where accepting fails.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that the kernel keeps while they wait to be accepted. The kernel caps it at `net.core.somaxconn`, which is
/// 4096 on today's nodes; the 128 of older defaults overflow in a burst of new connections.
const BACKLOG: u32 = 1024;

/// What the kernel may keep of a reply that its client has not taken, in bytes; it counts its own overhead on top. Left to
/// itself it keeps up to 4 MiB a connection, which is memory of the pod: 64 clients that take nothing would fill the 256 MiB
/// of its limit. A client 50 ms away still gets 5 MB a second.
const SEND_BUFFER: u32 = 256 * 1024;

/// What socket(2) says of a family that the kernel does not have, as where it was started with `ipv6.disable=1`.
const EAFNOSUPPORT: i32 = 97;

/// Listens on `address`. Port 0 is any free port. `::` is every address of both families: clients over IPv4 have IPv4
/// addresses, see [`accept`]. A host without IPv6 has none to listen on, and `::` is every address of IPv4 there.
///
/// # Errors
/// Where the address is taken, is not of this host, or needs a privilege.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    bind_by(address, TcpSocket::new_v6)
}

/// `ipv6` makes a socket of that family.
fn bind_by(address: SocketAddr, ipv6: impl Fn() -> io::Result<TcpSocket>) -> io::Result<TcpListener> {
    let everywhere = address.ip() == Ipv6Addr::UNSPECIFIED;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => match ipv6() {
            Err(error) if everywhere && error.raw_os_error() == Some(EAFNOSUPPORT) => {
                return bind((Ipv4Addr::UNSPECIFIED, address.port()).into());
            }
            socket => socket?,
        },
    };
    if everywhere {
        // Whatever net.ipv6.bindv6only says.
        SockRef::from(&socket).set_only_v6(false)?;
    }
    // A restarted server must not wait for the connections of its predecessor to leave TIME_WAIT.
    socket.set_reuseaddr(true)?;
    // Accepted sockets have it from the listening one.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// An IPv4 address as such: a socket of both families has it as `::ffff:192.0.2.1` (RFC 4291, section 2.5.5.2).
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, peer.port()),
        IpAddr::V6(_) => peer,
    }
}

/// Accepts a connection, and waits through errors: there is always a next connection to hope for. The peer's address is of the
/// family that it came by.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut backoff = Backoff::default();
    loop {
        let error = match listener.accept().await {
            Ok((stream, peer)) => {
                let peer = canonical(peer);
                // Replies are written whole; Nagle's algorithm would only hold back the last segment of a streamed one.
                // It fails only on a connection that is dead already, which the first read will tell.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) => error,
        };
        let pause = backoff.after(&error);
        if let Some(pause) = pause {
            tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "accepting fails, waiting");
            tokio::time::sleep(pause).await;
        }
    }
}

/// Closes a listener, and takes over what waits in its backlog, which closing alone would reset. What connects from now on is
/// refused.
pub(crate) fn take_waiting(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    // The listener is non-blocking: the first error is that nobody waits, or that nobody can be taken.
    std::iter::from_fn(|| listener.accept().ok())
        .take(BACKLOG as usize)
        .filter_map(|(stream, peer)| {
            stream.set_nonblocking(true).ok()?;
            let stream = TcpStream::from_std(stream).ok()?;
            let _ = stream.set_nodelay(true);
            Some((stream, canonical(peer)))
        })
        .collect()
}

/// Pauses between failed attempts to accept.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(1);

    /// The pause after `error`. None after an error of the one connection that was about to be accepted (accept(2)); for
    /// every other, above all EMFILE and ENFILE, a pause that doubles: the listener stays readable, so that without it the
    /// loop would spin and keep the very connections from ending that hold the descriptors.
    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
            NetworkUnreachable, TimedOut,
        };
        let of_the_connection = matches!(
            error.kind(),
            ConnectionAborted
                | ConnectionRefused
                | ConnectionReset
                | HostUnreachable
                | Interrupted
                | NetworkDown
                | NetworkUnreachable
                | TimedOut
        );
        if of_the_connection {
            return None;
        }
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        Some(pause.min(Self::LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_second_for_want_of_descriptors() {
        const EMFILE: i32 = 24;
        let mut backoff = Backoff::default();
        let error = io::Error::from_raw_os_error(EMFILE);
        let pauses: Vec<_> = (0..10).map(|_| backoff.after(&error).unwrap().as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn a_connection_that_died_in_the_backlog_costs_no_pause() {
        const ECONNABORTED: i32 = 103;
        let error = io::Error::from_raw_os_error(ECONNABORTED);
        assert_eq!(Backoff::default().after(&error), None);
    }

    #[tokio::test]
    async fn who_waits_when_the_listener_closes_is_taken_over() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let _waiting = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        assert_eq!(take_waiting(listener).len(), 2);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn peers_have_the_addresses_of_the_family_that_they_came_by() {
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        for address in ["127.0.0.1", "::1"] {
            let ip: IpAddr = address.parse().unwrap();
            let client = TcpStream::connect((ip, port(&listener))).await.unwrap();
            let (_stream, peer) = accept(&listener).await;
            assert_eq!(peer, client.local_addr().unwrap());
        }
        let waiting = TcpStream::connect(("127.0.0.1", port(&listener))).await.unwrap();
        assert_eq!(take_waiting(listener)[0].1, waiting.local_addr().unwrap());
    }

    #[tokio::test]
    async fn without_ipv6_every_address_is_every_one_of_ipv4() {
        const EMFILE: i32 = 24;
        let none = || Err(io::Error::from_raw_os_error(EAFNOSUPPORT));
        let listener = bind_by("[::]:0".parse().unwrap(), none).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), Ipv4Addr::UNSPECIFIED);
        assert!(bind_by("[::1]:0".parse().unwrap(), none).is_err(), "one address is not every one");
        let full = || Err(io::Error::from_raw_os_error(EMFILE));
        assert!(bind_by("[::]:0".parse().unwrap(), full).is_err(), "another error has another cause");
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
