//! What crosses a process, stated once: what one program writes and another reads.
//!
//! It admits nothing else: no configuration, no input or output, and no rule that one program alone keeps.

pub mod authority;
pub mod ledger;
pub mod served_by;

/// The environment variable that says which version a program is. The image sets it, so v1 and v2 are one binary.
pub const VERSION: &str = "VERSION";

/// The header that names a request and its reply, kept from hop to hop.
pub const REQUEST_ID: &str = "x-request-id";

#[cfg(test)]
mod tests {
    #[test]
    fn the_image_sets_the_version() {
        let dockerfile = include_str!("../../Dockerfile");
        assert!(dockerfile.lines().any(|line| line == format!("ENV {0}=${{{0}}}", super::VERSION)));
    }
}
