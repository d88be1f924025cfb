//! Which requests go where, and what a route does with them.
//!
//! The table in force (`router`) is a document that was checked (`table`); each of its `route`s is a row, and each feature that a
//! route can ask for is a module of its own: how it is read, checked, written down again, and what it does to a request. `path`
//! and `host` say how a request is compared with a route. Routes know the upstreams that they lead to, and nothing of how
//! a request gets there.

pub(crate) mod aggregate;
pub(crate) mod cors;
mod destination;
mod fallback;
mod host;
pub(crate) mod max_forwards;
mod methods;
mod path;
pub(crate) mod rate_limit;
mod route;
mod router;
pub mod shared_limit;
mod split;
mod sunset;
mod table;

pub(crate) use destination::Destination;
pub(crate) use path::origin_form;
pub use path::{Path, respell};
pub use route::Route;
pub(crate) use router::{Live, Router};
pub use router::{TableSource, read};
pub use table::{Match, Table};
