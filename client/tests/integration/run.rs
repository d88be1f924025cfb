//! Runs the client as a user does, and reads its ledger.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What a run of the client left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the client to its end.
pub(crate) fn client(arguments: &[&str]) -> Ran {
    finish(start(arguments))
}

/// Starts the client, with both outputs as pipes.
pub(crate) fn start(arguments: &[&str]) -> Child {
    piped(Command::new(env!("CARGO_BIN_EXE_client")).args(arguments))
}

/// Starts the client by another program, which is given the client and its arguments as its own last ones.
pub(crate) fn start_as(by: &[&str], arguments: &[&str]) -> Child {
    piped(Command::new(by[0]).args(&by[1..]).arg(env!("CARGO_BIN_EXE_client")).args(arguments))
}

fn piped(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until `condition` holds.
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for the client's end.
pub(crate) fn finish(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Sends a signal to the client.
pub(crate) fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// The ledger of a load that ran to its end.
pub(crate) struct Ledger {
    pub(crate) json: Value,
    pub(crate) code: Option<i32>,
}

/// Runs `client load` with these arguments, and checks that its account balances.
pub(crate) fn load(arguments: &[&str]) -> Ledger {
    let all = [&["load", "--output", "json"], arguments].concat();
    Ledger::read(&client(&all))
}

impl Ledger {
    /// Reads the ledger on standard output, and checks that its account balances.
    pub(crate) fn read(ran: &Ran) -> Self {
        let json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("no ledger ({error}): {ran:?}"));
        let ledger = Self { json, code: ran.code };
        let lost = ledger.count("/requests/lost");
        assert_eq!(ledger.count("/requests/due"), ledger.count("/requests/answered") + lost, "{}", ledger.json);
        assert_eq!(ledger.sum("/lost", "/requests"), lost, "{}", ledger.json);
        assert_eq!(ledger.list("/losses").len() as u64 + ledger.count("/losses_unlisted"), lost, "{}", ledger.json);
        assert_eq!(ledger.code, Some(i32::from(lost > 0)), "{}", ledger.json);
        ledger
    }

    /// The number at this JSON pointer.
    pub(crate) fn count(&self, pointer: &str) -> u64 {
        self.json.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {}", self.json))
    }

    /// The list at this JSON pointer.
    pub(crate) fn list(&self, pointer: &str) -> &[Value] {
        self.json.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("{pointer}: {}", self.json))
    }

    /// The sum of the numbers at `pointer` in the entries of the list at `list`.
    pub(crate) fn sum(&self, list: &str, pointer: &str) -> u64 {
        self.list(list).iter().map(|entry| entry.pointer(pointer).unwrap().as_u64().unwrap()).sum()
    }

    /// Kinds of loss with their counts, as `reset 3, timeout 1`; empty when nothing was lost.
    pub(crate) fn lost(&self) -> String {
        let entry = |entry: &Value| format!("{} {}", entry["kind"].as_str().unwrap(), entry["requests"]);
        self.list("/lost").iter().map(entry).collect::<Vec<_>>().join(", ")
    }
}
