//! The route table: a document that is accepted says the same when it is written and read again, and a table finds what a slow
//! and obvious search finds. The input is a document, and behind a NUL each a method, a host and a path to look for.
#![no_main]

use std::cmp::Reverse;

use frontend::auth::Credentials;
use frontend::routes::{Match, Path, Route, Table};
use frontend::upstream::Defaults;
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|byte| *byte == 0);
    let mut text = || std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
    let (json, method, host, path) = (text(), text(), text(), text());
    let table = match Table::parse(json.as_bytes(), Defaults::default(), &mut Credentials::default().reading()) {
        Ok(table) => table,
        Err(refused) => {
            assert!(refused.0.iter().all(|mistake| !mistake.is_empty()) && !refused.0.is_empty());
            return;
        }
    };
    let document = table.document().to_string();
    match Table::parse(document.as_bytes(), Defaults::default(), &mut Credentials::default().reading()) {
        Ok(again) => assert_eq!(again, table, "{document}"),
        Err(refused) => panic!("{refused}: {document}"),
    }

    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    let mut paths = vec![path.to_owned()];
    let mut hosts = vec![host.to_owned()];
    for route in &table.routes {
        paths.extend([route.path.clone(), format!("{}/x", route.path), format!("{}x", route.path)]);
        hosts.extend(route.hosts.iter().take(1).map(|host| host.to_uppercase() + ":80"));
    }
    for path in paths.iter().take(16) {
        // Only what is as it was read: what else a path may be is the business of the target `path`.
        let Ok(read) = Path::read(path) else { continue };
        if read.as_str() != path || read.others().next().is_some() {
            continue;
        }
        for host in hosts.iter().take(4) {
            check(&table, &method, host, &read);
        }
    }
});

fn check(table: &Table, method: &Method, host: &str, path: &Path<'_>) {
    let taking: Vec<(usize, &Route)> =
        table.routes.iter().enumerate().filter(|(_, route)| takes(route, host, path.as_str())).collect();
    let is_named = |route: &Route| route.methods.contains(method);
    let with_get = |route: &Route| *method == Method::HEAD && route.methods.contains(&Method::GET);
    let wanted = taking.iter().filter(|(_, route)| route.methods.is_empty() || is_named(route) || with_get(route));
    let best = wanted.max_by_key(|(place, route)| {
        let methods = (!route.methods.is_empty(), is_named(route));
        (!route.hosts.is_empty(), route.exact, route.path.len(), methods, Reverse(*place))
    });
    match (table.find(method, host, path), best) {
        (Match::Route(found, _), Some((place, _))) => assert_eq!(found, *place, "{method} {host} {path:?}"),
        (Match::OtherMethods(methods), None) => {
            assert!(!taking.is_empty() && !methods.contains(method), "{method} {host} {path:?}");
        }
        (Match::None, None) => assert!(taking.is_empty(), "{method} {host} {path:?}"),
        // An exact route that differs by a last slash asks for more.
        (Match::Unclear, Some(_)) => {}
        (found, best) => panic!("{method} {host} {path:?}: {found:?}, and not {best:?}"),
    }
}

fn takes(route: &Route, host: &str, path: &str) -> bool {
    let name = match host.rfind(':') {
        Some(colon) if host[colon + 1..].chars().all(|c| c.is_ascii_digit()) => &host[..colon],
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).and_then(|name| name.parse().ok());
    let name = match address {
        Some::<std::net::Ipv6Addr>(address) => format!("[{address}]"),
        None => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
    };
    let host = route.hosts.is_empty() || route.hosts.contains(&name);
    let path = if route.exact {
        path == route.path
    } else {
        let wanted: Vec<&str> = route.path.split('/').collect();
        let segments: Vec<&str> = path.split('/').collect();
        segments.starts_with(&wanted)
    };
    host && path
}
