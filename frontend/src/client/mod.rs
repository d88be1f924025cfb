//! What is believed of the client, and of the proxies in front.

pub mod forwarded;
pub mod network;
