//! Who a request is of: what is believed of the client, and of the proxies in front. Knows nothing of routes, nor of where the
//! request goes.

mod forwarded;
mod network;

pub use forwarded::Client;
pub use network::Networks;
