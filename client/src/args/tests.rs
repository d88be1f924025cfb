use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use http::{Method, StatusCode};

use super::{option::Row, *};
use crate::plan::{Form, Plan};
use crate::request::cause::Kind;

fn parsed(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.message)
}

fn load_of(line: &str) -> Plan {
    match parsed(line) {
        Ok(Command::Ask(Ask::Load(options))) => options,
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
    assert_eq!(options.output, Form::Json);
    assert_eq!(options.ledger.unwrap().to_str(), Some("/tmp/l.json"));
    assert_eq!(options.accept, [StatusCode::TOO_MANY_REQUESTS]);
    assert_eq!(options.message.method, Method::GET);
}

#[test]
fn shares_of_several_urls() {
    let options = load_of("load http://a/ http://b/ --mix 1%=http://c/x?ms=1000");
    let shares: Vec<_> = options.urls.iter().map(|(url, weight)| (url.text.as_str(), *weight)).collect();
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
            Ok(Command::Ask(Ask::Get(options))) => assert_eq!(options.message.method, expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

fn printed(line: &str) -> String {
    match parsed(line) {
        Ok(Command::Print(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn helps() -> Vec<String> {
    let of = |spec: &Spec| printed(&format!("{} --help", spec.name));
    COMMANDS.iter().map(of).chain([printed("--help")]).collect()
}

#[test]
fn every_command_has_help() {
    for (line, words) in [
        ("--help", "Usage: client COMMAND"),
        ("help", "Usage: client COMMAND"),
        ("get --help", "Usage: client get URL [OPTIONS]"),
        ("wait -h", "Usage: client wait URL [OPTIONS]"),
        ("load http://a/ --help", "Usage: client load URL... [OPTIONS]"),
        ("spread --help", "Usage: client spread FILE [OPTIONS]"),
        ("hpa --help", "Usage: client hpa\n"),
        ("pause --help", "Usage: client pause\n"),
    ] {
        assert!(printed(line).contains(words), "{line}");
    }
}

#[test]
fn every_option_is_in_the_help_of_its_command_with_its_default_and_bounds() {
    for spec in COMMANDS {
        let help = printed(&format!("{} --help", spec.name)).split_whitespace().collect::<Vec<_>>().join(" ");
        for row in spec.rows() {
            let entry = format!("{} {}", row.entry(), row.description());
            let entry = entry.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(help.contains(&entry), "client {} --help lacks: {entry}", spec.name);
        }
        let names: BTreeSet<_> = spec.rows().map(Row::long).collect();
        assert_eq!(names.len(), spec.rows().count(), "{}: two rows of one name", spec.name);
    }
    let load = printed("load --help");
    for line in [
        "  -r, --rate N                 requests a second [default: 100; 0.01 to 20000]",
        "      --round-trip TIME        act like a client that is so far away",
    ] {
        assert!(load.contains(line), "{load}");
    }
}

/// What is written about the client: pages, values and the chart's texts.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = ["", "client", "docs", "labs", "chart", "chart/templates", "values", "bench", "cluster"];
    let files = folders.into_iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let pages = files.filter_map(|file| {
        let path = file.unwrap().path();
        // What is a folder, or no text, is no page. A line goes on behind a backslash.
        let text = fs::read_to_string(&path).ok()?;
        Some((path.strip_prefix(root).unwrap().display().to_string(), text.replace("\\\n", " ")))
    });
    pages.collect()
}

/// The options in what comes behind the name of a command.
fn options_of(line: &str) -> impl Iterator<Item = &str> {
    let end = line.find(['|', ';', '`', ')', '&', '>']).unwrap_or(line.len());
    line[..end].split(|c: char| c.is_whitespace() || c == '=').filter(|word| {
        let name = word.trim_start_matches('-');
        word.starts_with('-') && name.starts_with(|c: char| c.is_ascii_alphabetic())
    })
}

#[test]
fn pages_name_no_option_that_is_not() {
    let mut seen = BTreeSet::new();
    for (path, text) in pages() {
        for spec in COMMANDS {
            for (at, called) in text.match_indices(&format!("client {} ", spec.name)) {
                let line = text[at + called.len()..].lines().next().unwrap_or_default();
                for option in options_of(line) {
                    let known = spec.rows().any(|row| {
                        option.strip_prefix("--").is_some_and(|name| name == row.long())
                            || row.short().is_some_and(|short| option == format!("-{short}"))
                    });
                    assert!(
                        known || ["-h", "--help"].contains(&option),
                        "{path}: client {} {line}: {option}",
                        spec.name
                    );
                    seen.insert(option.to_owned());
                }
            }
        }
        if path == "client/README.md" {
            for option in
                text.split('`').skip(1).step_by(2).flat_map(options_of).filter(|option| option.starts_with("--"))
            {
                let known = COMMANDS.iter().flat_map(Spec::rows).any(|row| option[2..] == *row.long());
                assert!(known || option == "--help", "{path}: {option}");
                seen.insert(option.to_owned());
            }
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
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
    for line in helps().iter().flat_map(|help| help.lines()) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let load = printed("load --help");
    let (_, losses) = load.split_once("the ledger says how:\n\n").unwrap();
    let (losses, _) = losses.split_once("\n\n").unwrap();
    let mut listed: Vec<&str> = losses.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    listed.sort_unstable();
    kinds.sort_unstable();
    assert_eq!(listed, kinds);
}
