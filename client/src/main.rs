//! client.
fn main() {}
