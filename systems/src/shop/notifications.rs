//! Notifications: what happened to orders, from the stream in the store to the customer, as a line of the log: there is no mail server
//! here.
//!
//! An event is delivered at least once: it stays in the stream until its notification was sent, and what a pod had taken that is not
//! heard of any more, another takes over. One that nobody can read is put aside, so that it stops none behind it.
//!
//! All pods are one consumer of the group: a name for each would be that of a pod that comes and goes, and would have to be deleted
//! after it.

use std::time::Duration;

use hyper::Response;
use serde::Deserialize;
use serde_json::json;
use service::app::Server;
use service::message::body::Body;
use service::message::json;
use service::message::problem::Problem;
use tokio::time::sleep;

use crate::script::Script;
use store::meaning::{count, fields, strange, text, yes};
use store::unavailable::Unavailable;
use store::{Store, Value};

/// What every key of the events begins with.
pub(crate) const EVENTS: &str = "{shop}";
/// The group, and its one consumer.
const GROUP: &str = "notifications";
/// Events that are taken in one step.
const AT_ONCE: &[u8] = b"20";
/// How long one stays with a pod that is not heard of any more, in ms.
const LEASE_MS: &[u8] = b"2000";
/// The pause between two looks into an empty stream.
const POLL: Duration = Duration::from_millis(100);

/// What happened to an order.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "event")]
    kind: String,
    order_id: u64,
    email: Option<String>,
    reason: Option<String>,
    request_id: String,
}

pub(crate) struct Notifications {
    store: Store,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    id: Vec<u8>,
    event: Vec<u8>,
}

impl Notifications {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Sends one notification after the other, until it is dropped.
    pub(crate) async fn work(&self) {
        let mut grouped = false;
        loop {
            grouped = grouped || self.group().await.is_ok();
            match self.send_some().await {
                Ok(1..) => {}
                Ok(0) => sleep(POLL).await,
                Err(failure) => {
                    // A store that was emptied has no group any more.
                    grouped = !matches!(failure, Unavailable::Refused(_));
                    sleep(POLL).await;
                }
            }
        }
    }

    /// `GET /api/notifications`: how many were sent, wait, and were put aside.
    pub(crate) async fn counts(&self, server: &Server) -> Result<Response<Body>, Problem> {
        let sent = count(&self.store.ask(&[b"GET", key("sent").as_bytes()]).await?)?;
        let waiting = count(&self.store.ask(&[b"XLEN", key("events").as_bytes()]).await?)?;
        let poisoned = count(&self.store.ask(&[b"XLEN", key("poisoned").as_bytes()]).await?)?;
        let counts = json!({"sent": sent, "waiting": waiting, "poisoned": poisoned});
        Ok(json::named("notifications", &counts, &server.served_by_json))
    }

    /// Makes the group, unless it is there.
    async fn group(&self) -> Result<(), Unavailable> {
        let events = key("events");
        let command: [&[u8]; 6] = [b"XGROUP", b"CREATE", events.as_bytes(), GROUP.as_bytes(), b"0", b"MKSTREAM"];
        match self.store.ask(&command).await {
            Err(Unavailable::Refused(why)) if why.starts_with("BUSYGROUP") => Ok(()),
            made => made.map(drop),
        }
    }

    /// Sends what a pod before had taken, or else what is new. Says how many there were.
    async fn send_some(&self) -> Result<usize, Unavailable> {
        let events = key("events");
        let (events, group) = (events.as_bytes(), GROUP.as_bytes());
        let left = self.store.ask(&[b"XAUTOCLAIM", events, group, group, LEASE_MS, b"0-0", b"COUNT", AT_ONCE]).await?;
        let Value::Array(mut parts) = left else { return Err(strange()) };
        if parts.len() < 2 {
            return Err(strange());
        }
        let mut entries = entries(parts.swap_remove(1))?;
        if entries.is_empty() {
            let command: [&[u8]; 9] =
                [b"XREADGROUP", b"GROUP", group, group, b"COUNT", AT_ONCE, b"STREAMS", events, b">"];
            entries = match self.store.ask(&command).await? {
                Value::Nil => Vec::new(),
                Value::Array(mut streams) if streams.len() == 1 => {
                    let [_, new] = fields(streams.swap_remove(0))?;
                    self::entries(new)?
                }
                _ => return Err(strange()),
            };
        }
        for entry in &entries {
            self.send(entry).await?;
        }
        Ok(entries.len())
    }

    async fn send(&self, entry: &Entry) -> Result<(), Unavailable> {
        let read: Result<Event, String> = serde_json::from_slice(&entry.event).map_err(|error| error.to_string());
        let why = match &read {
            Ok(event) => {
                let (order, request_id) = (event.order_id, event.request_id.as_str());
                let (email, reason) = (event.email.as_deref().unwrap_or(""), event.reason.as_deref().unwrap_or(""));
                tracing::info!(event = event.kind, order, email, reason, request_id, "notification: sent");
                ""
            }
            Err(why) => {
                tracing::warn!(why, "notification: an event that can't be read is put aside");
                why
            }
        };
        yes(&self.store.run(Script::Settle, EVENTS, &[&entry.id, GROUP.as_bytes(), why.as_bytes()]).await?)?;
        Ok(())
    }
}

fn key(name: &str) -> String {
    format!("{EVENTS}:{name}")
}

/// The entries in a reply: `[id, [name, value, …]]` each. One without a field `event` has an empty one.
fn entries(reply: Value) -> Result<Vec<Entry>, Unavailable> {
    let Value::Array(entries) = reply else { return Err(strange()) };
    let entry = |entry| {
        let [id, pairs] = fields(entry)?;
        let Value::Array(pairs) = pairs else { return Err(strange()) };
        let event = pairs.chunks_exact(2).find(|pair| text(&pair[0]) == Ok("event")).map(|pair| pair[1].clone());
        match (id, event) {
            (Value::Text(id), Some(Value::Text(event))) => Ok(Entry { id, event }),
            (Value::Text(id), None) => Ok(Entry { id, event: Vec::new() }),
            _ => Err(strange()),
        }
    };
    entries.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_by_the_table() {
        let text = |text: &str| Value::Text(text.into());
        let array = Value::Array;
        let entry = |fields: Vec<Value>| array(vec![text("1-0"), array(fields)]);
        for (fields, event) in [
            (vec![text("event"), text("{}")], "{}"),
            (vec![text("other"), text("x"), text("event"), text("{}")], "{}"),
            (vec![text("other"), text("x")], ""),
        ] {
            let read = entries(array(vec![entry(fields)])).unwrap();
            assert_eq!(read, [Entry { id: b"1-0".to_vec(), event: event.into() }]);
        }
        assert_eq!(entries(array(Vec::new())), Ok(Vec::new()));
        for reply in [Value::Nil, array(vec![Value::Nil]), array(vec![array(vec![Value::Nil, array(Vec::new())])])] {
            assert_eq!(entries(reply.clone()), Err(strange()), "{reply:?}");
        }
    }
}
