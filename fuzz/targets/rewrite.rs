//! Requests on their way through the gateway: whatever a client sends, what reaches the upstream stays below the route's prefix
//! there, and carries no header that is not the gateway's to pass on.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

use frontend::auth::Credentials;
use frontend::client::Client;
use frontend::client::Networks;
use frontend::gateway::rewrite;
use frontend::routes::{Match, Path, Route, Table, respell};
use frontend::upstream::Defaults;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use service::message::correlation::Correlation;
use service::app::Context;

const ROUTES: &str = r#"{
    "upstreams": {"one": {"url": "http://one:8000"}},
    "routes": [
        {"path": "/", "upstream": "one", "rewrite": "/all", "hosts": ["all.example"]},
        {"path": "/proxy", "upstream": "one", "rewrite": "/api"},
        {"path": "/root", "upstream": "one", "rewrite": "/"},
        {"path": "/same", "upstream": "one", "requestHeaders": {"x-added": "1"}},
        {"path": "/exact", "upstream": "one", "rewrite": "/other", "exact": true}
    ]
}"#;

const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the gateway puts on every request, whatever the client nominates, and what it does not let a client nominate away.
const OWN: [&str; 9] = [
    "content-length",
    "host",
    "traceparent",
    "via",
    "x-added",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::parse(ROUTES.as_bytes(), Defaults::default(), &mut Credentials::default().reading()).unwrap()
});

const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 5000);

static TRUSTED: LazyLock<Networks> = LazyLock::new(|| Networks::parse("10.0.0.0/8").unwrap());

fuzz_target!(|input: &[u8]| {
    let Some(mut request) = request(input) else { return };
    let before = request.headers().clone();
    let query = request.uri().query().map(str::to_owned);
    let host = before.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = request.uri().path().to_owned();
    let Ok(read) = Path::read(&path) else { return };
    let Match::Route(_, route) = TABLE.find(request.method(), host, &read) else { return };
    if respell(&mut request, &read).is_err() {
        return;
    }
    let (mut head, ()) = request.into_parts();

    let context = Context { correlation: Correlation::of(&before), peer: PEER };
    let (authority, via) = (HeaderValue::from_static("one:8000"), HeaderValue::from_static("1.1 gateway"));
    // The peer is trusted: what it says comes from outside as well.
    let client = Client::of(&TRUSTED, context.peer.ip(), &before);
    if let Err(problem) = rewrite(&mut head, route, &authority, &via, &context, client) {
        assert_eq!(problem.status(), 400);
        return;
    }
    check_target(&head.uri, route, &path, query.as_deref());
    check_headers(&head.headers, &before, &authority);
});

/// A request as hyper would have let it pass: what is no valid part is left out.
fn request(input: &[u8]) -> Option<Request<()>> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?).uri(target).body(()).ok()?;
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    Some(request)
}

fn check_target(uri: &Uri, route: &Route, path: &str, query: Option<&str>) {
    assert!(uri.scheme().is_none() && uri.authority().is_none(), "{uri}");
    assert_eq!(uri.query(), query, "the query is the upstream's to read");
    let prefix = route.rewrite.as_ref().unwrap_or(&route.path);
    let below = if prefix.is_empty() { Some(uri.path()) } else { uri.path().strip_prefix(prefix.as_str()) };
    let below = below.unwrap_or_else(|| panic!("{path} became {uri}, which is not below {prefix}"));
    assert!(below.is_empty() || (below.starts_with('/') && !route.exact), "{path} became {uri}");
    for segment in below.split('/') {
        let decoded = decoded(segment);
        assert!(decoded != b"." && decoded != b"..", "{path} became {uri}");
        assert!(!decoded.iter().any(|byte| b"/\\\0".contains(byte)), "{path} became {uri}");
    }
    assert!(!uri.path().contains("//"), "{path} became {uri}");
}

/// Percent-decoding as lenient as any upstream's.
fn decoded(segment: &str) -> Vec<u8> {
    let mut rest = segment.as_bytes();
    let mut decoded = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                decoded.push(code);
                rest = &after[2..];
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

fn check_headers(after: &HeaderMap, before: &HeaderMap, authority: &HeaderValue) {
    let all = |name: &str| after.get_all(name).iter().collect::<Vec<_>>();
    for name in HOP_BY_HOP {
        assert!(!after.contains_key(name), "{name} concerns one connection only");
    }
    for value in before.get_all("connection") {
        for name in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let Ok(name) = HeaderName::from_bytes(name) else { continue };
            assert!(OWN.contains(&name.as_str()) || !after.contains_key(&name), "{name} was nominated");
        }
    }
    assert_eq!(all("host"), [authority]);
    let [way] = all("x-forwarded-for")[..] else { panic!("{:?}", all("x-forwarded-for")) };
    let way: Vec<IpAddr> = way.to_str().unwrap().split(", ").map(|address| address.parse().unwrap()).collect();
    assert!(way.len() <= 33 && way.ends_with(&[PEER.ip()]), "{way:?}");
    assert!(way[1..].iter().all(|address| TRUSTED.contains(*address)), "{way:?} has a stranger behind the client");
    assert_eq!(all("x-request-id").len(), 1);
    assert_eq!(all("traceparent").len(), 1);
    assert_eq!(all("content-length"), before.get_all("content-length").iter().collect::<Vec<_>>());
    let forwarded: Vec<_> = after.keys().filter(|name| name.as_str().starts_with("x-forwarded-")).collect();
    assert!(forwarded.iter().all(|name| OWN.contains(&name.as_str())), "{forwarded:?}");
    assert!(!after.contains_key("forwarded") && !after.contains_key("x-real-ip"));
    for value in after.values() {
        assert!(!value.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte)), "{value:?}");
    }
}
