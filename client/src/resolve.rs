//! From a host to the addresses to connect to.
//!
//! musl's `getaddrinfo` has no cache and blocks a thread for each call, so a load asks at most once in [`FRESH`] for
//! all its connections, and still follows a headless Service as pods come and go.

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{net::lookup_host, sync::Mutex};

use crate::{
    failure::{Failure, Kind},
    url::{Host, Origin},
};

/// How long an answer of the name server is used.
const FRESH: Duration = Duration::from_secs(1);

/// Every address of `origin` as the resolver orders them; never empty.
///
/// # Errors
/// [`Kind::Resolve`].
pub(crate) async fn addresses(origin: &Origin) -> Result<Vec<SocketAddr>, Failure> {
    let name = match &origin.host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, origin.port)]),
        Host::Name(name) => name,
    };
    let found: Vec<_> = lookup_host((name.as_str(), origin.port))
        .await
        .map_err(|error| Failure::new(Kind::Resolve, format!("{name}: {error}")))?
        .collect();
    if found.is_empty() {
        return Err(Failure::new(Kind::Resolve, format!("{name}: no address")));
    }
    Ok(found)
}

/// Hands out the addresses of one origin in turn, to many connections.
pub(crate) struct Rotation {
    origin: Origin,
    /// Locked while the name is asked for, so that those who come meanwhile wait for that answer.
    known: Mutex<Option<Known>>,
}

struct Known {
    since: Instant,
    addresses: Rc<[SocketAddr]>,
    next: usize,
}

impl Rotation {
    /// A rotation over the addresses of `origin`, which is resolved when first needed.
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, known: Mutex::new(None) }
    }

    /// The address for the next connection.
    ///
    /// A name with addresses of both families is reached over IPv4 alone: trying the other family after a refusal
    /// would be a retry.
    ///
    /// # Errors
    /// [`Kind::Resolve`]; an answer that has gone stale is not used in a new one's place.
    pub(crate) async fn next(&self) -> Result<SocketAddr, Failure> {
        let mut known = self.known.lock().await;
        let known = match &mut *known {
            Some(known) if known.since.elapsed() < FRESH => known,
            stale => {
                let next = stale.take().map_or(0, |known| known.next);
                let addresses = one_family(addresses(&self.origin).await?).into();
                stale.insert(Known { since: Instant::now(), addresses, next })
            }
        };
        known.next = (known.next + 1) % known.addresses.len();
        Ok(known.addresses[known.next])
    }
}

fn one_family(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if addresses.iter().any(SocketAddr::is_ipv4) {
        addresses.retain(SocketAddr::is_ipv4);
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_where_there_is_some() {
        let of = |addresses: &[&str]| {
            one_family(addresses.iter().map(|a| a.parse().unwrap()).collect())
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&["[::1]:80", "127.0.0.1:80"]), ["127.0.0.1:80"]);
        assert_eq!(of(&["[::2]:80", "[::1]:80"]), ["[::1]:80", "[::2]:80"]);
        assert_eq!(of(&["10.0.0.2:80", "10.0.0.2:80"]), ["10.0.0.2:80"]);
    }
}
