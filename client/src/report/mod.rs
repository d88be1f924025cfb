//! The ledger as people and as programs read it.

mod json;
mod table;

pub(crate) use self::{json::json, table::table};
