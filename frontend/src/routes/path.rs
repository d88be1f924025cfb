//! How the gateway reads a path: in one spelling, by which it finds the route and which the upstream gets.
//!
//! RFC 3986 lets the same path be written in several ways: `/%6Frders` is `/orders` (section 6.2.2). A route that is found
//! by one way and an upstream that reads another disagree about who may pass. So what is equivalent is brought to one
//! spelling first, what two programs could read differently is refused, not repaired, and what is legal and yet another
//! path to some (`/orders;v=1`, `/orders%3Fv`) passes only where they all come to the same route.

use std::borrow::Cow;

use hyper::http::uri::PathAndQuery;
use hyper::{Request, Uri};
use service::message::problem::Problem;

use crate::mistakes::Section;

/// A path in its one spelling: unreserved characters are not encoded (RFC 3986, section 6.2.2.2), what is encoded has its
/// digits in upper case (6.2.2.1), and so is all that has no place in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a> {
    text: Cow<'a, str>,
    /// What it is to others, each in the same spelling; mostly nothing else.
    others: Vec<String>,
}

impl<'a> Path<'a> {
    /// Reads `raw`, a path as it was sent, without the query.
    ///
    /// # Errors
    /// 400 for what is not forwarded: a dot segment, with parameters (`..;a`) or without, an empty segment (other than a
    /// last one), a backslash, an encoded slash, backslash or control character, a broken percent-encoding, and bytes that
    /// are not UTF-8. Each counts in its encoded form too.
    pub fn read(raw: &'a str) -> Result<Self, Problem> {
        let text = spelling(raw)?;
        let decoded = decode(text.as_bytes());
        // A decoder that takes more than UTF-8 takes %C0%AF for a slash.
        if std::str::from_utf8(&decoded).is_err() {
            return Err(bad("bytes that are not UTF-8"));
        }
        let below = decoded.strip_prefix(b"/").ok_or_else(|| bad("no slash to begin with"))?;
        let mut segments = below.split(|b| *b == b'/').peekable();
        while let Some(segment) = segments.next() {
            if before(segment, b";").is_empty() && segments.peek().is_some() {
                return Err(bad("an empty segment"));
            }
            if matches!(before(segment, b";?#"), b"." | b"..") {
                return Err(bad("a dot segment"));
            }
        }
        let others = others(&text, &decoded);
        Ok(Self { text, others })
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The paths that programs take it for which leave out the parameters of its segments, decode what is reserved, or
    /// decode before they look for the query.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(String::as_str)
    }
}

/// Gives `request` the spelling of its `path` that the gateway goes by, if it is another.
///
/// # Errors
/// 400 where that would be too long for a target.
pub fn respell<B>(request: &mut Request<B>, path: &Path<'_>) -> Result<(), Problem> {
    if request.uri().path() != path.as_str() {
        let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
        *request.uri_mut() = origin_form([path.as_str(), &query].concat())?;
    }
    Ok(())
}

/// `target`, a path and perhaps a query, as the target of a request.
///
/// # Errors
/// 400 where it is none that can be sent.
pub(crate) fn origin_form(target: String) -> Result<Uri, Problem> {
    PathAndQuery::try_from(target).map(Uri::from).map_err(|_| Problem::bad("the request target cannot be forwarded"))
}

/// `raw` in its one spelling.
fn spelling(raw: &str) -> Result<Cow<'_, str>, Problem> {
    if raw.bytes().all(|byte| byte == b'/' || is_of_a_segment(byte)) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut text = String::with_capacity(raw.len() + 16);
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let value = digit().zip(digit()).map(|(high, low)| (high * 16 + low) as u8);
                let value = value.ok_or_else(|| bad("a broken percent-encoding"))?;
                if value.is_ascii_control() || matches!(value, b'/' | b'\\') {
                    return Err(bad("an encoded slash, backslash or control character"));
                }
                if is_unreserved(value) { text.push(char::from(value)) } else { encode(&mut text, value) }
            }
            b'\\' => return Err(bad("a backslash")),
            b'/' => text.push('/'),
            _ if is_of_a_segment(byte) => text.push(char::from(byte)),
            // What clients send although it is not in the grammar: they mean the character.
            b'!'..=b'~' => encode(&mut text, byte),
            _ => return Err(bad("bytes that are not visible ASCII")),
        }
    }
    Ok(Cow::Owned(text))
}

/// What programs take the path `text`, of which `decoded` is the content, for; itself aside.
fn others(text: &str, decoded: &[u8]) -> Vec<String> {
    let delimited = decoded.iter().any(|b| DELIMITERS.contains(b));
    if !delimited && !text.contains('%') {
        return Vec::new();
    }
    let bare = without_parameters(text.as_bytes());
    let until_query = before(decoded, b"?#");
    let mut others = vec![
        String::from_utf8_lossy(&bare).into_owned(),
        spell(&decode(&bare)),
        spell(decoded),
        spell(&without_parameters(decoded)),
        spell(until_query),
        spell(&without_parameters(until_query)),
    ];
    others.retain(|other| other != text);
    others.sort_unstable();
    others.dedup();
    others
}

/// What ends a segment's name or the path, for programs that decode first.
const DELIMITERS: &[u8] = b";?#";

/// `path`, each segment up to its first semicolon.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    path.split(|b| *b == b'/').map(|segment| before(segment, b";")).collect::<Vec<_>>().join(&b'/')
}

/// `bytes` up to the first of the `ends`.
fn before<'a>(bytes: &'a [u8], ends: &[u8]) -> &'a [u8] {
    let end = bytes.iter().position(|b| ends.contains(b)).unwrap_or(bytes.len());
    &bytes[..end]
}

/// The spelling of `decoded` that encodes nothing which may stand in a segment.
fn spell(decoded: &[u8]) -> String {
    let mut text = String::with_capacity(decoded.len() + 16);
    for byte in decoded {
        if *byte == b'/' || is_of_a_segment(*byte) { text.push(char::from(*byte)) } else { encode(&mut text, *byte) }
    }
    text
}

/// The bytes that `text`, whose percent-encodings are whole, stands for.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).unwrap_or_default() as u8;
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { digit(bytes.next()) * 16 + digit(bytes.next()) } else { byte });
    }
    Cow::Owned(decoded)
}

fn encode(text: &mut String, byte: u8) {
    let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
    text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// `pchar` of RFC 3986, section 3.3, without the percent-encoded.
fn is_of_a_segment(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}

fn bad(what: &str) -> Problem {
    Problem::bad(format!("the path holds {what}, which is not forwarded"))
}

/// A path of a table, under `key`: one that the gateway would forward, in its one spelling, less its last slash if it stands for all
/// below it; `/` is all paths.
pub(super) fn prefix(section: &mut Section, key: &str, text: &str, exact: bool) -> String {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"?#{}".contains(&b));
    let accepted = "accepted is a path such as /shop, without dot segments and query";
    let path = section.need(Path::read(text).ok().filter(|_| plain), || format!("{key} {text:?}: {accepted}"));
    let path = path.as_ref().map_or(text, Path::as_str);
    if exact { path.to_owned() } else { path.trim_end_matches('/').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_equivalent_has_one_spelling() {
        for (raw, spelling) in [
            ("/", "/"),
            ("/items/7/", "/items/7/"),
            ("/%6Frders", "/orders"),
            ("/%6frders/%37", "/orders/7"),
            ("/%41%5a%61%7A%30%39%2D%2E%5F%7E", "/AZaz09-._~"),
            ("/Orders", "/Orders"),
            ("/orders.", "/orders."),
            ("/.../a..b/.a/%2Ea", "/.../a..b/.a/.a"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/caf%C3%A9", "/caf%C3%A9"),
            ("/cafe%CC%81", "/cafe%CC%81"),
            ("/a%20b", "/a%20b"),
            ("/a;b=c:d@e!$&'()*+,", "/a;b=c:d@e!$&'()*+,"),
            ("/a%3bb%3dc%40", "/a%3Bb%3Dc%40"),
            ("/100%25", "/100%25"),
            ("/%2561", "/%2561"),
            ("/what%3f%23", "/what%3F%23"),
            ("/a|b^c{d}[e]\"<>`", "/a%7Cb%5Ec%7Bd%7D%5Be%5D%22%3C%3E%60"),
        ] {
            assert_eq!(Path::read(raw).unwrap().as_str(), spelling, "{raw}");
        }
    }

    #[test]
    fn what_two_programs_could_read_differently_is_refused() {
        for raw in [
            "",
            "*",
            "a",
            "/..",
            "/.",
            "/../x",
            "/a/../b",
            "/a/..",
            "/%2e%2e/x",
            "/%2E.",
            "/.%2e",
            "/a//b",
            "//a",
            "//",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/%00",
            "/a%0Ab",
            "/%0d",
            "/%1f",
            "/%7F",
            "/%",
            "/%2",
            "/%zz",
            "/%+1",
            "/%u0041",
            "/..;/a",
            "/.;v=1",
            "/%2e.%3b/a",
            "/a/..;",
            "/..%3Fa",
            "/..%23",
            "/a/;x/b",
            "/;/a",
            "/%3B/a",
            "/%C0%AF",
            "/%C0%AE%C0%AE/a",
            "/%E9",
            "/%FF",
            "/caf\u{e9}",
            "/a b",
            "/a\tb",
        ] {
            assert!(Path::read(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn what_a_path_is_to_others_by_the_table() {
        for (raw, others) in [
            ("/orders/7", &[][..]),
            ("/caf%c3%a9/a%20b%25", &[]),
            ("/a:b@c=d", &[]),
            ("/orders;v=1/7;x", &["/orders/7"]),
            ("/orders/;x", &["/orders/"]),
            ("/%40me", &["/@me"]),
            ("/orders%3Bv=1/7", &["/orders/7", "/orders;v=1/7"]),
            ("/%40me;v=1", &["/%40me", "/@me", "/@me;v=1"]),
            ("/orders%3Fa/b", &["/orders"]),
            ("/orders;v%3Fa/b", &["/orders", "/orders/b", "/orders;v"]),
            ("/orders%23", &["/orders"]),
            ("/orders%2C%7C", &["/orders,%7C"]),
        ] {
            let path = Path::read(raw).unwrap();
            assert_eq!(path.others().collect::<Vec<_>>(), others, "{raw}");
        }
    }

    proptest! {
        /// Whatever is sent: its spelling is that of itself, and has the same content.
        #[test]
        fn a_spelling_is_its_own(raw in "/([a-zA-Z0-9/.;:@|~ -]|%[0-9a-fA-F]{2}){0,16}") {
            if let Ok(path) = Path::read(&raw) {
                let again = Path::read(path.as_str()).unwrap();
                prop_assert_eq!(&again, &path);
                prop_assert_eq!(decode(path.as_str().as_bytes()), decode(raw.as_bytes()));
                prop_assert!(path.others().all(|other| other != path.as_str()));
            }
        }

        /// Whichever unreserved characters are encoded, and however: the path is the same.
        #[test]
        fn encoding_what_is_unreserved_changes_nothing(
            segments in prop::collection::vec("[a-z0-9_~][a-zA-Z0-9._~-]{0,6}", 1..4),
            encoded in prop::collection::vec(0..3_u8, 32),
        ) {
            let plain = format!("/{}", segments.join("/"));
            let raw: String = plain.bytes().zip(encoded.iter().cycle()).map(|(byte, how)| match (byte, how) {
                (b'/', _) | (_, 0) => char::from(byte).to_string(),
                (_, 1) => format!("%{byte:02x}"),
                _ => format!("%{byte:02X}"),
            }).collect();
            let path = Path::read(&raw).unwrap();
            prop_assert_eq!(path.as_str(), plain);
            prop_assert_eq!(path.others().count(), 0);
        }
    }
}
