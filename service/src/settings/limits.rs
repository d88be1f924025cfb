//! Bounds of connections and requests.

use std::time::Duration;

use super::environment::{Environment, Variable};

/// The longest head that a server can be set to take, in bytes.
const MOST_HEAD_BYTES: u64 = 64 * 1024;

/// The least that hyper buffers of a connection, in bytes.
const LEAST_BUFFER_BYTES: usize = 8192;

/// The shortest time that a client can be given: less would refuse what is merely far away.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);

/// Bounds of connections and requests.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a connection may wait for a request.
    pub idle: Duration,
    /// Age at which replies begin to say `Connection: close`; `None` is never. Each connection adds a jitter of 10 %.
    pub max_age: Option<Duration>,
    /// Connections open at once; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Requests whose reply has not ended, or of whose body the app takes more, probes aside; further ones are answered 503.
    pub in_flight: usize,
    /// How long a request's head may take from its first byte.
    pub head: Duration,
    /// How long a client may send nothing of a request's body.
    pub body: Duration,
    /// How long a client may take nothing of a reply.
    pub reply: Duration,
    /// What a client has to send of a body, or take of a reply, in a second of waiting for it, on average; 0 is no bound.
    pub bytes_per_second: u32,
    /// The longest request target in bytes; 414 to a longer one.
    pub target_bytes: usize,
    /// The longest request head in bytes, request line included; 431 to a longer one.
    pub head_bytes: usize,
    /// The most header fields of a request; 431 to more.
    pub headers: usize,
    /// The longest request body in bytes; 413 to a longer one.
    pub body_bytes: u64,
    /// The most bytes of all request bodies together that are kept whole.
    pub held_body_bytes: usize,
}

impl Limits {
    /// Reads the bounds of a server.
    pub(crate) fn read(environment: &mut Environment) -> Self {
        let idle = environment.seconds(
            Variable::new(
                "IDLE_TIMEOUT_SECONDS",
                "75",
                "how long a connection may wait for a request; keep it above the clients' own",
            ),
            SHORTEST_TIMEOUT,
        );
        let max_age = environment.seconds(
            Variable::new(
                "MAX_CONNECTION_AGE_SECONDS",
                "60",
                "age (+-10 %) at which replies say `Connection: close`; 0 is never",
            ),
            Duration::ZERO,
        );
        let mut seconds =
            |name, default, about| environment.seconds(Variable::new(name, default, about), SHORTEST_TIMEOUT);
        let head =
            seconds("HEAD_TIMEOUT_SECONDS", "10", "how long a request's head may take from its first byte; 408 then");
        let body =
            seconds("BODY_TIMEOUT_SECONDS", "10", "how long a client may send nothing of a request's body; 408 then");
        let reply =
            seconds("REPLY_TIMEOUT_SECONDS", "30", "how long a client may take nothing of a reply; it is cut then");
        let mut number =
            |name, default, (least, most), about| environment.number(Variable::new(name, default, about), least, most);
        Self {
            idle,
            max_age: Some(max_age).filter(|age| !age.is_zero()),
            head,
            body,
            reply,
            bytes_per_second: number(
                "MIN_BYTES_PER_SECOND",
                "256",
                (0, 1 << 20),
                "what a client has to send of a body, or take of a reply, while it is waited for; 0 is no bound",
            ) as u32,
            connections: number(
                "MAX_CONNECTIONS",
                "2048",
                (1, 1_000_000),
                "connections open at once; further ones wait in the backlog",
            ) as usize,
            in_flight: number(
                "MAX_IN_FLIGHT",
                "512",
                (1, 1_000_000),
                "requests answered at once; further ones get 503 and Retry-After, probes never do",
            ) as usize,
            target_bytes: number(
                "MAX_TARGET_BYTES",
                "8192",
                (256, MOST_HEAD_BYTES),
                "longest request target; 414 to a longer one",
            ) as usize,
            head_bytes: number(
                "MAX_HEAD_BYTES",
                "16384",
                (1024, MOST_HEAD_BYTES),
                "longest request head; 431 to a longer one",
            ) as usize,
            headers: number("MAX_HEADERS", "100", (8, 1000), "header fields of a request; 431 to more") as usize,
            body_bytes: number(
                "MAX_BODY_BYTES",
                "1073741824",
                (0, 1 << 50),
                "longest request body; 413 to a longer one. A route of the gateway may set less",
            ),
            held_body_bytes: number(
                "MAX_HELD_BODY_BYTES",
                "8388608",
                (65_536, 1 << 32),
                "memory for bodies that are kept whole, all together. Beyond it the gateway keeps none for another try, the API \
                 answers 503",
            ) as usize,
        }
    }

    /// What hyper buffers of a connection, in each direction, in bytes. A head must fit.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.head_bytes.max(LEAST_BUFFER_BYTES)
    }
}

impl Default for Limits {
    /// Those of a server without settings.
    fn default() -> Self {
        Self::read(&mut Environment::new(&|_| None))
    }
}
