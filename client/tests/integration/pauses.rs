//! A client that was stopped, as a starved machine or a CPU limit stops it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::run::{Ledger, finish, signal, start, wait_for};
use crate::server::{Server, Step};

/// Longer than the timeout of what is asked meanwhile.
const STOPPED: Duration = Duration::from_millis(1500);

/// The ledger of a load that is stopped for a while once the server has had `requests`, and at which of its seconds it went on.
fn stopped_within(server: &Server, arguments: &str, requests: usize) -> (Ledger, f64) {
    let url = server.url("/");
    let arguments = format!("{arguments} --timeout 1s --output json");
    let load = start(&[&["load", &url], &arguments.split(' ').collect::<Vec<_>>()[..]].concat());
    wait_for("some requests", || server.requests().len() >= requests);
    signal(&load, "STOP");
    std::thread::sleep(STOPPED);
    let back = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    signal(&load, "CONT");
    let ledger = Ledger::read(&finish(load));
    let started = ledger.count("/started_unix_ms") as f64 / 1000.0;
    (ledger, back - started)
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

/// One connection: what came due meanwhile is in its queue, later than its timeout. On a starved machine the server may be too slow
/// for all of it, so what is counted is who was given up before he had his whole timeout.
#[test]
fn what_came_due_while_it_was_stopped_is_not_given_up_before_its_time() {
    let server = Server::start(|request| vec![request.answer()]);
    let (ledger, back) = stopped_within(&server, "--rate 20 --duration 3s --connections 1", 5);
    let seconds = |loss: &Value, name: &str| loss[name].as_f64().unwrap();
    let early = |loss: &&Value| seconds(loss, "ended_seconds") < seconds(loss, "due_seconds").max(back) + 0.99;
    let early: Vec<_> = ledger.list("/losses").iter().filter(early).collect();
    assert!(early.is_empty(), "back at {back} s: {early:?}");
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
