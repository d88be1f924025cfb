//! Bodies of requests on their way to an upstream: kept for another try, and given the time that they take. Knows nothing of who
//! sends them where.

mod deadline;
mod replay;

pub(crate) use deadline::Late;
pub use replay::MOST_KEPT;
pub(crate) use replay::{Replay, RequestBody};
