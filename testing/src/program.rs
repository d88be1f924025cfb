//! A server as a process of its own, and its log.

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

    /// Reads log lines up to the one with `message`.
    pub fn line(&mut self, message: &str) -> Value {
        self.lines_to(message).pop().unwrap()
    }

    /// Reads log lines up to the one with `message`; all of them.
    pub fn lines_to(&mut self, message: &str) -> Vec<Value> {
        let mut lines = Vec::new();
        for line in self.lines.by_ref() {
            lines.push(serde_json::from_str::<Value>(&line.unwrap()).unwrap());
            if lines.last().unwrap()["message"].as_str().unwrap().starts_with(message) {
                return lines;
            }
        }
        panic!("the program ended without the line {message:?}");
    }

    /// Sends a signal, by the name that kill(1) takes: `-TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address that a log line has under `key`.
pub fn address(line: &Value, key: &str) -> SocketAddr {
    line[key].as_str().unwrap().parse().unwrap()
}
