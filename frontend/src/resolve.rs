//! Resolves an upstream's name, rarely and never twice at once.
//!
//! musl's `getaddrinfo` caches nothing and blocks a thread for as long as the name service takes, and under Kubernetes'
//! search path one lookup is up to ten queries. So an answer is used for a second; then the next connection starts a
//! lookup in the background and takes the old answer meanwhile, so that a slow name service delays no request that has
//! somewhere to go. After half a minute the old answer is no longer used.
//!
//! A lookup goes on when whoever asked has given up. Else a name service that takes longer than a connect may take would
//! never be heard, and each request would ask it anew.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long an answer is used as it is.
const FRESH: Duration = Duration::from_secs(1);
/// How long an answer is used while a newer one is looked up.
const STALE: Duration = Duration::from_secs(30);

/// The addresses of one name.
#[derive(Debug)]
pub struct Resolver {
    host: String,
    port: u16,
    /// A host that is an address needs no lookup.
    literal: Option<SocketAddr>,
    answer: Mutex<Option<Answer>>,
    /// Held during a lookup: whoever comes meanwhile waits for its answer instead of asking again.
    lookup: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Answer {
    addresses: Arc<[SocketAddr]>,
    at: Instant,
}

impl Resolver {
    /// Resolves `host`, a name or an IP address (IPv6 without brackets).
    #[must_use]
    pub fn new(host: String, port: u16) -> Self {
        let literal = host.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, port));
        Self { host, port, literal, answer: Mutex::new(None), lookup: tokio::sync::Mutex::new(()) }
    }

    /// The addresses, at least one.
    ///
    /// # Errors
    /// Where the name has no address or the name service fails, and no answer is recent enough to stand in.
    pub async fn addresses(self: &Arc<Self>) -> io::Result<Arc<[SocketAddr]>> {
        if let Some(address) = self.literal {
            return Ok(Arc::new([address]));
        }
        match self.recent(STALE) {
            Some(answer) if answer.at.elapsed() < FRESH => Ok(answer.addresses),
            Some(answer) => {
                self.look_up();
                Ok(answer.addresses)
            }
            None => self.look_up().await.unwrap_or_else(|error| Err(io::Error::other(error))),
        }
    }

    /// Looks the name up in the background, where that is needed.
    pub fn look_up(self: &Arc<Self>) -> JoinHandle<io::Result<Arc<[SocketAddr]>>> {
        let resolver = Arc::clone(self);
        tokio::spawn(async move {
            let found = resolver.refresh().await;
            if let Err(error) = &found {
                tracing::warn!(host = resolver.host, %error, "the name does not resolve");
            }
            found
        })
    }

    async fn refresh(&self) -> io::Result<Arc<[SocketAddr]>> {
        if let Some(address) = self.literal {
            return Ok(Arc::new([address]));
        }
        let _alone = self.lookup.lock().await;
        if let Some(answer) = self.recent(FRESH) {
            return Ok(answer.addresses);
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        let addresses: Arc<[SocketAddr]> = found.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no address"));
        }
        *self.lock() = Some(Answer { addresses: Arc::clone(&addresses), at: Instant::now() });
        Ok(addresses)
    }

    fn recent(&self, age: Duration) -> Option<Answer> {
        self.lock().clone().filter(|answer| answer.at.elapsed() < age)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Answer>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_lookup_and_names_get_one() {
        let literal = Arc::new(Resolver::new("::1".into(), 80));
        assert_eq!(*literal.addresses().await.unwrap(), ["[::1]:80".parse().unwrap()]);
        let name = Arc::new(Resolver::new("localhost".into(), 80));
        assert!(name.addresses().await.unwrap().iter().all(|address| address.ip().is_loopback()));
    }

    #[tokio::test]
    async fn a_lookup_goes_on_when_whoever_asked_has_given_up() {
        let resolver = Arc::new(Resolver::new("localhost".into(), 80));
        // The name service takes longer than the asker has.
        let slow = resolver.lookup.lock().await;
        assert!(tokio::time::timeout(Duration::from_millis(20), resolver.addresses()).await.is_err());
        drop(slow);
        let heard = async {
            while resolver.recent(STALE).is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), heard).await.is_ok(), "its answer was thrown away");
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_answer_stands_in_while_the_name_service_fails_but_not_for_long() {
        // No name service has an answer to a name with an empty label, and none is asked.
        let resolver = Arc::new(Resolver::new("a..b".into(), 80));
        assert!(resolver.addresses().await.is_err());
        let known: Arc<[SocketAddr]> = Arc::new(["10.0.0.1:80".parse().unwrap()]);
        *resolver.lock() = Some(Answer { addresses: Arc::clone(&known), at: Instant::now() });
        for advance in [Duration::ZERO, FRESH, STALE / 2] {
            tokio::time::advance(advance).await;
            assert_eq!(resolver.addresses().await.unwrap(), known, "{advance:?}");
        }
        tokio::time::advance(STALE / 2).await;
        assert!(resolver.addresses().await.is_err());
    }
}
