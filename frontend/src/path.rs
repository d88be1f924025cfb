//! Which paths the gateway forwards.
//!
//! The upstream must read a path as the gateway does, or `/proxy/../admin` leaves the prefix there. So a path that two
//! programs could read differently is refused, not repaired.

use std::borrow::Cow;

use hyper::StatusCode;
use service::problem::Problem;

/// Checks `rest`, what follows the prefix, still percent-encoded and without the query.
///
/// # Errors
/// 400 for a dot segment, an empty segment (other than a last one), a backslash, an encoded slash, backslash or NUL, or a
/// broken percent-encoding. Dots count in their encoded form too.
pub fn check(rest: &str) -> Result<(), Problem> {
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        let decoded = decode(segment).ok_or_else(|| bad("a broken percent-encoding"))?;
        if decoded.is_empty() && !last {
            return Err(bad("an empty segment"));
        }
        if matches!(&*decoded, b"." | b"..") {
            return Err(bad("a dot segment"));
        }
        if decoded.iter().any(|b| matches!(b, b'/' | b'\\' | 0)) {
            return Err(bad("a slash, backslash or NUL in a segment"));
        }
    }
    Ok(())
}

fn decode(segment: &str) -> Option<Cow<'_, [u8]>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment.as_bytes()));
    }
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? * 16 + hex(bytes.next()?)?,
            byte => byte,
        });
    }
    Some(Cow::Owned(decoded))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn bad(what: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("the path holds {what}, which is not forwarded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_by_the_table() {
        for rest in ["items", "items/7", "items/", "a%20b", "...", "a..b", ".a", "%C3%A9", "a;b=c", "a:b@c"] {
            assert!(check(rest).is_ok(), "{rest}");
        }
        for rest in [
            "..", ".", "../x", "a/../b", "a/..", "%2e%2e/x", "%2E.", ".%2e", "a//b", "/a", "//", "a%2fb", "a%2Fb",
            "a%5cb", "a\\b", "%00", "%", "%2", "%zz", "%+1",
        ] {
            assert!(check(rest).is_err(), "{rest}");
        }
    }
}
