//! The two ways in which a pod finds a Service, side by side: variables that the kubelet set when the container started, and
//! what the name service answers now.
//!
//! The variables exist only for Services of the same namespace that were there before the container, and never change; a name
//! is looked up anew each time. That difference is what this shows.

use std::ffi::OsString;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use service::message::problem::Problem;
use tokio::sync::Semaphore;

/// How long an answer of the name service is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Lookups at the same time. One goes on, on a thread of its own, when its asker has given up.
const AT_ONCE: usize = 4;
/// The most addresses that are reported.
const MOST_ADDRESSES: usize = 64;
/// The longest name and the longest label (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

#[derive(Debug)]
pub(crate) struct Discovery {
    room: Arc<Semaphore>,
}

/// What is known of a Service.
#[derive(Debug, Serialize)]
pub(crate) struct Found<'a> {
    service: &'a str,
    environment: Variables,
    dns: Answer,
}

/// The kubelet's variables, `null` where there are none.
#[derive(Debug, Serialize)]
struct Variables {
    host: Variable,
    port: Variable,
}

#[derive(Debug, Serialize)]
struct Variable {
    name: String,
    value: Option<String>,
}

#[derive(Debug, Serialize)]
struct Answer {
    addresses: Vec<IpAddr>,
    took_ms: f64,
    /// Why there is no address.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Discovery {
    pub(crate) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Looks `service` up, a name of one or more labels.
    ///
    /// # Errors
    /// 400 where it is no name, 503 where too many lookups go on.
    pub(crate) async fn look_up<'a>(&self, service: Option<&'a str>) -> Result<Found<'a>, Problem> {
        let service = service.filter(|name| is_name(name)).ok_or_else(|| {
            let detail = "the query parameter service takes the name of a Service: lower-case letters, digits and '-', \
                 with '.' between labels";
            Problem::bad(detail)
        })?;
        let place = Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|_| Problem::busy(format!("{AT_ONCE} names are being looked up already"), PATIENCE.as_secs()))?;
        let asked = Instant::now();
        let name = service.to_owned();
        // A task of its own keeps the place until the thread that asks is free again, however long that takes.
        let lookup = tokio::spawn(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map(|found| {
                let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).take(MOST_ADDRESSES).collect();
                addresses.sort_unstable();
                addresses.dedup();
                addresses
            });
            drop(place);
            found
        });
        let (addresses, error) = match tokio::time::timeout(PATIENCE, lookup).await {
            Ok(Ok(Ok(addresses))) => (addresses, None),
            Ok(Ok(Err(error))) => (Vec::new(), Some(error.to_string())),
            Ok(Err(error)) => (Vec::new(), Some(error.to_string())),
            Err(_) => (Vec::new(), Some(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        let dns = Answer { addresses, took_ms: asked.elapsed().as_secs_f64() * 1000.0, error };
        Ok(Found { service, environment: variables(service, |name| std::env::var_os(name)), dns })
    }
}

/// The variables of a Service: its name in upper case, with `_` for `-`, as the kubelet makes them. They know no namespace, so of
/// a name with labels the first one counts.
fn variables(service: &str, lookup: impl Fn(&str) -> Option<OsString>) -> Variables {
    let label = service.split('.').next().unwrap_or_default();
    let prefix = label.to_ascii_uppercase().replace('-', "_");
    let variable = |suffix: &str| {
        let name = format!("{prefix}_SERVICE_{suffix}");
        let value = lookup(&name).map(|value| value.to_string_lossy().into_owned());
        Variable { name, value }
    };
    Variables { host: variable("HOST"), port: variable("PORT") }
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && name.split('.').all(is_label)
}

/// A label as Kubernetes takes it in names (RFC 1123).
fn is_label(label: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(known)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_the_table() {
        let long = "a".repeat(64);
        let longer = "a.".repeat(127) + "a";
        for name in ["a", "backend-svc", "backend.default.svc.cluster.local", "10", "kubernetes.default"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "a.", ".a", "a..b", "-a", "a-", "A", "a_b", "a b", "a/b", "a%2e", &long, &longer] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn variables_are_named_as_the_kubelet_names_them() {
        let lookup = |name: &str| (name == "BACKEND_SVC_SERVICE_HOST").then(|| OsString::from("10.96.0.7"));
        let found = variables("backend-svc.default", lookup);
        assert_eq!(found.host.value.as_deref(), Some("10.96.0.7"));
        assert_eq!((found.port.name.as_str(), found.port.value), ("BACKEND_SVC_SERVICE_PORT", None));
    }

    /// `localhost` is resolved by the C library itself, wherever the test runs.
    #[tokio::test]
    async fn a_name_is_looked_up_and_lookups_are_bounded() {
        let discovery = Discovery::new();
        let found = discovery.look_up(Some("localhost")).await.unwrap();
        assert!(!found.dns.addresses.is_empty() && found.dns.addresses.iter().all(IpAddr::is_loopback), "{found:?}");
        assert_eq!(discovery.look_up(None).await.unwrap_err().status(), 400);
        let _all = Arc::clone(&discovery.room).try_acquire_many_owned(AT_ONCE as u32).unwrap();
        assert_eq!(discovery.look_up(Some("localhost")).await.unwrap_err().status(), 503);
    }
}
