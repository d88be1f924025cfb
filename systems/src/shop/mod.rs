//! The services of a shop, each a part of this program with a database of its own.

pub(crate) mod catalogue;
pub(crate) mod product;
pub(crate) mod seed;
pub(crate) mod user;
