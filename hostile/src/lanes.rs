//! All cases through one kind of proxy, several at a time.
//!
//! What the upstream gets is known to be of a case only if nothing else goes on behind the proxy. So each lane has a proxy
//! and an upstream of its own, and plays its cases one after the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::client;
use crate::corpus::Case;
use crate::judge::{AFTER, Outcome};
use crate::proxy::{Kind, Proxy};
use crate::recorder::Recorder;

/// How many there are. Most of a slow case is waiting.
const LANES: usize = 8;
/// How long a peer may be silent: longer than each of them gives a slow client.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long the gateway may be, which is never silent: as long as a busy machine takes for the case that costs most, a second of
/// its CPU.
const GATEWAYS_PATIENCE: Duration = Duration::from_secs(60);

/// Plays all `cases`; the outcomes, in their order.
pub fn run(kind: Kind, cases: &[Case]) -> io::Result<Vec<Outcome>> {
    let next = AtomicUsize::new(0);
    let patience = if kind == Kind::Gateway { GATEWAYS_PATIENCE } else { PATIENCE };
    let outcomes = Mutex::new(Vec::new());
    let lane = || -> io::Result<()> {
        let upstream = Recorder::start()?;
        let proxy = Proxy::start(kind, upstream.address, &[])?;
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = play(case, proxy.address, &upstream, patience)?;
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES.min(cases.len())).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().try_for_each(|lane| lane.join().unwrap_or_else(|_| Err(io::Error::other("a lane panicked"))))
    })?;
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|outcome| cases.iter().position(|case| *case == outcome.case));
    Ok(outcomes)
}

fn play(case: &Case, proxy: SocketAddr, upstream: &Recorder, patience: Duration) -> io::Result<Outcome> {
    let _ = upstream.take(patience);
    let heard = client::play(case, proxy, patience)?;
    let after = client::ask(AFTER, proxy, patience)?.and_then(|reply| reply.saw);
    let mut record = upstream.take(patience);
    record.seen.retain(|seen| after.as_ref().is_none_or(|(number, _)| seen.number != *number));
    Ok(Outcome { case: case.clone(), heard, record, after: after.map(|(_, saw)| saw) })
}
