//! A client that was stopped, as a starved machine or a CPU limit stops it.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::run::{Ledger, finish, signal, start, wait_for};
use crate::server::{Server, Step};

/// Longer than the timeout of what is asked meanwhile.
const STOPPED: Duration = Duration::from_millis(1500);

/// The ledger of a load that is stopped for a while once the server has had `requests`, and in which of its seconds that was.
fn stopped_within(server: &Server, arguments: &str, requests: usize) -> (Ledger, Range<f64>) {
    let url = server.url("/");
    let arguments = format!("{arguments} --timeout 1s --output json");
    let load = start(&[&["load", &url], &arguments.split(' ').collect::<Vec<_>>()[..]].concat());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    wait_for("some requests", || server.requests().len() >= requests);
    signal(&load, "STOP");
    let stopped = now();
    std::thread::sleep(STOPPED);
    let back = now();
    signal(&load, "CONT");
    let ledger = Ledger::read(&finish(load));
    let started = ledger.count("/started_unix_ms") as f64 / 1000.0;
    (ledger, stopped - started..back - started)
}

#[test]
fn a_stopped_client_loses_nothing_whose_reply_arrived_and_says_that_it_was_late() {
    // Some replies arrive while it is stopped, and requests come due meanwhile.
    let server = Server::start(|request| vec![Step::Pause(Duration::from_millis(300)), request.answer()]);
    let (ledger, _) = stopped_within(&server, "--rate 20 --duration 4s --connections 60", 20);
    assert_eq!(ledger.lost(), "");
    assert_eq!(ledger.count("/requests/answered"), 80);
    let lag = ledger.json["client_lag_ms"]["max"].as_f64().unwrap();
    assert!(lag >= 1300.0, "{}", ledger.json["client_lag_ms"]);
}

/// One of two servers is busy when the client is stopped: some requests wait for its connection by then, others come due meanwhile. On a
/// starved machine it may be too slow for all of them, so what is counted is who was given up before the client had been there for long.
#[test]
fn what_waits_while_it_is_stopped_is_not_given_up_before_its_time() {
    let other = Server::start(|request| vec![request.answer()]);
    let busy = Server::start(|request| match request.number {
        1 => vec![Step::Pause(Duration::from_millis(800)), request.answer()],
        _ => vec![request.answer()],
    });
    let arguments = format!("--mix 50%={} --rate 20 --duration 3s --connections 1", busy.url("/"));
    let (ledger, stopped) = stopped_within(&other, &arguments, 5);
    let waited = |loss: &Value| {
        let [due, ended] = ["due_seconds", "ended_seconds"].map(|name| loss[name].as_f64().unwrap());
        let away = (stopped.end.min(ended) - stopped.start.max(due)).max(0.0);
        ended - due - away
    };
    let early: Vec<_> = ledger.list("/losses").iter().filter(|loss| waited(loss) < 0.9).collect();
    assert!(early.is_empty(), "stopped at {stopped:?}: {early:?}");
    let waited_in_vain = ledger.lost().contains("unsent");
    let longest_wait = ledger.json["queue"]["wait_ms_max"].as_f64().unwrap();
    assert_eq!(longest_wait >= 1000.0, waited_in_vain, "{}", ledger.json["queue"]);
}

#[test]
fn a_server_that_never_replies_is_found_out_all_the_same() {
    let server = Server::start(|_| vec![Step::Stall]);
    assert_eq!(stopped_within(&server, "--rate 10 --duration 500ms", 5).0.lost(), "timeout 5");
}

#[test]
fn get_and_wait_read_what_arrived_while_they_were_stopped() {
    for command in ["get", "wait"] {
        let server = Server::start(|request| vec![Step::Pause(Duration::from_millis(300)), request.answer()]);
        let child = start(&[command, &server.url("/"), "--timeout", "1s"]);
        wait_for("the request", || !server.requests().is_empty());
        signal(&child, "STOP");
        std::thread::sleep(STOPPED);
        signal(&child, "CONT");
        let ran = finish(child);
        assert_eq!((ran.code, server.requests().len()), (Some(0), 1), "{command}: {ran:?}");
    }
}
