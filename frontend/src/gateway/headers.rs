//! What a gateway changes in a message's headers. RFC 9110, section 7.6.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use service::app::Context;

use crate::auth::CLIENT;
use crate::client::forwarded::Client;

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

/// Makes the headers of a request those of the request to the upstream.
///
/// `X-Forwarded-*` are written anew, and say of `client` what is believed: what it claims about itself is not. Nor is who it
/// claims to be.
pub(crate) fn to_upstream(
    headers: &mut HeaderMap,
    authority: &HeaderValue,
    via: &HeaderValue,
    context: &Context,
    client: Client,
) {
    strip_hop_by_hop(headers);
    let host = headers.insert(HOST, authority.clone());
    let claimed: Vec<HeaderName> =
        headers.keys().filter(|name| is_claim(name.as_str()) || is_disguised(name.as_str())).cloned().collect();
    for name in &claimed {
        headers.remove(name);
    }
    client.tell(headers, host);
    headers.append(VIA, via.clone());
    context.correlation.pass_on(headers);
}

/// What a client says about itself, in a header that is the gateway's to set.
fn is_claim(name: &str) -> bool {
    name.starts_with("x-forwarded-") || name == FORWARDED || name == REAL_IP || name == CLIENT
}

/// Whether `name` becomes that of a header which is the gateway's to set, where the upstream takes `_` for `-`: the CGI (RFC
/// 3875, section 4.1.18), and all that follow it, can't tell the two apart.
fn is_disguised(name: &str) -> bool {
    if !name.contains('_') {
        return false;
    }
    let name = name.replace('_', "-");
    is_claim(&name) || HOP_BY_HOP.iter().chain(&[HOST, CONTENT_LENGTH, VIA]).any(|other| *other == name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::network::Networks;
    use service::message::correlation::Correlation;

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
    fn forwarded_headers_and_the_clients_name_are_the_gateways_own() {
        let mut map = headers(&[
            ("host", "shop.example"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "7.7.7.7"),
            ("x-forwarded-port", "1"),
            ("x-real-ip", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("x-auth-client", "admin"),
            ("x_auth_client", "admin"),
            ("x_forwarded_for", "6.6.6.6"),
            ("x-real_ip", "6.6.6.6"),
            ("content_length", "5"),
            ("transfer_encoding", "chunked"),
            ("kept_name", "1"),
            ("via", "1.1 other"),
        ]);
        let context = Context {
            correlation: Correlation::of(&HeaderMap::new()),
            peer: "[::ffff:10.0.0.9]:5000".parse().unwrap(),
        };
        let authority = HeaderValue::from_static("backend:8000");
        let client = Client::of(&Networks::default(), context.peer.ip(), &map);
        to_upstream(&mut map, &authority, &HeaderValue::from_static("1.1 frontend"), &context, client);
        assert_eq!(map["host"], "backend:8000");
        assert_eq!(map["x-forwarded-for"], "10.0.0.9");
        assert_eq!(map.get_all("x-forwarded-for").iter().count(), 1);
        assert_eq!(map["x-forwarded-host"], "shop.example");
        assert_eq!(map["x-forwarded-proto"], "http");
        assert_eq!(map.get_all("via").iter().count(), 2);
        assert_eq!(
            names(&map),
            [
                "host",
                "kept_name",
                "traceparent",
                "via",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-proto",
                "x-request-id"
            ]
        );
    }
}
