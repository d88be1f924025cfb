//! Bodies of requests on their way through the gateway.

pub mod replay;
