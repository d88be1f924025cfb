//! frontend.
fn main() {}
