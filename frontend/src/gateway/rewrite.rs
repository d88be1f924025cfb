//! The client's request as the upstream gets it.

use hyper::Version;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, VIA};
use hyper::http::request::Parts;
use service::app::Context;
use service::message::problem::Problem;

use crate::client::Client;
use crate::headers;
use crate::routes::{Route, origin_form};

/// Makes the head of a request of `sender` that `route` takes, its path in the spelling of [`Path`], that of the request to
/// the upstream at `authority`; `via` names this hop.
///
/// # Errors
/// 400 where the target is none that can be sent.
pub fn rewrite(
    head: &mut Parts,
    route: &Route,
    authority: &HeaderValue,
    via: &HeaderValue,
    context: &Context,
    sender: Client,
) -> Result<(), Problem> {
    head.uri = origin_form(route.target(head.uri.path(), head.uri.query()))?;
    head.version = Version::HTTP_11;
    to_upstream(&mut head.headers, authority, via, context, sender);
    for (name, value) in &route.request_headers {
        head.headers.insert(name, value.clone());
    }
    Ok(())
}

/// Makes the headers of a request those of the request to the upstream.
///
/// `X-Forwarded-*` are written anew, and say of `client` what is believed: what it claims about itself is not. Nor is who it
/// claims to be.
fn to_upstream(headers: &mut HeaderMap, authority: &HeaderValue, via: &HeaderValue, context: &Context, client: Client) {
    headers::strip_hop_by_hop(headers);
    let host = headers.insert(HOST, authority.clone());
    let claimed: Vec<HeaderName> = headers.keys().filter(|name| headers::is_own(name)).cloned().collect();
    for name in &claimed {
        headers.remove(name);
    }
    client.tell(headers, host);
    headers.append(VIA, via.clone());
    context.correlation.pass_on(headers);
}

#[cfg(test)]
mod tests {
    use service::message::correlation::Correlation;

    use super::*;
    use crate::client::Networks;

    #[test]
    fn forwarded_headers_and_the_clients_name_are_the_gateways_own() {
        let mut map = HeaderMap::new();
        for (name, value) in [
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
        ] {
            map.append(name, HeaderValue::from_static(value));
        }
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
        let mut names: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
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
