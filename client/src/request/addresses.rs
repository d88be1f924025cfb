//! From a host to the addresses to connect to.
//!
//! musl's `getaddrinfo` has no cache and blocks a thread for each call, so a load asks at most once in [`FRESH`] for
//! all its connections, and still follows a headless Service as pods come and go. The gateway's own cache answers for half a minute
//! with what it knew (`frontend/src/upstream/resolver.rs`): here that would hide a loss.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::{net::lookup_host, sync::Mutex};

use super::cause::{Cause, Kind};
use super::url::{Host, Origin};

/// How long an answer of the name server is used.
const FRESH: Duration = Duration::from_secs(1);

/// Every address of `origin` as the resolver orders them; never empty.
pub(crate) async fn look_up(origin: &Origin) -> Result<Vec<SocketAddr>, Cause> {
    let name = match &origin.host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, origin.port)]),
        Host::Name(name) => name,
    };
    let found: Vec<_> = lookup_host((name.as_str(), origin.port))
        .await
        .map_err(|error| Cause::new(Kind::Resolve, format!("{name}: {error}")))?
        .collect();
    if found.is_empty() {
        return Err(Cause::new(Kind::Resolve, format!("{name}: no address")));
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
    /// Of the family that the resolver puts first; never empty.
    first: Rc<[SocketAddr]>,
    /// Of the other family.
    second: Rc<[SocketAddr]>,
    next: usize,
}

impl Rotation {
    /// A rotation over the addresses of `origin`, which is resolved when first needed.
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, known: Mutex::new(None) }
    }

    /// The addresses for the next connection, which tries them in this order: one, or of a name with addresses of both
    /// families one of each. The other addresses of the same family are not tried: what refuses a connection is a loss here,
    /// and another pod's answer must not hide it.
    ///
    /// # Errors
    /// [`Kind::Resolve`]; an answer that has gone stale is not used in a new one's place.
    pub(crate) async fn next(&self) -> Result<Vec<SocketAddr>, Cause> {
        let mut known = self.known.lock().await;
        let known = match &mut *known {
            Some(known) if known.since.elapsed() < FRESH => known,
            stale => {
                let next = stale.take().map_or(0, |known| known.next);
                let (first, second) = families(look_up(&self.origin).await?);
                stale.insert(Known { since: Instant::now(), first: first.into(), second: second.into(), next })
            }
        };
        known.next = known.next.wrapping_add(1);
        let turn = |of: &[SocketAddr]| (!of.is_empty()).then(|| of[known.next % of.len()]);
        Ok([&known.first, &known.second].into_iter().filter_map(|of| turn(of)).collect())
    }
}

/// Splits addresses by family, that of the first one first, each in order and without doubles: answers of the name server that
/// differ by their order alone are the same.
fn families(addresses: Vec<SocketAddr>) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    let first_is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_ipv4);
    for family in [&mut first, &mut second] {
        family.sort_unstable();
        family.dedup();
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_apart_and_the_resolvers_first_is_first() {
        let of = |addresses: &[&str]| {
            let (first, second) = families(addresses.iter().map(|a| a.parse().unwrap()).collect());
            [first, second].map(|family| family.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(of(&["[::1]:80", "127.0.0.1:80"]), ["[::1]:80", "127.0.0.1:80"]);
        assert_eq!(of(&["127.0.0.1:80", "[::1]:80"]), ["127.0.0.1:80", "[::1]:80"]);
        assert_eq!(of(&["[::2]:80", "[::1]:80"]), ["[::1]:80 [::2]:80", ""]);
        assert_eq!(of(&["10.0.0.2:80", "10.0.0.2:80"]), ["10.0.0.2:80", ""]);
    }

    #[tokio::test]
    async fn connections_take_turns_within_a_family_and_have_one_of_each() {
        let rotation = Rotation::new(Origin { host: Host::Name("pods.test".into()), port: 80 });
        let of = |addresses: &[&str]| addresses.iter().map(|a| a.parse().unwrap()).collect();
        let known = Known {
            since: Instant::now() + FRESH * 60,
            first: of(&["[::1]:80", "[::2]:80"]),
            second: of(&["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]),
            next: 0,
        };
        *rotation.known.lock().await = Some(known);
        for expected in ["[::2]:80 10.0.0.2:80", "[::1]:80 10.0.0.3:80", "[::2]:80 10.0.0.1:80"] {
            let next = rotation.next().await.unwrap();
            assert_eq!(next.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), expected);
        }
    }
}
