//! Headers: which of them concern one hop only, and which are the gateway's own to set (RFC 9110, section 7.6). Knows nothing of
//! what the others mean.

use std::time::Duration;

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

use crate::mistakes::Section;

/// Tells the upstream which client a request is of; it comes from nowhere but here.
pub(crate) const CLIENT: HeaderName = HeaderName::from_static("x-auth-client");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Headers that concern one connection only. `Trailer` and `TE` go with them: trailers are not forwarded, which section
/// 6.5.1 leaves to a gateway.
static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Removes what `Connection` nominates, then the headers that are hop-by-hop by definition. `Host` and `Content-Length`
/// cannot be nominated away: the message would change its meaning.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let nominated: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| *name != HOST && *name != CONTENT_LENGTH)
            .collect();
        for name in nominated {
            headers.remove(name);
        }
    }
    // Most messages have none of them, and to look through the few names that there are is less work than ten look-ups.
    if headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        for name in &HOP_BY_HOP {
            headers.remove(name);
        }
    }
}

/// What a client says about itself, in a header that is the gateway's to set.
fn is_claim(name: &str) -> bool {
    name.starts_with("x-forwarded-") || name == FORWARDED || name == REAL_IP || name == CLIENT
}

/// Whether the request's header called `name` is one that the upstream believes of the gateway only, or becomes that of one which
/// is the gateway's to set, where the upstream takes `_` for `-`: the CGI (RFC 3875, section 4.1.18), and all that follow it, can't
/// tell the two apart.
pub(crate) fn is_own(name: &HeaderName) -> bool {
    if !name.as_str().contains('_') {
        return is_claim(name.as_str());
    }
    let name = name.as_str().replace('_', "-");
    is_claim(&name) || HOP_BY_HOP.iter().chain(&[HOST, CONTENT_LENGTH, VIA]).any(|other| *other == name.as_str())
}

/// Whether an upstream could take a header for [`CLIENT`]: to some, `_` is as good as `-`.
pub(crate) fn claims_client(name: &HeaderName) -> bool {
    name == CLIENT || name.as_str().replace('_', "-") == CLIENT.as_str()
}

/// Names, of methods or headers, as one value.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> HeaderValue {
    let text = names.collect::<Vec<_>>().join(", ");
    // They are visible ASCII.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Whole seconds, rounded up: who comes back a moment too early is refused again.
pub(crate) fn seconds(time: Duration) -> HeaderValue {
    HeaderValue::from(time.as_millis().div_ceil(1000) as u64)
}

/// A header that a table sets or looks at, under `key`: none that is the gateway's own.
pub(crate) fn read(section: &mut Section, key: &str, name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let framing = ["connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"];
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
    let header = section.need(parsed, || format!("{key}: {name:?} with {value:?} is no header"))?;
    let free = !framing.contains(&header.0.as_str()) && !claims_client(&header.0);
    section.need(free.then_some(header), || format!("{key}: {name} is the gateway's own"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn nominated_and_hop_by_hop_headers_go() {
        let mut map = headers(&[
            ("connection", "close, X-Secret ,,bad name"),
            ("connection", "x-other, content-length, host"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMA"),
            ("host", "a"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut map);
        assert_eq!(names(&map), ["accept", "content-length", "host"]);
    }

    #[test]
    fn who_claims_to_be_a_client_is_seen_in_all_spellings() {
        for (name, claims) in [
            ("x-auth-client", true),
            ("X-Auth-Client", true),
            ("x_auth_client", true),
            ("x-auth_client", true),
            ("x-auth-clients", false),
            ("x-auth-clien", false),
            ("authorization", false),
        ] {
            assert_eq!(claims_client(&HeaderName::from_bytes(name.as_bytes()).unwrap()), claims, "{name}");
        }
    }
}
