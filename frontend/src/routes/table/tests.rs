//! What tables say of requests, and what is refused as one.

use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::auth::Credentials;
use crate::upstream::{Origin, Persistence};

fn parsed(document: &Value) -> Result<Table, Refused> {
    table(document.to_string().as_bytes())
}

/// Of a gateway without secrets.
fn table(text: &[u8]) -> Result<Table, Refused> {
    Table::parse(text, Defaults::default(), &mut Credentials::default().reading())
}

fn with_routes(routes: &Value) -> Value {
    json!({
        "upstreams": {"users": {"url": "http://users"}, "orders": {"url": "http://orders:8000"}},
        "routes": routes,
    })
}

fn shop() -> Table {
    let to = |upstream: &str, mut route: Value| {
        route["upstream"] = upstream.into();
        route
    };
    parsed(&with_routes(&json!([
        to("users", json!({"path": "/"})),
        to("users", json!({"path": "/users/", "rewrite": "/api/users"})),
        to("orders", json!({"path": "/orders", "methods": ["GET", "POST"]})),
        to("orders", json!({"path": "/orders/new", "exact": true, "methods": ["POST"], "rewrite": "/create"})),
        to("orders", json!({"path": "/orders", "hosts": ["Admin.Example"], "rewrite": "/"})),
    ])))
    .unwrap()
}

fn found(table: &Table, method: &str, host: &str, path: &str) -> String {
    let path = Path::read(path).unwrap();
    match table.find(&Method::from_bytes(method.as_bytes()).unwrap(), host, &path) {
        Match::Route(_, route) => {
            format!("{} {}", route.upstreams().next().unwrap(), route.target(path.as_str(), None))
        }
        Match::OtherMethods(methods) => methods.iter().map(Method::as_str).collect::<Vec<_>>().join(","),
        Match::Unclear => "unclear".into(),
        Match::None => "none".into(),
    }
}

#[test]
fn the_most_specific_route_wins() {
    let table = shop();
    for (request, expected) in [
        ("GET shop.example /", "users /"),
        ("GET shop.example /other/x", "users /other/x"),
        ("GET shop.example /users", "users /api/users"),
        ("GET shop.example /users/7", "users /api/users/7"),
        ("GET shop.example /users/", "users /api/users/"),
        ("GET shop.example /usersx", "users /usersx"),
        ("GET shop.example /orders/7", "orders /orders/7"),
        ("POST shop.example /orders/new", "orders /create"),
        ("GET shop.example /orders/new", "orders /orders/new"),
        ("POST shop.example /orders/new/x", "orders /orders/new/x"),
        ("BREW admin.example /orders/7", "orders /7"),
        ("GET ADMIN.example:8080 /orders", "orders /"),
        ("GET admin.example.evil /orders", "orders /orders"),
    ] {
        let parts: Vec<&str> = request.split(' ').collect();
        assert_eq!(found(&table, parts[0], parts[1], parts[2]), expected, "{request}");
    }
}

#[test]
fn a_method_that_no_route_takes_is_told_from_a_path_that_none_does() {
    let table = parsed(&with_routes(&json!([
        {"path": "/orders", "methods": ["GET", "POST"], "upstream": "orders"},
        {"path": "/only", "hosts": ["a.example"], "upstream": "users"},
    ])))
    .unwrap();
    assert_eq!(found(&table, "DELETE", "x", "/orders/7"), "GET,HEAD,POST");
    assert_eq!(found(&table, "GET", "x", "/order"), "none");
    assert_eq!(found(&table, "GET", "b.example", "/only"), "none");
}

#[test]
fn a_path_that_has_routes_takes_what_any_of_them_takes() {
    let table = parsed(&with_routes(&json!([
        {"path": "/orders", "methods": ["GET"], "upstream": "orders"},
        {"path": "/orders", "methods": ["POST"], "upstream": "orders"},
        {"path": "/", "methods": ["GET", "PURGE"], "upstream": "users"},
    ])))
    .unwrap();
    assert_eq!(found(&table, "DELETE", "x", "/orders/7"), "GET,HEAD,POST,PURGE");
    assert_eq!(found(&table, "PURGE", "x", "/orders/7"), "users /orders/7");
}

#[test]
fn head_goes_where_get_does_unless_a_route_names_it() {
    let table = parsed(&with_routes(&json!([
        {"path": "/orders", "methods": ["GET"], "upstream": "orders"},
        {"path": "/new", "methods": ["POST"], "upstream": "orders"},
        {"path": "/named", "methods": ["GET"], "upstream": "users"},
        {"path": "/named", "methods": ["HEAD"], "upstream": "orders"},
        {"path": "/", "methods": ["HEAD"], "upstream": "users"},
    ])))
    .unwrap();
    assert_eq!(found(&table, "HEAD", "x", "/orders/7"), "orders /orders/7");
    assert_eq!(found(&table, "HEAD", "x", "/new"), "users /new");
    assert_eq!(found(&table, "HEAD", "x", "/named"), "orders /named");
    assert_eq!(found(&table, "GET", "x", "/named"), "users /named");
    assert_eq!(found(&table, "GET", "x", "/"), "HEAD");
}

#[test]
fn a_host_is_the_same_whatever_its_spelling() {
    let table = parsed(&with_routes(&json!([
        {"path": "/", "hosts": ["Shop.Example."], "upstream": "orders"},
        {"path": "/", "hosts": ["[0:0:0:0:0:0:0:1]", "10.0.0.1"], "upstream": "users"},
    ])))
    .unwrap();
    assert_eq!(table.routes[0].hosts, ["shop.example"]);
    assert_eq!(table.routes[1].hosts, ["[::1]", "10.0.0.1"]);
    for host in
        ["shop.example", "SHOP.example", "shop.example.", "shop.example:", "shop.example:80", "shop.example.:8000"]
    {
        assert_eq!(found(&table, "GET", host, "/"), "orders /", "{host}");
    }
    for host in ["[::1]", "[::1]:8000", "[::1]:", "[0::1]", "[::0001]:80", "10.0.0.1", "10.0.0.1:80"] {
        assert_eq!(found(&table, "GET", host, "/"), "users /", "{host}");
    }
    for host in ["shop.example..", "xshop.example", "example", "", ".", "[::2]", "::1"] {
        assert_eq!(found(&table, "GET", host, "/"), "none", "{host}");
    }
}

/// Routes behind a key, one limited, one short, and all else open; at the host `admin` all behind a key but one path.
fn guarded() -> Table {
    let directory = std::env::temp_dir().join(format!("table-guarded-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("keys"), "shop:0123456789abcdef").unwrap();
    let auth = json!({"apiKey": {"secret": "keys"}});
    let document = with_routes(&json!([
        {"path": "/orders", "upstream": "orders", "auth": auth},
        {"path": "/@me", "upstream": "orders", "auth": auth},
        {"path": "/login", "exact": true, "upstream": "orders", "rateLimit": {"requests": 1, "periodSeconds": 60}},
        {"path": "/exact", "exact": true, "upstream": "orders", "auth": auth},
        {"path": "/exact/", "exact": true, "methods": ["POST"], "upstream": "orders", "auth": auth},
        {"path": "/slash/", "exact": true, "methods": ["GET"], "upstream": "orders", "maxRequestBytes": 10},
        {"path": "/open", "exact": true, "upstream": "orders"},
        {"path": "/both", "exact": true, "upstream": "users"},
        {"path": "/both/", "exact": true, "upstream": "orders", "auth": auth},
        {"path": "/caf%c3%a9", "upstream": "orders"},
        {"path": "/", "upstream": "users"},
        {"path": "/", "hosts": ["admin"], "upstream": "orders", "auth": auth},
        {"path": "/exact", "exact": true, "hosts": ["admin"], "upstream": "orders", "auth": auth},
        {"path": "/public", "hosts": ["admin"], "upstream": "users"},
    ]));
    let secrets = Credentials::in_directory(directory.clone());
    let table = Table::parse(document.to_string().as_bytes(), Defaults::default(), &mut secrets.reading()).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    table
}

#[test]
fn whoever_reads_a_path_it_is_that_of_one_route() {
    let table = guarded();
    for (request, expected) in [
        ("GET x /%6Frders", "orders"),
        ("GET x /o%72ders/7", "orders"),
        ("GET x /orders/7;v=1", "orders"),
        ("GET x /orders/;v=1", "orders"),
        ("GET x /orders/a%3Bb%2Cc%3F", "orders"),
        ("GET x /orders;v=1", "unclear"),
        ("GET x /orders;v=1/7", "unclear"),
        ("GET x /%6Frders%3bv/7", "unclear"),
        ("GET x /orders%3Fa", "unclear"),
        ("GET x /orders;v%3Fa", "unclear"),
        ("GET x /orders%23a", "unclear"),
        ("GET x /@me", "orders"),
        ("GET x /%40me", "unclear"),
        ("GET x /%40me/7", "unclear"),
        ("GET x /Orders", "users"),
        ("GET x /orders.", "users"),
        ("GET x /ordersx", "users"),
        ("GET x /a;v=1/b%3Fc%40", "users"),
        ("GET x /caf%C3%A9/7", "orders"),
        ("GET x /caf%c3%a9", "orders"),
        // The last slash.
        ("GET x /login/", "unclear"),
        ("GET x /login/;v", "unclear"),
        ("GET x /exact/", "unclear"),
        ("POST x /exact/", "orders"),
        ("GET x /slash", "unclear"),
        ("POST x /slash", "users"),
        ("GET x /open/", "users"),
        ("GET x /both", "users"),
        ("GET x /both/", "orders"),
        ("GET x /exact/7", "users"),
        ("GET admin /exact/", "orders"),
        ("GET admin /public", "users"),
        ("GET admin /public;v", "unclear"),
        ("GET admin /x;v", "orders"),
        ("GET admin /login/", "orders"),
    ] {
        let parts: Vec<&str> = request.split(' ').collect();
        let found = found(&table, parts[0], parts[1], parts[2]);
        assert_eq!(found.split(' ').next(), Some(expected), "{request}");
    }
}

#[test]
fn a_tables_paths_have_the_spelling_of_requests() {
    let entry = |path: &str, exact: bool| with_routes(&json!([{"path": path, "exact": exact, "upstream": "users"}]));
    for (path, exact, spelling) in [
        ("/%6Frders/", false, "/orders"),
        ("/%6frders/", true, "/orders/"),
        ("/caf%c3%a9", false, "/caf%C3%A9"),
        ("/a|b", false, "/a%7Cb"),
        ("/@me/a:b", false, "/@me/a:b"),
    ] {
        assert_eq!(parsed(&entry(path, exact)).unwrap().routes[0].path, spelling, "{path}");
    }
    for (path, mistake) in [
        ("/orders;v=1", "some programs take it for \"/orders\": accepted is a path without parameters (;)"),
        ("/%40me", "some programs take it for \"/@me\""),
        ("/what%3F", "some programs take it for \"/what\""),
        ("/a%2Fb", "accepted is a path such as /shop"),
        ("/caf\u{e9}", "accepted is a path such as /shop"),
        ("/a/%2e%2e/b", "accepted is a path such as /shop"),
    ] {
        let refused = parsed(&entry(path, false)).unwrap_err().0;
        let found = format!("routes[0]: path {path:?}: {mistake}");
        assert!(refused.len() == 1 && refused[0].starts_with(&found), "{refused:?}");
    }
    let same = json!([{"path": "/orders", "upstream": "users"}, {"path": "/%6Frders", "upstream": "users"}]);
    assert!(parsed(&with_routes(&same)).unwrap_err().0[0].contains("neither is more specific"));
    let rewrite = json!([{"path": "/a", "rewrite": "/%61pp;v=1/%e2%82%ac", "upstream": "users"}]);
    assert_eq!(parsed(&with_routes(&rewrite)).unwrap().routes[0].rewrite.as_deref(), Some("/app;v=1/%E2%82%AC"));
}

#[test]
fn a_header_that_differs_in_case_only_is_given_twice() {
    let headers = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), json!("1"))).collect::<Map<_, _>>();
    for key in ["requestHeaders", "responseHeaders"] {
        let route = |names| with_routes(&json!([{"path": "/", "upstream": "users", key: headers(names)}]));
        assert!(parsed(&route(&["x-a", "x-b"])).is_ok());
        let refused = parsed(&route(&["X-A", "x-a"])).unwrap_err();
        assert_eq!(refused.0, [format!("routes[0]: {key}: x-a is given twice")]);
    }
}

#[test]
fn mistakes_are_all_named_with_their_place_and_their_mend() {
    let document = json!({
        "upstreams": {
            "users": {"url": "https://users", "retries": 4},
            "orders": {"url": "http://orders", "tryTimeoutSeconds": 9, "idleSeconds": -1},
        },
        "routes": [
            {"path": "shop", "upstream": "orders"},
            {"path": "/a/../b", "upstream": "orders", "methods": ["get"], "hosts": ["a:80"]},
            {"path": "/x", "upstream": "order"},
            {"path": "/y"},
            {"path": "/y", "split": [{"upstream": "orders", "weight": 0}]},
            {"path": "/z", "upstream": "orders", "requestHeaders": {"Host": "x", "a b": "c"}},
            {"path": "/zz", "upstream": "orders", "pins": [{"header": "x-auth-client", "value": "a", "upstream": "orders"}],
             "rateLimit": {"requests": 1, "periodSeconds": 1, "byHeader": "x-auth-client"}},
            {"path": "/c", "upstream": "orders", "cors": {"origins": ["*"], "credentials": true, "headers": [""]}},
            {"path": "/d", "upstream": "orders", "cors": {"origins": ["shop.example", "https://a/b"], "maxAgeSeconds": -1}},
            {"path": "/e", "upstream": "orders", "cors": {"origins": []}},
            {"path": "/f", "upstream": "orders", "fallback": {"status": 100, "contentType": "\n", "body": ""}},
            {"path": "/l", "upstream": "orders", "rateLimit": {"requests": 0, "periodSeconds": 0, "byHeader": ""}},
            {"path": "/m", "upstream": "orders", "rateLimit": {"requests": 1, "periodSeconds": 1, "byClient": true, "byHeader": "x-a"}},
            {"path": "/n", "upstream": "orders", "auth": {}},
            {"path": "/o", "upstream": "orders", "auth": {"apiKey": {"secret": "a/../b", "header": "Host"}}},
            {"path": "/p", "upstream": "orders", "auth": {"apiKey": {"secret": "keys", "header": "X_Auth_Client"}}},
            {"path": "/q", "upstream": "orders",
             "auth": {"jwt": {"secret": "keys", "algorithm": "RS256", "issuer": "", "audience": "", "leewaySeconds": 301}}},
            {"path": "/r", "upstream": "orders", "responseHeaders": {"Deprecation": "true", "Sunset": "2027-01-01"}},
            {"path": "/s", "split": [{"upstream": "orders", "weight": 1_000_001}]},
            {"path": "/t", "aggregate": {"errors": {"upstream": "orders", "rewrite": "a"}, "a b": {"upstream": "nobody"}}},
            {"path": "/u", "aggregate": {"a": {"upstream": "orders"}}, "upstream": "orders", "methods": ["POST"]},
            {"path": "/u", "methods": ["GET"], "upstream": "orders"},
        ],
    });
    let Refused(mistakes) = parsed(&document).unwrap_err();
    for expected in [
        "upstreams.users: retries is 4, and 0 to 3 is accepted",
        "upstreams.users: url \"https://users\": accepted is http://HOST",
        "upstreams.orders: tryTimeoutSeconds 9 is above timeoutSeconds 5",
        "upstreams.orders: idleSeconds is -1, and 0.01 to 86400 is accepted",
        "routes[0]: path \"shop\": accepted is a path such as /shop",
        "routes[1]: path \"/a/../b\"",
        "routes[1]: method \"get\": accepted is a name in upper case",
        "routes[1]: host \"a:80\": accepted is a name without a port",
        "routes[2]: there is no upstream \"order\", and there are: orders",
        "routes[3]: accepted is either upstream or split",
        "routes[4]: all weights of split are 0",
        "routes[4]: takes requests that routes[3] takes",
        "routes[5]: requestHeaders: Host is the gateway's own",
        "routes[5]: requestHeaders: \"a b\" with \"c\" is no header",
        "routes[6]: pins: x-auth-client is the gateway's own",
        "routes[6]: rateLimit.byHeader: x-auth-client is the gateway's own: use byClient",
        "routes[7]: cors.credentials: browsers refuse it with any origin",
        "routes[7]: cors.headers: \"\" is no name of a header",
        "routes[8]: cors.origins: \"shop.example\": accepted is https://HOST",
        "routes[8]: cors.origins: \"https://a/b\"",
        "routes[8]: cors.maxAgeSeconds is -1, and 0 to 86400 is accepted",
        "routes[9]: cors.origins is empty",
        "routes[10]: fallback.status is 100, and 200 to 599 is accepted",
        "routes[10]: fallback.contentType: \"\\n\" is no content type",
        "routes[11]: rateLimit.requests is 0, and 1 to 1000000 is accepted",
        "routes[11]: rateLimit.periodSeconds is 0, and 0.1 to 3600 is accepted",
        "routes[11]: rateLimit.byHeader: \"\" is no name of a header",
        "routes[12]: rateLimit.byClient: nobody says who the client is: add auth",
        "routes[12]: rateLimit: accepted is either byHeader or byClient",
        "routes[13]: auth: accepted is either apiKey or jwt",
        "routes[14]: auth.apiKey.header: Host is the gateway's own",
        "routes[14]: auth.apiKey.secret \"a/../b\": accepted is a name",
        "routes[15]: auth.apiKey.header: X_Auth_Client is the gateway's own",
        "routes[15]: auth.apiKey.secret \"keys\": there is no directory of secrets: set CREDENTIALS_DIR",
        "routes[16]: auth.jwt.issuer: accepted are 1 to 1024 bytes, or leave it out",
        "routes[16]: auth.jwt.audience: accepted are 1 to 1024 bytes",
        "routes[16]: auth.jwt.leewaySeconds is 301, and 0 to 300 is accepted",
        "routes[16]: auth.jwt.secret \"keys\": there is no directory of secrets",
        "routes[17]: responseHeaders: deprecation \"true\": accepted is @ and seconds since 1970",
        "routes[17]: responseHeaders: sunset \"2027-01-01\": accepted is a date",
        "routes[18]: weight is 1000001, and 0 to 1000000 is accepted",
        "routes[19]: aggregate: the name \"errors\": accepted are 1 to 63 letters",
        "routes[19]: aggregate: the name \"a b\": accepted",
        "routes[19]: aggregate: rewrite \"a\": accepted is a path such as /shop",
        "routes[19]: there is no upstream \"nobody\", and there are: orders",
        "routes[20]: aggregate: leave out upstream, split, pins, rewrite and upgrades",
        "routes[20]: aggregate: it takes GET: leave methods out",
        "routes[21]: takes requests that routes[20] takes",
    ] {
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(expected)), "{expected}\nnot in {mistakes:#?}");
    }
    assert_eq!(mistakes.len(), 48, "{mistakes:#?}");
}

#[test]
fn what_is_no_table_at_all_is_named_by_its_path() {
    for (text, expected) in [
        ("", "EOF"),
        ("{}", "missing field `upstreams`"),
        (r#"{"upstreams": {}, "routes": [], "rutes": []}"#, "unknown field `rutes`"),
        (r#"{"upstreams": {}, "routes": [{"path": "/", "upstrem": "x"}]}"#, "routes[0].upstrem: unknown field"),
        (r#"{"upstreams": {"a": {"url": 7}}, "routes": []}"#, "upstreams.a.url: invalid type"),
        (r#"{"upstreams": {}, "routes": []} x"#, "after the table"),
        (
            r#"{"upstreams": {}, "routes": [{"path": "/", "auth": {"jwt": {"secret": "x", "algorithm": "none"}}}]}"#,
            "routes[0].auth.jwt.algorithm: unknown variant `none`, expected `HS256` or `RS256`",
        ),
        (
            r#"{"upstreams": {}, "routes": [{"path": "/", "upgrades": ["h2c"]}]}"#,
            "routes[0].upgrades[0]: unknown variant `h2c`, expected `websocket`",
        ),
        (
            r#"{"upstreams": {}, "routes": [{"path": "/", "auth": {"basic": {}}}]}"#,
            "routes[0].auth.basic: unknown field",
        ),
    ] {
        let refused = table(text.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(expected), "{text}: {refused}");
    }
    let long = " ".repeat(MOST_BYTES + 1);
    assert!(table(long.as_bytes()).unwrap_err().to_string().contains("262144 are accepted"));
    let many: Vec<Value> = (0..257).map(|i| json!({"path": format!("/{i}"), "upstream": "users"})).collect();
    assert!(parsed(&with_routes(&json!(many))).unwrap_err().to_string().contains("256 are accepted"));
}

#[test]
fn weights_share_the_requests_and_pins_leave_them_aside() {
    let table = parsed(&with_routes(&json!([{
        "path": "/",
        "split": [{"upstream": "users", "weight": 9}, {"upstream": "orders", "weight": 1}],
        "pins": [{"header": "x-canary", "value": "always", "upstream": "orders"}],
    }])))
    .unwrap();
    let route = &table.routes[0];
    let orders = (0..10_000_u32).filter(|i| route.upstream(&HeaderMap::new(), i * 429_496) == Some("orders")).count();
    assert!((990..=1010).contains(&orders), "{orders}");
    let pinned = |value: &'static str| {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-canary"), HeaderValue::from_static(value))]);
        route.upstream(&headers, 0).unwrap_or_default().to_owned()
    };
    assert_eq!((pinned("always").as_str(), pinned("never").as_str()), ("orders", "users"));
}

#[test]
fn a_route_may_have_more_or_less_patience_than_its_upstream() {
    let routed = |overrides: Value| {
        let mut route = json!({"path": "/a", "upstream": "users"});
        route.as_object_mut().unwrap().extend(overrides.as_object().unwrap().clone());
        parsed(&with_routes(&json!([route])))
    };
    let Defaults { timeouts, resilience } = Defaults::default();
    let usual = Persistence { attempt: timeouts.attempt, overall: timeouts.overall, retries: resilience.retries };
    let over = |overrides| routed(overrides).unwrap().routes[0].persistence.over(usual);
    assert_eq!(over(json!({})), usual);
    assert_eq!(over(json!({"retries": 0})), Persistence { retries: 0, ..usual });
    let (attempt, overall) = (Duration::from_millis(500), Duration::from_millis(2500));
    let less = over(json!({"tryTimeoutSeconds": 0.5, "timeoutSeconds": 2.5}));
    assert_eq!(less, Persistence { attempt, overall, ..usual });
    for (overrides, mistake) in [
        (json!({"retries": 4}), "retries is 4, and 0 to 3 is accepted"),
        (json!({"timeoutSeconds": 0}), "timeoutSeconds is 0, and 0.01 to 86400 is accepted"),
        (
            json!({"timeoutSeconds": 2}),
            "routes[0], for the upstream users: tryTimeoutSeconds 4 is above timeoutSeconds 2",
        ),
    ] {
        let refused = routed(overrides).unwrap_err().0;
        assert!(refused.len() == 1 && refused[0].contains(mistake), "{refused:?}");
    }
}

#[test]
fn its_document_is_the_table_again() {
    let split = json!([{
        "path": "/", "hosts": ["a.example", "b.example"],
        "split": [{"upstream": "users", "weight": 9}, {"upstream": "orders", "weight": 0}],
        "pins": [{"header": "x-canary", "value": "a b", "upstream": "orders"}],
        "requestHeaders": {"x-a": "1", "X-B": "2"}, "responseHeaders": {"x-b": "2"},
        "rateLimit": {"requests": 10, "periodSeconds": 1.5, "byHeader": "x-api-key"},
        "cors": {"origins": ["https://a.example:8443"], "methods": ["PUT"], "headers": ["x-a"], "exposeHeaders": ["x-b"],
                 "credentials": true, "maxAgeSeconds": 60},
        "maxRequestBytes": 1000, "maxReplyBytes": 0, "timeoutSeconds": 2.5, "tryTimeoutSeconds": 0.5, "retries": 1,
        "upgrades": ["websocket"],
        "fallback": {"status": 200, "contentType": "application/json", "body": "{\"orders\":[]}"},
    }, {
        "path": "/both", "aggregate": {"user": {"upstream": "users", "required": true}, "all": {"upstream": "orders", "rewrite": "/"}},
    }]);
    let never = json!({
        "upstreams": {"a": {"url": "http://[::1]:8000", "breakerFailures": 0, "maxAgeSeconds": 0, "retries": 0, "maxInFlight": 7}},
        "routes": [{"path": "/x/", "exact": true, "upstream": "a", "rewrite": "/"}],
    });
    for table in [shop(), parsed(&with_routes(&split)).unwrap(), parsed(&never).unwrap()] {
        assert_eq!(parsed(&table.document()).unwrap(), table);
    }
}

#[test]
fn its_document_names_the_secrets_and_shows_nothing_of_them() {
    let directory = std::env::temp_dir().join(format!("table-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("partners"), "shop:0123456789abcdef").unwrap();
    std::fs::write(directory.join("shared"), "0123456789abcdef0123456789abcdef").unwrap();
    let credentials = Credentials::in_directory(directory.clone());
    let limit = json!({"requests": 10, "periodSeconds": 1.5, "byClient": true});
    let document = with_routes(&json!([
        {"path": "/a", "upstream": "users", "auth": {"apiKey": {"secret": "partners"}}, "rateLimit": limit},
        {"path": "/b", "upstream": "users", "auth": {"apiKey": {"secret": "partners", "header": "X-Key"}}},
        {"path": "/c", "upstream": "users", "auth": {"jwt": {"secret": "shared", "algorithm": "HS256"}}},
        {"path": "/d", "upstream": "users",
         "auth": {"jwt": {"secret": "shared", "algorithm": "HS256", "issuer": "a", "audience": "b", "leewaySeconds": 2.5}}},
    ]));
    let read = |document: &Value| {
        Table::parse(document.to_string().as_bytes(), Defaults::default(), &mut credentials.reading()).unwrap()
    };
    let table = read(&document);
    let shown = table.document();
    assert_eq!(read(&shown), table);
    assert_eq!(shown["routes"][0]["auth"], json!({"apiKey": {"secret": "partners", "header": "x-api-key"}}));
    assert_eq!(
        shown["routes"][2]["auth"],
        json!({"jwt": {"secret": "shared", "algorithm": "HS256", "leewaySeconds": 30.0}})
    );
    assert!(!format!("{shown} {table:?}").contains("0123456789abcdef"));
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn the_table_of_one_upstream_and_of_an_observer_beside_it() {
    let Defaults { timeouts, resilience } = Defaults::default();
    let at = |url: &str| Settings { origin: Origin::parse(url).unwrap(), timeouts, resilience };
    let alone = Table::of_one(at("http://backend:8000"), None);
    assert_eq!(found(&alone, "GET", "x", "/proxy/items"), "backend /api/items");
    assert_eq!(found(&alone, "GET", "x", "/proxyitems"), "none");
    assert_eq!(found(&alone, "GET", "x", "/cluster"), "none");
    let both = Table::of_one(at("http://backend:8000"), Some(at("http://observer:8000")));
    assert_eq!(found(&both, "GET", "x", "/proxy/items"), "backend /api/items");
    assert_eq!(found(&both, "GET", "x", "/cluster"), "observer /api/cluster");
    assert_eq!(found(&both, "GET", "x", "/cluster/events"), "observer /api/cluster/events");
}

proptest! {
    /// Whatever the path: a route that takes it is for it, and its target keeps all that follows the route's own path.
    #[test]
    fn a_target_keeps_what_follows_the_prefix(path in "/[a-z/]{0,12}") {
        let table = shop();
        let Ok(path) = Path::read(&path) else { return Ok(()) };
        let found = table.find(&Method::GET, "x", &path);
        let path = path.as_str();
        if let Match::Route(_, route) = found {
            prop_assert!(path.starts_with(&route.path));
            let rest = &path[route.path.len()..];
            prop_assert!(rest.is_empty() || rest.starts_with('/'));
            let target = route.target(path, None);
            prop_assert!(target.starts_with('/') && target.ends_with(rest), "{target}");
        }
    }

    /// Whatever the bytes: an answer, and no table that sends a request to an upstream that is not there.
    #[test]
    fn any_text_is_a_table_or_refused(text in r#"[{}\[\]",:a-z0-9/ ]{0,80}"#) {
        if let Ok(table) = table(text.as_bytes()) {
            let known = |route: &Route| route.shares.iter().all(|share| table.upstreams.contains_key(&share.upstream));
            prop_assert!(table.routes.iter().all(known));
        }
    }
}
