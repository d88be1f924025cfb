//! What becomes of connections, and that no loss is hidden behind a second try.

use std::collections::HashSet;
use std::net::TcpListener;
use std::time::Duration;

use crate::run::{Ledger, client, finish, load, start_as};
use crate::server::{Request, Server, Step};

/// No request reached the server twice, and every connection that it accepted is in the ledger.
fn assert_nothing_hidden(server: &Server, ledger: &Ledger) {
    let requests = server.requests();
    let ids: HashSet<_> = requests.iter().map(|request| request.header("x-request-id")).collect();
    assert_eq!(ids.len(), requests.len(), "a request was sent twice");
    assert_eq!(ledger.count("/connections/opened"), server.connections() as u64);
}

#[test]
fn a_server_that_closes_on_every_hundredth_request_loses_exactly_those() {
    let server = Server::start(|request| match request.number % 100 {
        0 => vec![Step::Close],
        _ => vec![request.answer()],
    });
    let url = server.url("/");
    let ledger = load(&[&url, "--rate", "1000", "--duration", "2s", "--connections", "20", "--timeout", "60s"]);
    assert_eq!(ledger.lost(), "closed 20");
    assert_eq!(ledger.count("/requests/answered"), 1980);
    // The last request is one of the twenty: nothing comes after it that would need its connection again.
    assert_eq!(ledger.count("/connections/opened"), 20 + 19);
    assert_nothing_hidden(&server, &ledger);
}

#[test]
fn a_close_after_notice_loses_nothing() {
    let server = Server::start(|request| match request.number % 10 {
        0 => vec![request.answer_with("connection: close\r\n"), Step::Close],
        _ => vec![request.answer()],
    });
    let ledger = load(&[&server.url("/"), "--rate", "500", "--duration", "200ms", "--connections", "1"]);
    assert_eq!(ledger.lost(), "");
    assert_eq!(ledger.count("/connections/closed_announced"), 10);
    assert_eq!(ledger.count("/connections/closed_idle"), 0);
    assert_eq!(ledger.count("/connections/opened"), 10);
    assert_nothing_hidden(&server, &ledger);
}

#[test]
fn a_close_is_heard_later_by_a_client_that_is_far_away() {
    // It closes 400 ms after each answer, when the next request has been due for long to who needs 2 s for each. That of others is due
    // 600 ms later.
    let server = Server::start(|request| vec![request.answer(), Step::Pause(Duration::from_millis(400)), Step::Close]);
    let schedule = ["--rate", "1", "--duration", "4s", "--connections", "1"];
    let far = load(&[&[&server.url("/"), "--round-trip", "1s", "--timeout", "20s"], &schedule[..]].concat());
    assert_eq!(far.lost(), "closed 2");
    assert_eq!(far.json["plan"]["round_trip_seconds"], 1.0);
    assert!(far.json["latency_ms"]["p50"].as_f64() >= Some(2000.0), "connect, and ask: {}", far.json);
}

#[test]
fn a_close_that_races_with_a_request_is_never_retried() {
    // The server waits for about as long as it takes until the next request is due, and closes into its face.
    let server = Server::start(|request| {
        let until_next = Duration::from_micros(1_500 + 100 * (request.number as u64 % 10));
        vec![request.answer(), Step::Pause(until_next), Step::Close]
    });
    let url = server.url("/");
    // However long the one connection keeps the others waiting on a busy machine, none is lost to that.
    let ledger = load(&[&url, "--rate", "500", "--duration", "2s", "--connections", "1", "--timeout", "60s"]);
    let answered = ledger.count("/requests/answered");
    assert_eq!(answered, server.requests().len() as u64, "the server answered all that it read");
    assert_eq!(ledger.count("/requests/lost"), 1000 - answered);
    for kind in ledger.list("/lost") {
        assert!(["closed", "reset"].contains(&kind["kind"].as_str().unwrap()), "{}", ledger.lost());
    }
    assert!(ledger.count("/requests/lost") > 0, "no request met a close: the test proves nothing");
    assert_nothing_hidden(&server, &ledger);
}

#[test]
fn a_new_connection_for_each_request_says_that_it_is_the_last() {
    let server = Server::start(|request| vec![request.answer_with("connection: close\r\n"), Step::Close]);
    let ledger =
        load(&[&server.url("/"), "--rate", "200", "--duration", "500ms", "--connections", "20", "--new-connections"]);
    assert_eq!(ledger.lost(), "");
    assert_eq!(server.connections(), 100);
    assert!(server.requests().iter().all(|request| request.header("connection") == "close"));
    assert_nothing_hidden(&server, &ledger);
}

#[test]
fn kept_connections_are_used_in_turn() {
    let server = Server::start(|request| vec![request.answer()]);
    let ledger = load(&[&server.url("/"), "--rate", "500", "--duration", "200ms", "--connections", "25"]);
    assert_eq!(ledger.lost(), "");
    assert_eq!(server.connections(), 25);
    assert!(server.requests().iter().all(|request| request.header("connection").is_empty()));
}

#[test]
fn every_host_and_port_has_its_own_connections_and_its_share() {
    let answer = |request: &Request| vec![request.answer()];
    let (many, few) = (Server::start(answer), Server::start(answer));
    let mix = format!("5%={}", few.url("/slow?ms=1"));
    let rate = ["--rate", "1000", "--duration", "1s", "--timeout", "60s"];
    let ledger = load(&[&[&many.url("/"), "--mix", &mix, "--connections", "3"], &rate[..]].concat());
    assert_eq!(ledger.lost(), "");
    assert_eq!((many.requests().len(), few.requests().len()), (950, 50));
    assert_eq!((many.connections(), few.connections()), (3, 3));
    assert!(few.requests().iter().all(|request| request.head.starts_with("GET /slow?ms=1 HTTP/1.1\r\n")));
}

/// `localhost` is both here, whatever it is on this machine; `::1` comes first (RFC 6724), and one of the two refuses.
#[test]
fn a_name_of_two_families_is_reached_over_either() {
    let hosts = std::env::temp_dir().join(format!("client-hosts-{}", std::process::id()));
    std::fs::write(&hosts, "::1 localhost\n127.0.0.1 localhost\n").unwrap();
    let mount = format!("mount --bind {} /etc/hosts && exec \"$@\"", hosts.display());
    let by = ["unshare", "--map-root-user", "--mount", "sh", "-c", &mount, "sh"];
    for address in ["[::1]:0", "127.0.0.1:0"] {
        let server = Server::start_on(TcpListener::bind(address).unwrap(), |request| vec![request.answer()]);
        let url = format!("http://localhost:{}/", server.address.port());
        for arguments in [
            &["get", &url][..],
            &["wait", &url, "--timeout", "10s"],
            &["load", &url, "--rate", "100", "--duration", "100ms"],
            &["load", &url, "--rate", "100", "--duration", "100ms", "--new-connections"],
        ] {
            let ran = finish(start_as(&by, arguments));
            assert_eq!(ran.code, Some(0), "{address} {arguments:?}: {ran:?}");
        }
    }
    std::fs::remove_file(hosts).unwrap();
}

#[test]
fn an_address_is_one_address() {
    let nobody = TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap();
    let ran = client(&["get", &format!("http://{nobody}/")]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let url = format!("http://{nobody}/");
    let ledger = load(&[&url, "--rate", "100", "--duration", "100ms"]);
    assert_eq!(ledger.lost(), "connect-refused 10");
    assert_eq!(ledger.list("/losses")[0]["peer"], nobody.to_string());
}

#[test]
fn the_loop_is_open() {
    // One reply in the middle takes 200 ms. A closed loop would report one slow request; here all that came due
    // meanwhile waited, and say so.
    let server = Server::start(|request| match request.number {
        20 => vec![Step::Pause(Duration::from_millis(200)), request.answer()],
        _ => vec![request.answer()],
    });
    let rate = ["--rate", "200", "--duration", "500ms", "--timeout", "60s"];
    let ledger = load(&[&[&server.url("/"), "--connections", "1"], &rate[..]].concat());
    assert_eq!(ledger.lost(), "");
    assert_eq!(ledger.count("/requests/answered"), 100);
    assert!(ledger.count("/queue/requests") >= 30, "{}", ledger.json["queue"]);
    let p90 = ledger.json["latency_ms"]["p90"].as_f64().unwrap();
    assert!(p90 > 100.0, "p90 is {p90} ms");
    let gap = ledger.json["longest_gap"]["seconds"].as_f64().unwrap();
    assert!(gap >= 0.2, "the longest gap is {gap} s");
}
