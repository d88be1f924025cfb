//! What a person sets: the reading of the environment, and how a variable's name is spelled.
//!
//! The lowest layer: knows no other.

pub mod environment;
pub(crate) mod spelling;
