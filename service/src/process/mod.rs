//! The process in its container: who it is, how long it lives, what it may take, and what goes wrong with it on purpose.
//!
//! Knows `settings`.

pub mod burn;
pub(crate) mod cgroup;
pub mod faults;
pub mod identity;
pub mod lifecycle;
pub mod memory;
pub mod runtime;
pub(crate) mod usage;
