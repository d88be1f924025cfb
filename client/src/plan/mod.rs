//! What a load is about to do.

pub(crate) mod mix;
pub(crate) mod schedule;
