//! A server as a process of its own, and its log.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A running program, killed if the test fails before it has ended.
pub struct Program {
    /// Its process.
    pub child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it on free ports of loopback, with `environment` and no other.
    pub fn spawn(command: &mut Command, environment: &[(&str, &str)]) -> Self {
        let mut child = command
            .env_clear()
            .envs([("BIND_ADDRESS", "127.0.0.1"), ("PORT", "0"), ("METRICS_PORT", "0")])
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Starts `program`, waits until it is ready, and has the address where it serves.
    pub fn serving(program: impl AsRef<OsStr>, environment: &[(&str, &str)]) -> (Self, SocketAddr) {
        let mut program = Self::spawn(&mut Command::new(program), environment);
        let service = address(&program.line("listening"), "address");
        program.line("ready");
        (program, service)
    }

    /// Reads log lines up to the one with `message`.
    pub fn line(&mut self, message: &str) -> Value {
        self.lines_to(message).pop().unwrap()
    }

    /// Reads log lines up to the one whose message begins with `message`; all of them.
    pub fn lines_to(&mut self, message: &str) -> Vec<Value> {
        let mut lines = Vec::new();
        for line in self.by_ref() {
            lines.push(line);
            if lines.last().unwrap()["message"].as_str().unwrap().starts_with(message) {
                return lines;
            }
        }
        panic!("the program ended without the line {message:?}");
    }

    /// Reads log lines up to one that is as `wanted` says.
    pub fn line_where(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.find(wanted).expect("the program ended without that line")
    }

    /// Sends a signal, by the name that kill(1) takes: `-TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

/// The lines of its log, until it ends.
impl Iterator for Program {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let line = self.lines.next()?.unwrap();
        Some(serde_json::from_str(&line).unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program says at the end of a start that `environment` does not allow, with exit code 64.
pub fn refusal(program: impl AsRef<OsStr>, environment: &[(&str, &str)]) -> String {
    let output = Command::new(program).env_clear().envs(environment.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{text}");
    text
}

/// The address that a log line has under `key`.
pub fn address(line: &Value, key: &str) -> SocketAddr {
    line[key].as_str().unwrap().parse().unwrap()
}
