//! The guarded path: one route of each proxy asks for a key, and no request without it may reach an upstream that takes it
//! for that path.
//!
//! The readers here know nothing of the gateway: each does to a path what some servers do, and looks where that leads.

/// What is behind the key, with all below it.
pub const PATH: &str = "/orders";
/// The header that has the key.
pub const HEADER: &str = "x-api-key";
/// The key.
pub const KEY: &str = "0123456789abcdef";

/// What a server does to a path, in order.
type Reading = (&'static str, &'static [fn(&[u8]) -> Vec<u8>]);

const READINGS: [Reading; 7] = [
    ("as it is", &[]),
    ("decoded", &[decode]),
    ("with dot segments and double slashes resolved", &[normalize]),
    ("decoded and resolved", &[decode, normalize]),
    ("without parameters, decoded and resolved", &[without_parameters, decode, normalize]),
    ("decoded, without parameters and resolved", &[decode, without_parameters, normalize]),
    ("decoded, up to a query that this brings to light", &[decode, until_query, without_parameters, normalize]),
];

/// How a server could read `target` as the guarded path or one below it, if one could.
pub fn reading(target: &str) -> Option<&'static str> {
    let path = target.split('?').next().unwrap_or_default().as_bytes();
    let guarded = |(_, steps): &&Reading| {
        let read = steps.iter().fold(path.to_vec(), |path, step| step(&path));
        read.strip_prefix(PATH.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    READINGS.iter().find(guarded).map(|(how, _)| *how)
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%');
        decoded.push(value.unwrap_or(*first));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    decoded
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let bare = |segment: &[u8]| segment.split(|b| *b == b';').next().unwrap_or_default().to_vec();
    path.split(|b| *b == b'/').map(bare).collect::<Vec<_>>().join(&b'/')
}

fn until_query(path: &[u8]) -> Vec<u8> {
    path.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default().to_vec()
}

/// Removes what `.`, `..` and empty segments make superfluous, takes a backslash for a slash, and ends at a NUL.
fn normalize(path: &[u8]) -> Vec<u8> {
    let path = path.split(|b| *b == 0).next().unwrap_or_default();
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|b| matches!(b, b'/' | b'\\')) {
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    [b"/", &kept.join(&b'/')[..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_by_the_table() {
        for (target, how) in [
            ("/orders", Some("as it is")),
            ("/orders/7?a", Some("as it is")),
            ("/%6Frders/7", Some("decoded")),
            ("/x/../orders", Some("with dot segments and double slashes resolved")),
            ("//orders", Some("with dot segments and double slashes resolved")),
            ("/x%2f..%5corders", Some("decoded and resolved")),
            ("/orders%00x", Some("decoded and resolved")),
            ("/orders;v=1", Some("without parameters, decoded and resolved")),
            ("/x/..;/orders", Some("without parameters, decoded and resolved")),
            ("/orders%3Bv", Some("decoded, without parameters and resolved")),
            ("/orders%3Fv", Some("decoded, up to a query that this brings to light")),
            ("/", None),
            ("/ordersx", None),
            ("/Orders", None),
            ("/orders.", None),
            ("/x/orders", None),
            ("/%256Frders", None),
            ("/x?/orders", None),
        ] {
            assert_eq!(reading(target), how, "{target}");
        }
    }
}
