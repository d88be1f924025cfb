//! What is known, as everybody who asks is told: written once for all, a few times a second at most.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::known::{Change, Kind, Known, Rows, Sample};

/// Changes within this time are told together.
const TOGETHER: Duration = Duration::from_millis(200);

/// What is in front of the rows and behind them in a server-sent event.
const BEFORE: &str = "data: ";
const BEHIND: &str = "\n\n";

/// The board.
pub struct Board {
    state: Mutex<State>,
    changed: Notify,
    written: watch::Sender<Bytes>,
}

#[derive(Default)]
struct State {
    known: Known,
    /// Why nothing is seen of a kind.
    unseen: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    rows: Rows,
    unseen: &'a BTreeMap<&'static str, String>,
}

impl Board {
    /// One on which nothing is seen yet of `kinds`.
    pub fn new(kinds: &[Kind]) -> Self {
        let unseen = kinds.iter().map(|kind| (kind.resource().1, "not asked yet".to_owned()));
        let state = State { known: Known::default(), unseen: unseen.collect() };
        let written = watch::Sender::new(state.write());
        Self { state: Mutex::new(state), changed: Notify::new(), written }
    }

    /// Writes what was learned, until it is dropped.
    pub async fn write(&self) {
        loop {
            self.changed.notified().await;
            sleep(TOGETHER).await;
            let text = self.state().write();
            self.written.send_if_modified(|before| {
                let changed = *before != text;
                *before = text;
                changed
            });
        }
    }

    /// Learns of a change.
    pub(crate) fn learn(&self, kind: Kind, change: Change) {
        self.state().known.learn(kind, change);
        self.changed.notify_one();
    }

    /// Pods that can be measured, and where; none while nobody follows.
    pub(crate) fn measurable(&self) -> Vec<(String, SocketAddr)> {
        if self.written.receiver_count() == 0 { Vec::new() } else { self.state().known.measurable() }
    }

    /// Learns what a look at all of them found.
    pub(crate) fn measure(&self, found: Vec<(String, Sample)>) {
        if self.state().known.measure(found) {
            self.changed.notify_one();
        }
    }

    /// `kind` is seen.
    pub(crate) fn found(&self, kind: Kind) {
        if self.state().unseen.remove(kind.resource().1).is_some() {
            self.changed.notify_one();
        }
    }

    /// Nothing is seen of `kind`, and why. Says whether that is news.
    pub(crate) fn lost(&self, kind: Kind, why: &str) -> bool {
        let before = self.state().unseen.insert(kind.resource().1, why.to_owned());
        let news = before.as_deref() != Some(why);
        if news {
            self.changed.notify_one();
        }
        news
    }

    /// Tells what is written, as server-sent events, from now on.
    pub(crate) fn events(&self) -> watch::Receiver<Bytes> {
        self.written.subscribe()
    }

    pub(crate) fn json(&self) -> Bytes {
        let event = self.written.borrow().clone();
        event.slice(BEFORE.len()..event.len() - BEHIND.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// JSON without a line end in it, which would end the event.
    fn write(&self) -> Bytes {
        let written = Written { rows: self.known.rows(), unseen: &self.unseen };
        let json = serde_json::to_string(&written).expect("numbers and strings serialize");
        format!("{BEFORE}{json}{BEHIND}").into()
    }
}
