//! Where the client prints to may go away or be full: nothing that it has counted is lost with it.

use std::fs::{self, OpenOptions};
use std::io::{PipeWriter, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::run::{client, finish, signal, start, start_as, wait_for};
use crate::server::Server;

/// A pipe whose reader has gone.
fn broken() -> PipeWriter {
    std::io::pipe().unwrap().1
}

fn spawn(arguments: &[&str], stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_client"));
    command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap()
}

/// The end of a client of which nobody reads a word.
fn unread(arguments: &[&str]) -> ExitStatus {
    spawn(arguments, broken(), broken()).wait().unwrap()
}

/// A folder of its own for one test, removed with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("client-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> String {
        self.0.join("ledger.json").to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn answered(path: &str) -> u64 {
    let ledger: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    ledger["requests"]["answered"].as_u64().unwrap()
}

#[test]
fn every_help_survives_a_reader_that_has_gone() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["get", "--help"],
        &["wait", "--help"],
        &["load", "--help"],
        &["spread", "--help"],
        &["hpa", "--help"],
        &["pause", "--help"],
    ] {
        assert_eq!(unread(arguments).code(), Some(0), "{arguments:?}");
    }
    for (arguments, code) in [
        (&["load"][..], 64),
        (&["spread", "/nowhere"], 2),
        (&["hpa"], 2),
        (&["load", "http://[::1]:9/", "-c", "10000"], 64),
    ] {
        assert_eq!(limited(arguments).code(), Some(code), "{arguments:?}");
    }
}

/// As [`unread`], with few open files.
fn limited(arguments: &[&str]) -> ExitStatus {
    Command::new("sh")
        .args(["-c", "ulimit -n 500; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_client")])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(broken())
        .stderr(broken())
        .status()
        .unwrap()
}

#[test]
fn get_and_wait_do_their_work_unread() {
    let server = Server::start(|request| vec![request.answer()]);
    let nobody = format!("http://{}/", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let url = server.url("/");
    for (arguments, code) in [
        (&["get", &url][..], 0),
        (&["get", &nobody], 2),
        (&["wait", &url], 0),
        (&["wait", &nobody, "--timeout", "100ms"], 2),
    ] {
        assert_eq!(unread(arguments).code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_said_by_all_that_print_to_it() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let server = Server::start(|request| vec![request.answer_with("x-served-by: backend/v1/a\r\n")]);
    let url = server.url("/");
    let folder = Folder::new("full");
    let ledger = folder.file();
    let load = ["load", &url, "--rate", "10", "--duration", "100ms", "--ledger", &ledger];
    for (arguments, code) in
        [(&["--help"][..], 74), (&["get", &url], 74), (&load, 2), (&["spread", &ledger], 74), (&["--version"], 74)]
    {
        let ran = finish(spawn(arguments, full(), Stdio::piped()));
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("client: standard output: No space left on device"), "{arguments:?}: {ran:?}");
    }
    assert_eq!(answered(&ledger), 1);
}

#[test]
fn a_load_that_nobody_reads_writes_its_ledger() {
    for interrupted in [false, true] {
        let server = Server::start(|request| vec![request.answer()]);
        let folder = Folder::new(&format!("unread-{interrupted}"));
        let (url, ledger) = (server.url("/"), folder.file());
        // Longer than the five seconds from one line of progress to the next, or ended by hand, which is told.
        let duration = if interrupted { "1h" } else { "5.5s" };
        let load = ["load", &url, "--rate", "10", "--duration", duration, "--ledger", &ledger];
        let mut load = spawn(&load, broken(), broken());
        if interrupted {
            wait_for("five requests", || server.requests().len() >= 5);
            signal(&load, "INT");
        }
        assert_eq!(load.wait().unwrap().code(), Some(0));
        assert_eq!(answered(&ledger), server.requests().len() as u64);
    }
}

/// SIGPIPE ends whoever has not asked to be spared.
#[test]
fn a_broken_pipe_is_no_signal() {
    let server = Server::start(|request| vec![request.answer()]);
    let load = start(&["load", &server.url("/"), "--rate", "20", "--duration", "500ms"]);
    wait_for("five requests", || server.requests().len() >= 5);
    signal(&load, "PIPE");
    assert_eq!(finish(load).code, Some(0));
}

#[test]
fn the_ledger_is_written_before_a_word_is_printed() {
    let server = Server::start(|request| vec![request.answer()]);
    let folder = Folder::new("before");
    let (url, ledger) = (server.url("/"), folder.file());
    // Its buffer is full, and nobody reads: who prints waits for ever.
    let (_reader, mut full) = std::io::pipe().unwrap();
    full.write_all(&vec![b'x'; 1 << 16]).unwrap();
    let load = ["load", &url, "--rate", "10", "--duration", "100ms", "--ledger", &ledger];
    let mut load = spawn(&load, full, Stdio::null());
    wait_for("the ledger", || fs::exists(&ledger).unwrap());
    assert_eq!(answered(&ledger), 1);
    assert!(load.try_wait().unwrap().is_none(), "it has printed");
    load.kill().unwrap();
    load.wait().unwrap();
}

#[test]
fn a_ledger_of_before_stays_whole_until_the_new_one_is() {
    let server = Server::start(|request| vec![request.answer()]);
    let folder = Folder::new("killed");
    let (url, ledger) = (server.url("/"), folder.file());
    fs::write(&ledger, "of before").unwrap();
    let mut load = start(&["load", &url, "--rate", "20", "--duration", "1h", "--ledger", &ledger]);
    wait_for("five requests", || server.requests().len() >= 5);
    load.kill().unwrap();
    load.wait().unwrap();
    assert_eq!(fs::read_to_string(&ledger).unwrap(), "of before");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn a_ledger_that_finds_no_room_goes_to_standard_output() {
    let server = Server::start(|request| vec![request.answer()]);
    let url = server.url("/");
    let ran = client(&["load", &url, "--rate", "10", "--duration", "100ms", "--ledger", "/dev/full"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("client: --ledger /dev/full: No space left on device"), "{ran:?}");
    let ledger: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ledger["requests"]["answered"], 1);
}

#[test]
fn a_ledger_that_may_not_grow_goes_to_standard_output() {
    let server = Server::start(|request| vec![request.answer()]);
    let folder = Folder::new("limited");
    let (url, ledger) = (server.url("/"), folder.file());
    let by = ["sh", "-c", "ulimit -f 0; exec \"$@\"", "sh"];
    let ran = finish(start_as(&by, &["load", &url, "--rate", "10", "--duration", "100ms", "--ledger", &ledger]));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("ledger.json: File too large"), "{ran:?}");
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["requests"]["answered"], 1);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

/// A volume of three pages: one holds the ledger of before, one what fills it, and the new ledger needs more than the last.
#[test]
fn a_full_volume_leaves_the_ledger_of_before_and_nothing_else() {
    let folder = Folder::new("volume");
    let script = format!(
        "mount -t tmpfs -o size=12k none '{0}' && cd '{0}' && echo of before >ledger.json && head -c 4096 /dev/zero >rest \
         && {{ \"$@\" --ledger ledger.json >/dev/null; echo $? && cat ledger.json && ls -A; }}",
        folder.0.display()
    );
    let by = ["unshare", "--map-root-user", "--mount", "sh", "-c", &script, "sh"];
    // Each new server is a row of the ledger: far more than a page.
    let server = Server::start(|request| {
        let number = request.number;
        vec![request.answer_with(&format!("x-served-by: backend/v1/a-pod-with-a-long-name-{number}\r\n"))]
    });
    let url = server.url("/");
    let ran = finish(start_as(&by, &["load", &url, "--rate", "1000", "--duration", "200ms"]));
    assert_eq!(ran.stdout, "2\nof before\nledger.json\nrest\n", "{ran:?}");
    assert!(ran.stderr.contains("--ledger ledger.json: No space left on device"), "{ran:?}");
}
