//! `host[:port]`, the authority of a URL without user information: RFC 3986, section 3.2.

use std::net::Ipv6Addr;

/// The host of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A name or an IPv4 address, as it stands there: which characters it may have, and how many, says who takes it.
    Name(&'a str),
    /// What stands in brackets.
    Ipv6(Ipv6Addr),
}

/// The host of `authority`, and what stands behind the colon after it. Whether that is a port says [`port`].
///
/// None where brackets hold no IPv6 address, or something other than a colon comes after them.
pub fn split(authority: &str) -> Option<(Host<'_>, Option<&str>)> {
    let (host, rest) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']')?;
        (Host::Ipv6(address.parse().ok()?), rest)
    } else {
        let (name, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        (Host::Name(name), rest)
    };
    match rest.strip_prefix(':') {
        None if !rest.is_empty() => None,
        port => Some((host, port)),
    }
}

/// The port that `digits` say: 0 to 65535, without a sign, which `str::parse` would also take.
pub fn port(digits: &str) -> Option<u16> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_by_the_table() {
        let ipv6 = |text: &str| Host::Ipv6(text.parse().unwrap());
        for (authority, parts) in [
            ("shop.example", Some((Host::Name("shop.example"), None))),
            ("shop.example:8080", Some((Host::Name("shop.example"), Some("8080")))),
            ("10.0.0.1:", Some((Host::Name("10.0.0.1"), Some("")))),
            ("[::1]", Some((ipv6("::1"), None))),
            ("[0:0:0:0:0:0:0:1]:80", Some((ipv6("::1"), Some("80")))),
            ("::1", Some((Host::Name(""), Some(":1")))),
            ("", Some((Host::Name(""), None))),
            ("[::1", None),
            ("[::1]80", None),
            ("[nonsense]", None),
        ] {
            assert_eq!(split(authority), parts, "{authority}");
        }
    }

    #[test]
    fn a_port_has_digits_only() {
        for (digits, expected) in [("80", Some(80)), ("0", Some(0)), ("00080", Some(80)), ("65535", Some(65535))] {
            assert_eq!(port(digits), expected, "{digits}");
        }
        for text in ["", "+80", "-1", "65536", "8o", " 80"] {
            assert_eq!(port(text), None, "{text}");
        }
    }
}
