//! How long an upstream is waited for while it may still be taking the request's body.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

/// How far the body has got.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// When the upstream last got something to work on.
    pub(super) advanced: Instant,
    /// The next part of the body is the client's to send.
    pub(super) starved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    Upstream,
    Client,
}

/// Runs `work` until `limit` has passed since it began and since the body last made `progress`. It is pinned by the caller: moved in
/// here it would be there twice, in the memory of each connection.
///
/// # Errors
/// Which side was waited for when the time ran out.
pub(super) async fn within<T>(
    limit: Duration,
    progress: impl Fn() -> Progress,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Late> {
    let begun = Instant::now();
    loop {
        let from = progress().advanced.max(begun);
        let late = tokio::time::sleep_until(from + limit);
        tokio::select! {
            biased;
            done = work.as_mut() => return Ok(done),
            () = late => {}
        }
        let Progress { advanced, starved } = progress();
        if advanced <= from {
            return Err(if starved { Late::Client } else { Late::Upstream });
        }
    }
}
