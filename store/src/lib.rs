//! The client of a store that processes share their state in: Redis.
//!
//! # What is promised
//! A request that was answered 2xx is not lost, given that Redis runs with `appendonly yes` and `appendfsync always` on a
//! volume: it then syncs its file before it answers, once for all commands that came together. (Redis from 7.0 on, or Valkey.) With `everysec` up to a second
//! of answered requests can go with the node. `maxmemory-policy` has to be `noeviction`: a full store must refuse, not forget.
//!
//! While the store is away, full or misconfigured, each request that needs it is answered 503 with `Retry-After`, and
//! nothing else changes: the process starts without it, stays ready (another pod has the same store, so taking this one out of
//! its Service would help nobody), and goes on by itself when the store is back. `store_reachable` is what to watch.
//!
//! After a failover the old primary lives on as a replica: its connections stay open, and it answers reads from what it has. So
//! a write that it refuses ends the connection, and each second it is asked whether it takes writes; then the name is looked up
//! anew, until it leads to one that does. LOADING, MASTERDOWN, NOREPLICAS and CLUSTERDOWN are taken for the same.
//!
//! A full volume means different things. Under `always` Redis ends itself when it can't write its file, and again after each
//! restart until there is room; under `everysec` it lives, and refuses writes with MISCONF. Here both are a 503.
//!
//! # Why lists with leases, and not a stream with a consumer group
//! A job is more than a message: it has a state to ask for, a result, a number of tries. With a stream these live beside the
//! stream's own list of what is pending, and each step has to keep both in step. Here one Lua script moves a job from state to
//! state, with its lease and its count, under one clock, the store's. Nor are there consumers, whose names would be those of
//! pods that come and go, and would have to be deleted after them. A stream would spare the polling (one script that
//! finds nothing costs the store some 20 microseconds, and nothing is written) and bring an order that jobs do not need.

pub mod address;
pub mod meaning;
pub mod password;
mod resp;
mod session;
mod task;
pub mod unavailable;

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use service::telemetry::notice::Notice;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use address::Address;
pub use resp::Value;
pub use session::Answer;
use session::{Session, late};
use task::spawn;
use unavailable::Unavailable;

/// How often a store that nobody asks is asked whether it is there.
const CHECK: Duration = Duration::from_secs(1);
/// The pause after the first failed attempt to connect; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The store as its users see it. Cheap to clone; connected by a task of its own, which ends with the last clone.
#[derive(Debug, Clone)]
pub struct Store {
    link: watch::Receiver<Link>,
    patience: Duration,
    refusals: Notice,
}

/// How things stand between here and the store.
#[derive(Debug, Clone)]
enum Link {
    /// An attempt is being made, the first one since it was there: worth waiting for.
    Connecting,
    Up(Session),
    /// The last attempt has failed.
    Down(Unavailable),
}

impl Store {
    /// Starts to connect to `address`, which has `patience` for each answer and is handed the `scripts` that are run there, Lua.
    /// `reachable` is 1 while it is there, else 0. Needs a runtime.
    #[must_use]
    pub fn start(address: Address, patience: Duration, reachable: Gauge, scripts: &'static [&'static str]) -> Self {
        let (sender, link) = watch::channel(Link::Connecting);
        spawn(keep((address, patience), scripts, sender, reachable));
        Self { link, patience, refusals: Notice::default() }
    }

    /// Sends one command.
    ///
    /// # Errors
    /// Where the store is not there or refuses.
    pub async fn ask(&self, command: &[&[u8]]) -> Result<Value, Unavailable> {
        self.session().await?.ask(command).await.inspect_err(|failure| self.log(failure))
    }

    /// Runs a script, by its place among those of [`Store::start`], with `arguments`; `key` is its key, or what its keys begin with.
    ///
    /// # Errors
    /// Where the store is not there or refuses.
    pub async fn run(
        &self,
        script: impl Into<usize>,
        key: impl AsRef<[u8]>,
        arguments: &[&[u8]],
    ) -> Result<Value, Unavailable> {
        let session = self.session().await?;
        session.run(script.into(), key.as_ref(), arguments).await.inspect_err(|failure| self.log(failure))
    }

    /// The same, of the first script, for who can do without: there is no waiting for a store that is not connected, and one that is
    /// has `patience` for its answer. What it is late with it may have done.
    #[must_use]
    pub fn run_within(&self, patience: Duration, key: Vec<u8>, arguments: [Vec<u8>; 2]) -> Answer {
        let store = self.clone();
        Box::pin(async move {
            let link = store.link.borrow().clone();
            let Link::Up(session) = link else { return Err(not_connected()) };
            let arguments = arguments.each_ref().map(Vec::as_slice);
            match timeout(patience, session.run(0, &key, &arguments)).await {
                Ok(answer) => answer.inspect_err(|failure| store.log(failure)),
                Err(_) => Err(late(patience)),
            }
        })
    }

    async fn session(&self) -> Result<Session, Unavailable> {
        let mut link = self.link.clone();
        let decided = timeout(self.patience, link.wait_for(|link| !matches!(link, Link::Connecting))).await;
        match decided.as_ref().map(|link| link.as_deref()) {
            Ok(Ok(Link::Up(session))) => Ok(session.clone()),
            Ok(Ok(Link::Down(failure))) => Err(failure.clone()),
            _ => Err(not_connected()),
        }
    }

    /// A store that can't be reached is logged where it is connected to; what it refuses while it is there, here, and not for
    /// every request.
    fn log(&self, failure: &Unavailable) {
        if !matches!(failure, Unavailable::Unreachable(_)) {
            let failure = failure.clone();
            self.refusals.happens(move |times| tracing::warn!(%failure, times, "store: refused"));
        }
    }
}

fn not_connected() -> Unavailable {
    Unavailable::Unreachable("not connected yet".to_owned())
}

/// Connects, and connects again, for as long as there are users.
async fn keep(
    (address, patience): (Address, Duration),
    scripts: &'static [&'static str],
    link: watch::Sender<Link>,
    reachable: Gauge,
) {
    let connected = async {
        let mut pause = FIRST_PAUSE;
        let mut before: Option<Unavailable> = None;
        loop {
            match Session::open(&address, patience, scripts).await {
                Ok(session) => {
                    tracing::info!(host = address.host, port = address.port, "store: connected");
                    (pause, before) = (FIRST_PAUSE, None);
                    reachable.set(1);
                    link.send_replace(Link::Up(session.clone()));
                    let failure = lost(&session).await;
                    tracing::warn!(%failure, "store: connection lost");
                    reachable.set(0);
                    link.send_replace(Link::Connecting);
                }
                Err(failure) => {
                    if !before.as_ref().is_some_and(|before| before.is_like(&failure)) {
                        tracing::warn!(host = address.host, port = address.port, %failure, "store: not connected, trying on");
                    }
                    before = Some(failure.clone());
                    link.send_replace(Link::Down(failure));
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    };
    tokio::select! {
        () = connected => {}
        () = link.closed() => {}
    }
}

/// Ends when the connection is of no use any more. A peer that has gone without a word is noticed by its silence.
async fn lost(session: &Session) -> Unavailable {
    loop {
        tokio::select! {
            () = session.ended() => return Unavailable::Unreachable("the store ended the connection".to_owned()),
            () = sleep(CHECK) => {}
        }
        if let Err(failure) = session.check().await {
            return failure;
        }
    }
}
