//! What became of a load, and how people and programs read it.

pub(crate) mod account;
pub(crate) mod atomic_file;
mod histogram;
pub(crate) mod json;
pub(crate) mod run;
pub(crate) mod served;
pub(crate) mod table;
pub(crate) mod timeline;
