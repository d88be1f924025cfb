//! SIGTERM, SIGINT, SIGQUIT and SIGHUP.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use crate::run::{Ledger, Ran, finish, signal, start, start_as, wait_for};
use crate::server::{Server, Step};

/// Whether the process handles SIGTERM by now (`SigCgt` in proc(5)).
fn catches_sigterm(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(caught, 16).unwrap() & (1 << 14) != 0
}

#[test]
fn a_stopped_load_waits_for_what_it_sent_and_prints_its_ledger() {
    let server = Server::start(|request| vec![Step::Pause(Duration::from_millis(100)), request.answer()]);
    let load = start(&["load", &server.url("/"), "--rate", "100", "--duration", "1h", "--output", "json"]);
    wait_for("five requests", || server.requests().len() >= 5);
    signal(&load, "TERM");
    let ledger = Ledger::read(&finish(load));
    assert_eq!(ledger.lost(), "");
    assert_eq!(ledger.json["stopped_early"], true);
    assert_eq!(ledger.count("/requests/answered"), server.requests().len() as u64);
    assert_eq!(ledger.count("/plan/requests"), 360_000);
}

#[test]
fn no_signal_that_a_terminal_sends_loses_a_ledger() {
    for name in ["INT", "QUIT", "HUP"] {
        let server = Server::start(|request| vec![request.answer()]);
        let load = start(&["load", &server.url("/"), "--rate", "100", "--duration", "1h", "--output", "json"]);
        wait_for("five requests", || server.requests().len() >= 5);
        signal(&load, name);
        let ledger = Ledger::read(&finish(load));
        assert_eq!((ledger.lost().as_str(), &ledger.json["stopped_early"]), ("", &true.into()), "{name}");
    }
}

#[test]
fn a_second_signal_gives_up_on_what_is_open() {
    let server = Server::start(|_| vec![Step::Stall]);
    let mut load =
        start(&["load", &server.url("/"), "--rate", "100", "--duration", "1h", "--timeout", "60s", "--output", "json"]);
    wait_for("five requests", || server.requests().len() >= 5);
    signal(&load, "INT");
    let mut stderr = BufReader::new(load.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("stopped; waiting for") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    signal(&load, "INT");
    let ledger = Ledger::read(&finish(load));
    assert_eq!(ledger.lost(), format!("abandoned {}", ledger.count("/requests/due")));
}

#[test]
fn a_terminal_that_is_closed_stops_a_load_unless_it_was_told_to_outlive_it() {
    let server = Server::start(|request| vec![request.answer()]);
    let load = start(&["load", &server.url("/"), "--rate", "100", "--duration", "1h", "--output", "json"]);
    wait_for("five requests", || server.requests().len() >= 5);
    signal(&load, "HUP");
    let ledger = Ledger::read(&finish(load));
    assert_eq!((ledger.lost().as_str(), &ledger.json["stopped_early"]), ("", &true.into()));

    let server = Server::start(|request| vec![request.answer()]);
    let arguments = ["load", &server.url("/"), "--rate", "50", "--duration", "500ms", "--output", "json"];
    let load = start_as(&["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"], &arguments);
    wait_for("five requests", || server.requests().len() >= 5);
    signal(&load, "HUP");
    let ledger = Ledger::read(&finish(load));
    assert_eq!((ledger.count("/requests/due"), &ledger.json["stopped_early"]), (25, &false.into()));
}

#[test]
fn get_and_wait_end_as_a_shell_expects() {
    for command in ["get", "wait"] {
        let server = Server::start(|_| vec![Step::Stall]);
        let child = start(&[command, &server.url("/"), "--timeout", "60s"]);
        wait_for("the request", || !server.requests().is_empty());
        signal(&child, "TERM");
        assert_eq!(finish(child).code, Some(128 + 15), "{command}");
    }
}

#[test]
fn pause_ends_well_on_both_signals() {
    for name in ["TERM", "INT"] {
        let child = start(&["pause"]);
        wait_for("a handler", || catches_sigterm(&child));
        signal(&child, name);
        let Ran { code, stdout, stderr } = finish(child);
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""), "{name}");
    }
}
