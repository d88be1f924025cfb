//! The host that a request names, as the table compares it.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use crate::mistakes::Section;

/// The name in `host`, without its port, which may be empty (RFC 3986, section 3.2.3), and without the dot that ends a name
/// which is complete (RFC 9110, section 4.2.3, and RFC 3986, section 3.2.2); an IPv6 address, in its brackets, in its one
/// spelling (RFC 5952). The case is that of `host`: it does not count.
pub(super) fn name(host: &str) -> Cow<'_, str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    match address(name) {
        Some(address) => Cow::Owned(format!("[{address}]")),
        None => Cow::Borrowed(name.strip_suffix('.').unwrap_or(name)),
    }
}

fn address(name: &str) -> Option<Ipv6Addr> {
    name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// A host of a table, in its one spelling.
pub(super) fn read(section: &mut Section, host: &str) -> String {
    if !is_name(host.strip_suffix('.').unwrap_or(host)) {
        section.mistake(format!("host {host:?}: accepted is a name without a port, such as shop.example"));
    }
    name(host).to_ascii_lowercase()
}

/// Whether `name`, in the form of [`name`], is one that a route can have. A request for one with an empty label is refused.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    address(name).is_some() || name.split('.').all(|label| !label.is_empty() && label.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_the_table() {
        for (host, expected) in [
            ("shop.example", "shop.example"),
            ("shop.example:8080", "shop.example"),
            ("shop.example:", "shop.example"),
            ("shop.example.", "shop.example"),
            ("shop.example.:80", "shop.example"),
            ("shop.example..", "shop.example."),
            ("shop.example:x", "shop.example:x"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("[::1]", "[::1]"),
            ("[::1]:", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:80", "[::1]"),
            ("[FE80::A]", "[fe80::a]"),
            ("[x]", "[x]"),
            ("", ""),
        ] {
            assert_eq!(name(host), expected, "{host}");
        }
        for name in ["a", "a.b-c_d", "10.0.0.1", "[::1]"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a:80", "::1", "[x]", "a/b", "a b", "*.a", ".", ".a", "a.", "a..b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
