//! What whoever asks another service needs: where it is, when to ask again, and when to leave it alone. Pure: time and chance are
//! the caller's.

pub mod backoff;
pub mod breaker;
pub mod origin;
