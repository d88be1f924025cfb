//! backend.
fn main() {}
