//! What a person sets: the reading of the environment, the bounds of a server, and how a variable's name is spelled.
//!
//! The lowest layer: knows no other.

mod declared;
pub mod environment;
pub mod limits;
pub(crate) mod spelling;
