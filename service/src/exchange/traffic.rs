//! What has passed over a connection: what it knows of the requests whose bytes have come, and their replies of them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::message::framing::{Framing, Part, Refusal, UNKNOWN};

/// What has passed over a connection, for those who serve it. One task writes and reads it, so that any order will do.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Which request is refused by its bytes, if one is. That is the last of the connection.
    refusal: OnceLock<(u64, Refusal)>,
    /// The number of the request whose bytes came last, from 1.
    request: AtomicU64,
    /// How much of its body is to come.
    left: AtomicU64,
    /// Some of its head has come, and not all.
    within_head: AtomicBool,
    /// The client has ended its direction.
    pub(crate) heard_out: AtomicBool,
    /// The server has ended its own, after all that it had to send.
    pub(crate) said_all: AtomicBool,
    /// The client takes no more of what is to be sent.
    pub(crate) blocked: AtomicBool,
}

impl Traffic {
    /// Why the request of this `number`, counted from 1, is refused.
    pub(crate) fn refusal_of(&self, number: u64) -> Option<Refusal> {
        self.refusal.get().filter(|(refused, _)| *refused == number).map(|(_, refusal)| *refusal)
    }

    /// How many bytes of the body of the request of this `number` are to come; [`UNKNOWN`] where only its end will tell.
    pub(crate) fn left_of(&self, number: u64) -> u64 {
        if self.refusal_of(number).is_some() {
            UNKNOWN
        } else if self.request.load(Relaxed) == number {
            self.left.load(Relaxed)
        } else {
            0
        }
    }

    /// Whether the client, which has been answered `replies` times, may still be sending something that nobody will read, and
    /// what it has been sent is all.
    pub(crate) fn ends_early(&self, replies: u64) -> bool {
        let request = self.request.load(Relaxed);
        let open = request > replies || self.within_head.load(Relaxed) || self.left_of(request) > 0;
        open && self.is_half_closed()
    }

    /// Whether the server has ended its own direction.
    pub(crate) fn has_said_all(&self) -> bool {
        self.said_all.load(Relaxed)
    }

    /// Whether only the client's direction is open.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.has_said_all() && !self.heard_out.load(Relaxed)
    }

    /// Whether the client has sent a part of a head, and could be told that this is not enough: nothing else is on its way to it.
    pub(crate) fn waits_for_a_head(&self) -> bool {
        let ended = self.heard_out.load(Relaxed) || self.has_said_all();
        self.within_head.load(Relaxed) && !self.blocked.load(Relaxed) && !ended
    }

    pub(crate) fn refuse(&self, number: u64, refusal: Refusal) {
        // The first one ends the connection, so it is the one to report.
        let _ = self.refusal.set((number, refusal));
    }

    pub(crate) fn follow(&self, framing: &Framing) {
        self.request.store(framing.request(), Relaxed);
        self.left.store(framing.left(), Relaxed);
        self.within_head.store(framing.awaited() == Part::Head, Relaxed);
    }
}
