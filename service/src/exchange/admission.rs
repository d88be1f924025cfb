//! What is refused before an app sees a request: heads that two servers could read differently, and what is not served.
//!
//! What makes the end of a request uncertain has been found by then, see [`crate::message::framing`]. `Upgrade` is ignored, as RFC
//! 9110, section 7.8, lets a server do that keeps to its protocol.

use contract::authority::{Host, port as port_of, split};
use hyper::header::{EXPECT, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode, Version};

use crate::message::problem::Problem;

/// Checks the head of a request, whose target may have `target_bytes`.
///
/// # Errors
/// The reply to a request that is refused.
pub(crate) fn check<B>(request: &Request<B>, target_bytes: usize) -> Result<(), Problem> {
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > target_bytes) {
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "the request target is too long"));
    }
    if request.method() == Method::CONNECT {
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "CONNECT is not supported: this is not a tunnel"));
    }
    check_host(request)?;
    check_expectation(request.headers())
}

/// RFC 9112, section 3.2: exactly one valid Host in HTTP/1.1. The authority of a target in absolute form has to be the
/// same: this server stands for the host that it was called by, and forwards to no other.
fn check_host<B>(request: &Request<B>) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host,
        (None, None) if request.version() == Version::HTTP_10 => match request.uri().authority() {
            Some(_) => return Err(Problem::bad("a request target with a host needs a Host header")),
            None => return Ok(()),
        },
        (None, _) => return Err(Problem::bad("a Host header is required")),
        (Some(_), Some(_)) => return Err(Problem::bad("more than one Host header")),
    };
    if !is_host(host.as_bytes()) {
        return Err(Problem::bad("the Host header is not a host name or address with an optional port"));
    }
    let same = |authority: &str| host.to_str().is_ok_and(|host| is_same_authority(authority, host));
    match request.uri().authority() {
        Some(authority) if !same(authority.as_str()) => {
            Err(Problem::bad("the request target names another host than the Host header"))
        }
        Some(_) if request.uri().scheme_str() != Some("http") => {
            Err(Problem::bad("the request target has another scheme than http"))
        }
        _ => Ok(()),
    }
}

/// Whether two authorities of the scheme http are equivalent: a name's case does not count, nor do the dot at its end (RFC 3986,
/// section 3.2.2) and the spelling of an IPv6 address, and no port is port 80, as is an empty one (RFC 9110, section 4.2.3, RFC
/// 3986, section 6.2.3).
fn is_same_authority(one: &str, other: &str) -> bool {
    let parts = |authority: &str| -> Option<(String, u16)> {
        let (host, port) = split(authority)?;
        let name = match host {
            Host::Ipv6(address) => address.to_string(),
            Host::Name(name) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
        };
        Some((name, port.filter(|digits| !digits.is_empty()).map_or(Some(80), port_of)?))
    };
    parts(one).is_some_and(|one| Some(one) == parts(other))
}

/// RFC 9110, section 10.1.1: an expectation other than 100-continue may be answered 417.
fn check_expectation(headers: &HeaderMap) -> Result<(), Problem> {
    let met = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(EXPECT).iter().all(met) {
        Ok(())
    } else {
        Err(Problem::new(StatusCode::EXPECTATION_FAILED, "the only expectation that is met is 100-continue"))
    }
}

/// `uri-host [":" port]` of RFC 9110, section 7.2: a registered name, an IPv4 address, or an IPv6 address in brackets; the
/// port may be empty (RFC 3986, section 3.2.3). Percent-encoded names, user information and names with an empty label, which are
/// none in the DNS (RFC 1034, section 3.1), are refused; the dot that ends a complete name is no label.
fn is_host(value: &[u8]) -> bool {
    let Some((host, port)) = std::str::from_utf8(value).ok().and_then(split) else {
        return false;
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_~".contains(&b);
    let host_is_valid = match host {
        Host::Ipv6(_) => true,
        Host::Name(name) => {
            let mut labels = name.strip_suffix('.').unwrap_or(name).split('.');
            name.len() <= 255 && labels.all(|label| !label.is_empty() && label.bytes().all(plain))
        }
    };
    host_is_valid && port.is_none_or(|digits| digits.is_empty() || port_of(digits).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(build: impl Fn(hyper::http::request::Builder) -> hyper::http::request::Builder) -> u16 {
        let request = build(Request::builder()).body(()).unwrap();
        check(&request, 100).map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn hosts_by_the_table() {
        for host in
            ["a", "a.b:80", "a:", "a.b.", "a.b.:80", "10.0.0.1:8000", "[::1]", "[::1]:", "[fe80::1]:8000", "a_b-c.d~"]
        {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        let bad = [
            "", ":", ":80", "a::", "a:b", "a:99999", "a:+1", "a b", "user@a", "a/b", "a,b", "[::1", "[x]", "[::1]x",
            "a%00", ".", "..", ".:80", ".a", "a..", "a..:80", "a..b", "a.b..",
        ];
        for host in bad {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert!(!is_host(b"\xff"));
    }

    #[test]
    fn exactly_one_host_and_none_only_in_http_1_0() {
        assert_eq!(status(|r| r.uri("/")), 400);
        assert_eq!(status(|r| r.uri("/").version(Version::HTTP_10)), 200);
        assert_eq!(status(|r| r.uri("/").header(HOST, "a")), 200);
        assert_eq!(status(|r| r.uri("/").header(HOST, "a").header(HOST, "a")), 400);
        assert_eq!(status(|r| r.uri("/").header(HOST, "a b")), 400);
    }

    #[test]
    fn a_target_in_absolute_form_keeps_to_the_host() {
        assert_eq!(status(|r| r.uri("http://a:80/").header(HOST, "A:80")), 200);
        assert_eq!(status(|r| r.uri("http://b/").header(HOST, "a")), 400);
        assert_eq!(status(|r| r.uri("https://a/").header(HOST, "a")), 400);
        assert_eq!(status(|r| r.uri("http://a/").version(Version::HTTP_10)), 400);
    }

    #[test]
    fn authorities_are_the_same_whatever_their_spelling() {
        for (target, host) in [
            ("http://a:80/", "a"),
            ("http://a/", "a:80"),
            ("http://a:/", "a"),
            ("http://a/", "a:"),
            ("http://a.b./", "A.B"),
            ("http://a.b:080/", "a.b."),
            ("http://[::1]:80/", "[::1]"),
            ("http://[FE80::A]/", "[fe80::a]"),
            ("http://[fe80:0::000a]:80/", "[fe80::a]"),
        ] {
            assert_eq!(status(|r| r.uri(target).header(HOST, host)), 200, "{target} {host}");
        }
        for (target, host) in [
            ("http://a:81/", "a"),
            ("http://a/", "a:8000"),
            ("http://a.b/", "a"),
            ("http://a../", "a"),
            ("http://u@a/", "a"),
            ("http://[::1]/", "[::2]"),
            ("http://[::1]/", "[::1]:1"),
        ] {
            assert_eq!(status(|r| r.uri(target).header(HOST, host)), 400, "{target} {host}");
        }
    }

    #[test]
    fn what_is_not_served_is_said() {
        assert_eq!(status(|r| r.method("CONNECT").uri("a:80").header(HOST, "a:80")), 501);
        assert_eq!(status(|r| r.header(HOST, "a").header(EXPECT, "100-Continue")), 200);
        assert_eq!(status(|r| r.header(HOST, "a").header(EXPECT, "tea")), 417);
        for (length, expected) in [(100, 200), (101, 414)] {
            let target = format!("/{}", "x".repeat(length - 1));
            assert_eq!(status(|r| r.uri(&target).header(HOST, "a")), expected);
        }
    }
}
