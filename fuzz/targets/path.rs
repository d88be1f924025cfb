//! Paths: whatever the gateway forwards, a second reader comes to the same route. It decodes all that there is to decode, in
//! the order of one program or another, repairs what the gateway refuses, and looks each route up in the slow and obvious way.
#![no_main]

use std::sync::LazyLock;

use frontend::auth::Credentials;
use frontend::routes::{Match, Path, Table};
use frontend::upstream::Defaults;
use http::{Method, Uri};
use libfuzzer_sys::fuzz_target;

const ROUTES: &str = r#"{
    "upstreams": {"one": {"url": "http://one:8000"}},
    "routes": [
        {"path": "/", "upstream": "one"},
        {"path": "/orders", "upstream": "one"},
        {"path": "/orders/new", "exact": true, "upstream": "one"},
        {"path": "/orders/new/x", "upstream": "one"},
        {"path": "/@me", "upstream": "one"},
        {"path": "/a,b/c:d", "upstream": "one"},
        {"path": "/caf%C3%A9", "upstream": "one"},
        {"path": "/short", "exact": true, "maxRequestBytes": 1, "upstream": "one"},
        {"path": "/short/", "exact": true, "upstream": "one"}
    ]
}"#;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::parse(ROUTES.as_bytes(), Defaults::default(), &mut Credentials::default().reading()).unwrap()
});

/// Where a program looks for parameters, if at all.
#[derive(Debug, Clone, Copy)]
enum Parameters {
    Kept,
    CutBeforeDecoding,
    CutAfterDecoding,
}

fuzz_target!(|input: &str| {
    let Ok(uri) = input.parse::<Uri>() else { return };
    let Ok(path) = Path::read(uri.path()) else { return };
    let Match::Route(place, route) = TABLE.find(&Method::GET, "x", &path) else { return };
    assert_eq!(Path::read(path.as_str()).as_ref().map(Path::as_str).ok(), Some(path.as_str()), "{input}");
    // No route rewrites, so what the upstream gets is looked up in the same table.
    let target = route.target(path.as_str(), None);
    for text in [uri.path(), &target] {
        for parameters in [Parameters::Kept, Parameters::CutBeforeDecoding, Parameters::CutAfterDecoding] {
            for cut_query in [false, true] {
                let segments = read(text, parameters, cut_query);
                let wanted = route_of(&segments);
                assert_eq!(
                    wanted,
                    Some(place),
                    "{input} is {text}, which is {segments:?} ({parameters:?}, {cut_query})"
                );
                let without = segments.strip_suffix(&[Vec::new()]);
                let short = without.and_then(route_of).filter(|place| TABLE.routes[*place].most_request_bytes == 1);
                // Who names both spellings has decided.
                assert!(route.exact || short.is_none(), "{input} goes past the bound of the route without the slash");
            }
        }
    }
});

/// The segments of `text` behind its first slash, as a program has them that decodes what it can and repairs the rest.
fn read(text: &str, parameters: Parameters, cut_query: bool) -> Vec<Vec<u8>> {
    let mut bytes = text.as_bytes().to_vec();
    if matches!(parameters, Parameters::CutBeforeDecoding) {
        bytes = cut_parameters(&bytes);
    }
    bytes = decode(&bytes);
    if cut_query && let Some(end) = bytes.iter().position(|byte| matches!(byte, b'?' | b'#')) {
        bytes.truncate(end);
    }
    if matches!(parameters, Parameters::CutAfterDecoding) {
        bytes = cut_parameters(&bytes);
    }
    let mut segments: Vec<Vec<u8>> = Vec::new();
    let mut parts = bytes.split(|byte| matches!(byte, b'/' | b'\\')).skip(1).peekable();
    while let Some(part) = parts.next() {
        match part {
            b"." => {}
            b".." => drop(segments.pop()),
            b"" if parts.peek().is_some() => {}
            part => segments.push(part.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()),
        }
    }
    segments
}

fn cut_parameters(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut inside = false;
    for byte in bytes {
        inside = (inside || *byte == b';') && *byte != b'/';
        if !inside {
            kept.push(*byte);
        }
    }
    kept
}

fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

/// The place of the route for these segments: the longest that takes them, exact ones first.
fn route_of(segments: &[Vec<u8>]) -> Option<usize> {
    let taking = TABLE.routes.iter().enumerate().filter(|(_, route)| {
        let own: Vec<Vec<u8>> =
            decode(route.path.as_bytes()).split(|byte| *byte == b'/').skip(1).map(<[u8]>::to_vec).collect();
        if route.exact { segments == own } else { segments.starts_with(&own) }
    });
    taking.max_by_key(|(_, route)| (route.exact, route.path.len())).map(|(place, _)| place)
}
