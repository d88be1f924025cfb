//! Bounds of connections and requests.

use std::time::Duration;

/// The longest head that a server can be set to take, in bytes.
const MOST_HEAD_BYTES: u64 = 64 * 1024;

/// The least that hyper buffers of a connection, in bytes.
const LEAST_BUFFER_BYTES: usize = 8192;

/// The shortest time that a client can be given: less would refuse what is merely far away.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);

crate::settings! {
    /// Bounds of connections and requests.
    #[derive(Debug, Clone, Copy)]
    pub struct Limits {
        /// how long a connection may wait for a request; keep it above the clients' own
        idle: Duration = seconds("IDLE_TIMEOUT_SECONDS", "75", SHORTEST_TIMEOUT);
        /// age (+-10 %) at which replies say `Connection: close`; 0 is never
        max_age: Option<Duration> = seconds_or_never("MAX_CONNECTION_AGE_SECONDS", "60");
        /// how long a request's head may take from its first byte; 408 then
        head: Duration = seconds("HEAD_TIMEOUT_SECONDS", "10", SHORTEST_TIMEOUT);
        /// how long a client may send nothing of a request's body; 408 then
        body: Duration = seconds("BODY_TIMEOUT_SECONDS", "10", SHORTEST_TIMEOUT);
        /// how long a client may take nothing of a reply; it is cut then
        reply: Duration = seconds("REPLY_TIMEOUT_SECONDS", "30", SHORTEST_TIMEOUT);
        /// what a client has to send of a body, or take of a reply, while it is waited for; 0 is no bound
        bytes_per_second: u32 = number("MIN_BYTES_PER_SECOND", "256", 0, 1 << 20);
        /// connections open at once; further ones wait in the backlog
        connections: usize = number("MAX_CONNECTIONS", "2048", 1, 1_000_000);
        // A request is in flight until its reply has ended, and the app takes no more of its body.
        /// requests answered at once; further ones get 503 and Retry-After, probes never do
        in_flight: usize = number("MAX_IN_FLIGHT", "512", 1, 1_000_000);
        /// longest request target; 414 to a longer one
        target_bytes: usize = number("MAX_TARGET_BYTES", "8192", 256, MOST_HEAD_BYTES);
        /// longest request head; 431 to a longer one
        head_bytes: usize = number("MAX_HEAD_BYTES", "16384", 1024, MOST_HEAD_BYTES);
        /// header fields of a request; 431 to more
        headers: usize = number("MAX_HEADERS", "100", 8, 1000);
        /// longest request body; 413 to a longer one. A route of the gateway may set less
        body_bytes: u64 = number("MAX_BODY_BYTES", "1073741824", 0, 1 << 50);
        /// memory for bodies that are kept whole, all together. Beyond it the gateway keeps none for another try, the API
        /// answers 503
        held_body_bytes: usize = number("MAX_HELD_BODY_BYTES", "8388608", 65_536, 1 << 32);
    }
}

impl Limits {
    /// What hyper buffers of a connection, in each direction, in bytes. A head must fit.
    pub fn buffer_bytes(&self) -> usize {
        self.head_bytes.max(LEAST_BUFFER_BYTES)
    }
}
