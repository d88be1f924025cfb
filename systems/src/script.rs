//! What is done in the store as one step: Lua scripts, each of which runs whole or, where its first write is refused, not at all.
//!
//! They are handed over when a connection opens, and called by their digest.

macro_rules! scripts {
    ($($(#[$about:meta])* $name:ident = $source:expr;)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Script {
            $($(#[$about])* $name,)+
        }

        impl Script {
            /// The text of each, in their order.
            pub(crate) const SOURCES: [&'static str; [$(Self::$name),+].len()] = [$($source),+];
        }
    };
}

macro_rules! jobs {
    ($name:literal) => {
        concat!(include_str!("jobs/keys.lua"), include_str!(concat!("jobs/", $name, ".lua")))
    };
}

scripts! {
    /// Queues a vote.
    Vote = include_str!("votes/vote.lua");
    /// Counts queued votes.
    Tally = include_str!("votes/tally.lua");
    /// Adds a job.
    Submit = jobs!("submit");
    /// Takes a job for a lease.
    Take = jobs!("take");
    /// Makes a lease longer.
    Renew = jobs!("renew");
    /// Writes a job's result.
    Complete = jobs!("complete");
    /// Notes that a try has failed.
    Fail = jobs!("fail");
    /// Gives a job back untried.
    Release = jobs!("release");
    /// Puts a dead letter back into the queue.
    PutBack = jobs!("put_back");
    /// Lists the dead letters.
    Dead = jobs!("dead");
    /// Adds an event of the shop.
    Publish = include_str!("shop/publish.lua");
    /// Ends one.
    Settle = include_str!("shop/settle.lua");
}

impl From<Script> for usize {
    fn from(script: Script) -> Self {
        script as Self
    }
}
