use super::*;
use crate::request::cause::Kind;

fn parsed(line: &str) -> Result<Parsed, String> {
    parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.message)
}

fn load_of(line: &str) -> load::Options {
    match parsed(line) {
        Ok(Parsed::Run(Command::Ask(Ask::Load(options)))) => options,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_load_as_the_documentation_shows_it() {
    let options = load_of(
        "load http://127.0.0.1:30080/proxy/items --rate 1000 --duration 60s --connections 800 \
         --new-connections --round-trip 80ms --timeout 2s --output json --ledger /tmp/l.json --accept 429",
    );
    assert!((options.rate.as_f64() - 1000.0).abs() < f64::EPSILON);
    assert_eq!(options.duration, Duration::from_secs(60));
    assert_eq!(options.connections, 800);
    assert!(options.new_connections);
    assert_eq!(options.round_trip, Duration::from_millis(80));
    assert_eq!(options.timeout, Duration::from_secs(2));
    assert_eq!(options.output, Output::Json);
    assert_eq!(options.ledger.unwrap().to_str(), Some("/tmp/l.json"));
    assert_eq!(options.accept, [StatusCode::TOO_MANY_REQUESTS]);
    assert_eq!(options.message.method, Method::GET);
}

#[test]
fn shares_of_several_urls() {
    let options = load_of("load http://a/ http://b/ --mix 1%=http://c/x?ms=1000");
    let shares: Vec<_> = options.targets.iter().map(|(target, weight)| (target.url.as_str(), *weight)).collect();
    assert_eq!(shares, [("http://a/", 495_000), ("http://b/", 495_000), ("http://c/x?ms=1000", 10_000)]);
}

#[test]
fn data_makes_it_a_post_unless_told_otherwise() {
    for (line, expected) in [
        ("get http://a/", Method::GET),
        ("get http://a/ --data x", Method::POST),
        ("get http://a/ --data x -X PUT", Method::PUT),
    ] {
        match parsed(line) {
            Ok(Parsed::Run(Command::Ask(Ask::Get(options)))) => assert_eq!(options.message.method, expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn every_command_has_help() {
    for (line, text) in [
        ("--help", help::MAIN),
        ("help", help::MAIN),
        ("get --help", help::GET),
        ("wait -h", help::WAIT),
        ("load http://a/ --help", help::LOAD),
        ("spread --help", help::SPREAD),
        ("hpa --help", help::HPA),
        ("pause --help", help::PAUSE),
    ] {
        match parsed(line) {
            Ok(Parsed::Print(printed)) => assert_eq!(printed, text, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn mistakes_name_the_argument_and_what_is_accepted() {
    for (line, words) in [
        ("", &["no command", "get, wait, load, spread, hpa and pause"][..]),
        ("fetch", &["\"fetch\"", "get, wait"]),
        ("get", &["no URL"]),
        ("get http://a/ http://b/", &["http://b/", "one URL"]),
        ("get https://a/", &["https://a/", "https is not supported"]),
        ("get http://a/ --colour", &["--colour"]),
        ("get http://a/ --timeout never", &["--timeout", "never", "1ms to 1h"]),
        ("get http://a/ -X CONNECT", &["--method", "CONNECT"]),
        ("get http://a/ -H nonsense", &["--header", "nonsense", "'Name: value'"]),
        ("get http://a/ -H Content-Length:5", &["Content-Length", "frames"]),
        ("wait http://a/ --status 99", &["--status", "99", "200 to 599"]),
        ("load", &["no URL"]),
        ("load http://a/ --rate 20001", &["--rate", "20001", "0.01 to 20000"]),
        ("load http://a/ --rate", &["--rate"]),
        ("load http://a/ --duration 2h", &["--duration", "2h", "100ms to 1h"]),
        ("load http://a/ --connections 10001", &["--connections", "10001", "1 to 10000"]),
        ("load http://a/ --round-trip 2s", &["--round-trip", "2s", "1ms to 1s"]),
        ("load http://a/ --output xml", &["--output", "xml", "table and json"]),
        ("load http://a/ --mix http://b/", &["--mix", "SHARE=URL"]),
        ("load http://a/ --mix 60%=http://b/ --mix 40%=http://c/", &["--mix", "add up"]),
        ("load http://a/ --echo --data x", &["--echo", "--data"]),
        ("load http://a/ -H x-request-id:1", &["x-request-id", "own"]),
        ("spread", &["no ledger"]),
        ("spread a b", &["\"b\""]),
        ("spread a --pods backend", &["--pods", "SERVICE=N"]),
        ("spread a --within 0", &["--within", "20%"]),
        ("hpa practice", &["practice"]),
        ("pause forever", &["forever"]),
    ] {
        let error = parsed(line).unwrap_err();
        for word in words {
            assert!(error.contains(word), "{line:?}: {error:?} lacks {word:?}");
        }
    }
}

#[test]
fn help_fits_a_hundred_columns_and_lists_every_kind_of_loss() {
    for text in [help::MAIN, help::GET, help::WAIT, help::LOAD, help::SPREAD, help::HPA, help::PAUSE] {
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
    let (_, losses) = help::LOAD.split_once("the ledger says how:\n").unwrap();
    let (losses, _) = losses.split_once("\nA connection").unwrap();
    // The names stand two columns in, what they mean six.
    let names = losses.lines().filter(|line| !line.starts_with("   ")).flat_map(str::split_whitespace);
    let mut listed: Vec<&str> = names.collect();
    let mut kinds: Vec<&str> = Kind::all().into_iter().map(Kind::name).collect();
    listed.sort_unstable();
    kinds.sort_unstable();
    assert_eq!(listed, kinds);
}
