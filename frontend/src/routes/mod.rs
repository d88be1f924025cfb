//! Which requests go where, and what a route does with them: the table, and each feature that it can ask for.

pub mod cors;
mod host;
pub mod max_forwards;
pub mod path;
pub mod rate_limit;
pub mod router;
pub mod sunset;
pub mod table;
