//! Commands as typed: one `bash` for each, in the repository's root, with the cluster's `KUBECONFIG` and `PATH`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Error;

/// How often the end of a command is looked for.
const POLL: Duration = Duration::from_millis(20);
/// From SIGTERM to SIGKILL for a command that took too long.
const GRACE: Duration = Duration::from_secs(5);
/// The exit code of a command that took too long, as that of `timeout`.
const TOO_LONG: i32 = 124;

/// What lets the test programs say how long each test took (`report-time`). A compiler that a command starts is not to see it.
const BOOTSTRAP: &str = "RUSTC_BOOTSTRAP";

/// The longest that one command may take before it is ended, unless the test says otherwise.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(240);

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository's root")
}

/// A place to type commands in: a folder and an environment.
#[derive(Clone, Debug)]
pub struct Shell {
    folder: PathBuf,
    environment: BTreeMap<String, String>,
    interrupted: Option<Arc<AtomicBool>>,
}

impl Default for Shell {
    fn default() -> Self {
        Self { folder: root().to_path_buf(), environment: BTreeMap::new(), interrupted: None }
    }
}

impl Shell {
    /// The same shell with one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// The same shell in another folder.
    #[must_use]
    pub fn within(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// The same shell, whose commands are ended when `flag` is set, and not begun any more.
    #[must_use]
    pub fn interrupted_by(mut self, flag: Arc<AtomicBool>) -> Self {
        self.interrupted = Some(flag);
        self
    }

    /// The same shell, whose commands are not interrupted: for what has to be cleaned up.
    #[must_use]
    pub fn to_the_end(&self) -> Self {
        Self { interrupted: None, ..self.clone() }
    }

    /// Runs `command` and returns what it printed.
    #[track_caller]
    pub fn stdout(&self, command: &str) -> String {
        self.try_stdout(command).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs `command` for its effect.
    #[track_caller]
    pub fn run(&self, command: &str) {
        self.try_run(command).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Runs `command` and reads its standard output as JSON.
    #[track_caller]
    pub fn json(&self, command: &str) -> Value {
        self.try_json(command).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs a `command` that may fail.
    #[track_caller]
    pub fn attempt(&self, command: &str) -> Output {
        self.attempt_within(COMMAND_TIMEOUT, command)
    }

    /// Runs a `command` that may fail, and ends it after `limit`.
    #[track_caller]
    pub fn attempt_within(&self, limit: Duration, command: &str) -> Output {
        self.try_attempt_within(limit, command).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs `command` and returns what it printed.
    pub fn try_stdout(&self, command: &str) -> Result<String, Error> {
        let output = self.try_attempt(command)?;
        if output.succeeded() { Ok(output.stdout) } else { Err(Error::Failed(output.to_string())) }
    }

    /// Runs `command` for its effect.
    pub fn try_run(&self, command: &str) -> Result<(), Error> {
        self.try_stdout(command).map(drop)
    }

    /// Runs `command` and reads its standard output as JSON.
    pub fn try_json(&self, command: &str) -> Result<Value, Error> {
        let text = self.try_stdout(command)?;
        serde_json::from_str(&text).map_err(|error| Error::Failed(format!("$ {command}\n{text}\nis not JSON: {error}")))
    }

    /// Runs a `command` that may fail.
    pub fn try_attempt(&self, command: &str) -> Result<Output, Error> {
        self.try_attempt_within(COMMAND_TIMEOUT, command)
    }

    /// Runs a `command` that may fail, and ends it, with all that it started, after `limit`.
    pub fn try_attempt_within(&self, limit: Duration, command: &str) -> Result<Output, Error> {
        self.check()?;
        // A process group of its own: it can be ended as a whole, and Ctrl-C on the terminal is the caller's to handle.
        let mut running = Background::spawn(self.bash(command).process_group(0), command)?;
        let start = Instant::now();
        while running.child.try_wait()?.is_none() {
            if let Err(interrupted) = self.check() {
                running.end_group();
                return Err(interrupted);
            }
            if start.elapsed() > limit {
                running.end_group();
                return Ok(Output { code: Some(TOO_LONG), ..running.try_finish()? });
            }
            sleep(POLL);
        }
        running.try_finish()
    }

    /// Starts `command` in the background; it is ended when the returned handle is dropped.
    #[track_caller]
    pub fn start(&self, command: &str) -> Background {
        self.try_start(command).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts `command` in the background; it is ended when the returned handle is dropped.
    pub fn try_start(&self, command: &str) -> Result<Background, Error> {
        self.check()?;
        Background::spawn(&mut self.bash(&format!("exec {command}")), command)
    }

    /// Lets `time` pass, for what has to last that long.
    pub fn hold(&self, time: Duration) -> Result<(), Error> {
        let start = Instant::now();
        while start.elapsed() < time {
            self.check()?;
            sleep(POLL);
        }
        Ok(())
    }

    /// A `bash` that reads commands from its standard input, in this folder and environment.
    pub fn interactive(&self) -> Command {
        let mut bash = Command::new("bash");
        bash.arg("-s").current_dir(&self.folder).envs(&self.environment).env_remove(BOOTSTRAP);
        bash
    }

    fn bash(&self, command: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", command]).current_dir(&self.folder).envs(&self.environment);
        bash.env_remove(BOOTSTRAP).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        bash
    }

    fn check(&self) -> Result<(), Error> {
        match &self.interrupted {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }
}

/// What a command printed and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// As typed.
    pub command: String,
    /// The exit code; 124 if it ran into its time limit, none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Whether the exit code is 0.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Everything that it printed.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = self.code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"));
        write!(f, "$ {}\n{}{}[{ending}]", self.command, self.stdout, self.stderr)
    }
}

/// A command that runs while the test goes on.
#[derive(Debug)]
pub struct Background {
    command: String,
    child: Child,
    /// What it prints is read at once, so that it never waits for a reader.
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Background {
    fn spawn(bash: &mut Command, command: &str) -> Result<Self, Error> {
        let mut child = bash.spawn().map_err(|error| format!("bash: {error}"))?;
        let (stdout, stderr) = (read_all(child.stdout.take()), read_all(child.stderr.take()));
        Ok(Self { command: command.to_owned(), child, stdout, stderr })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_none()
    }

    /// Asks it to end (SIGTERM).
    pub fn end(&self) {
        // A child that is not reaped keeps its number, so the signal can't meet another process.
        signal("TERM", &self.child.id().to_string());
    }

    /// Asks it to end (SIGTERM) and returns what it printed.
    pub fn terminate(self) -> Output {
        self.end();
        self.finish()
    }

    /// Waits for its end and returns what it printed.
    pub fn finish(self) -> Output {
        self.try_finish().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits for its end and returns what it printed.
    pub fn try_finish(mut self) -> Result<Output, Error> {
        let status: ExitStatus = self.child.wait()?;
        Ok(Output {
            command: std::mem::take(&mut self.command),
            code: status.code(),
            stdout: joined(self.stdout.take()),
            stderr: joined(self.stderr.take()),
        })
    }

    /// Ends it with its children: it leads a process group.
    fn end_group(&mut self) {
        let group = format!("-{}", self.child.id());
        signal("TERM", &group);
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            sleep(POLL);
        }
        signal("KILL", &group);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to a process, or to a process group where `target` has a dash before the number. Whether it arrived.
pub fn signal(name: &str, target: &str) -> bool {
    Command::new("kill")
        .args([&format!("-{name}"), "--", target])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn read_all(stream: Option<impl Read + Send + 'static>) -> Option<JoinHandle<Vec<u8>>> {
    stream.map(|mut stream| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read until the error is all there is to show.
            drop(stream.read_to_end(&mut bytes));
            bytes
        })
    })
}

fn joined(reader: Option<JoinHandle<Vec<u8>>>) -> String {
    let bytes = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_shows_what_it_printed() {
        let shell = Shell::default().with("SEEN", "here");
        assert_eq!(shell.stdout("echo \"$SEEN\""), "here\n");
        let error = shell.try_run("echo out; echo why >&2; exit 3").unwrap_err().to_string();
        assert!(error.contains("out\nwhy") && error.contains("exit code 3"), "{error}");
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended_with_its_children() {
        let start = Instant::now();
        let output = Shell::default().attempt_within(Duration::from_millis(100), "echo begun; sleep 60 & wait");
        assert_eq!((output.code, &*output.stdout), (Some(TOO_LONG), "begun\n"));
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn an_interrupt_ends_a_command_with_its_children() {
        let flag = Arc::new(AtomicBool::new(false));
        let shell = Shell::default().interrupted_by(Arc::clone(&flag));
        let start = Instant::now();
        thread::scope(|scope| {
            let running = scope.spawn(|| shell.try_run("sleep 60 & wait"));
            flag.store(true, Ordering::Relaxed);
            assert_eq!(running.join().expect("it ends"), Err(Error::Interrupted));
        });
        assert!(start.elapsed() < Duration::from_secs(30));
        assert_eq!(shell.try_start("true").unwrap_err(), Error::Interrupted);
        assert_eq!(shell.to_the_end().try_run("true"), Ok(()), "what cleans up is not interrupted");
    }
}
