//! New connections of one request: to one endpoint after the other, and to the next at once where one takes too long.
//!
//! Of several pods one may be gone without a word, as when its node is: packets to it vanish, and only time tells. A request that
//! waited for it until the end would have no time left for the others. So the next is asked after a moment, as RFC 8305, section 5,
//! does it with the addresses of a name, and the first connection that is made carries the request. The others go on until their
//! own time is over: one that is made after all is kept for the next request, and one that is not counts against its endpoint,
//! which so leaves the rotation.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::upstream::endpoint::Try;
use crate::upstream::failure::{Failure, Kind};
use crate::upstream::link::Link;

/// How long one endpoint is waited for before the next is asked as well: the delay that RFC 8305, section 8, recommends.
pub(super) const MOMENT: Duration = Duration::from_millis(250);

/// Connections that are being made.
#[derive(Default)]
pub(super) struct Dials {
    under_way: Vec<oneshot::Receiver<Dialled>>,
}

/// A connection for a try, or why there is none.
type Dialled = Result<(Try, Link), Failure>;

impl Dials {
    /// Starts to connect for `this`, for as long as `limit`.
    pub(super) fn start(&mut self, this: Try, limit: Duration) {
        let (sender, receiver) = oneshot::channel();
        self.under_way.push(receiver);
        // In a task of its own, because it goes on when another was faster; not longer than `limit`.
        tokio::spawn(async move {
            if let Err(Ok((this, link))) = sender.send(this.connect(limit).await) {
                this.give_back(link);
            }
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The next that is decided; does not end where none is under way.
    pub(super) async fn next(&mut self) -> Dialled {
        poll_fn(|context| {
            for index in 0..self.under_way.len() {
                if let Poll::Ready(dialled) = Pin::new(&mut self.under_way[index]).poll(context) {
                    self.under_way.swap_remove(index);
                    // Its task ends without a word only with the runtime.
                    return Poll::Ready(dialled.unwrap_or(Err(Kind::ConnectTimeout.into())));
                }
            }
            Poll::Pending
        })
        .await
    }
}
