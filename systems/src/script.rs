//! What is done in the store as one step: Lua scripts, each of which runs whole or, where its first write is refused, not at all.
//!
//! They are handed over when a connection opens, and called by their digest.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Vote,
    /// Counts queued votes.
    Tally,
    /// Adds a job.
    Submit,
    /// Takes a job for a lease.
    Take,
    /// Makes a lease longer.
    Renew,
    /// Writes a job's result.
    Complete,
    /// Notes that a try has failed.
    Fail,
    /// Gives a job back untried.
    Release,
    /// Puts a dead letter back into the queue.
    PutBack,
    /// Lists the dead letters.
    Dead,
    /// Adds an event of the shop.
    Publish,
    /// Ends one.
    Settle,
}

macro_rules! jobs {
    ($name:literal) => {
        concat!(include_str!("jobs/keys.lua"), include_str!(concat!("jobs/", $name, ".lua")))
    };
}

impl Script {
    /// The text of each, in their order.
    pub(crate) const SOURCES: [&'static str; 12] = [
        Self::Vote.source(),
        Self::Tally.source(),
        Self::Submit.source(),
        Self::Take.source(),
        Self::Renew.source(),
        Self::Complete.source(),
        Self::Fail.source(),
        Self::Release.source(),
        Self::PutBack.source(),
        Self::Dead.source(),
        Self::Publish.source(),
        Self::Settle.source(),
    ];

    const fn source(self) -> &'static str {
        match self {
            Self::Vote => include_str!("votes/vote.lua"),
            Self::Tally => include_str!("votes/tally.lua"),
            Self::Submit => jobs!("submit"),
            Self::Take => jobs!("take"),
            Self::Renew => jobs!("renew"),
            Self::Complete => jobs!("complete"),
            Self::Fail => jobs!("fail"),
            Self::Release => jobs!("release"),
            Self::PutBack => jobs!("put_back"),
            Self::Dead => jobs!("dead"),
            Self::Publish => include_str!("shop/publish.lua"),
            Self::Settle => include_str!("shop/settle.lua"),
        }
    }
}

impl From<Script> for usize {
    fn from(script: Script) -> Self {
        script as Self
    }
}
