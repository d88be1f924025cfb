//! Commands as typed: one `bash` for each, in the repository's root, with the cluster's `KUBECONFIG` and `PATH`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The longest that one command may take before it is ended, unless the test says otherwise.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(180);

/// The root of the repository.
///
/// # Panics
/// Never: the crate lies one folder below it.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository's root")
}

/// A place to type commands in: a folder and an environment.
#[derive(Clone, Debug)]
pub struct Shell {
    folder: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Default for Shell {
    fn default() -> Self {
        Self { folder: root().to_path_buf(), environment: BTreeMap::new() }
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

    /// Runs `command` and returns what it printed.
    ///
    /// # Panics
    /// If it fails; the message is the command with all that it printed.
    #[track_caller]
    #[must_use]
    pub fn stdout(&self, command: &str) -> String {
        let output = self.attempt(command);
        assert!(output.succeeded(), "{output}");
        output.stdout
    }

    /// Runs `command` for its effect.
    ///
    /// # Panics
    /// If it fails; the message is the command with all that it printed.
    #[track_caller]
    pub fn run(&self, command: &str) {
        let _ = self.stdout(command);
    }

    /// Runs `command` and reads its standard output as JSON.
    ///
    /// # Panics
    /// If it fails or prints something else.
    #[track_caller]
    #[must_use]
    pub fn json(&self, command: &str) -> Value {
        let text = self.stdout(command);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("$ {command}\n{text}\nis not JSON: {error}"))
    }

    /// Runs a `command` that may fail.
    #[track_caller]
    #[must_use]
    pub fn attempt(&self, command: &str) -> Output {
        self.attempt_within(COMMAND_TIMEOUT, command)
    }

    /// Runs a `command` that may fail, and ends it after `limit`.
    ///
    /// # Panics
    /// If no shell can be started.
    #[track_caller]
    #[must_use]
    pub fn attempt_within(&self, limit: Duration, command: &str) -> Output {
        let output = self.bash(Some(limit), command).stdin(Stdio::null()).output().expect("bash and timeout are there");
        Output {
            command: command.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts `command` in the background; it is ended when the returned handle is dropped.
    ///
    /// # Panics
    /// If no shell can be started.
    #[track_caller]
    #[must_use]
    pub fn start(&self, command: &str) -> Background {
        let child = self
            .bash(None, &format!("exec {command}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash is there");
        Background { command: command.to_owned(), child: Some(child) }
    }

    /// A `bash` that reads commands from its standard input, in this folder and environment.
    #[must_use]
    pub fn interactive(&self) -> Command {
        let mut bash = Command::new("bash");
        bash.arg("-s").current_dir(&self.folder).envs(&self.environment);
        bash
    }

    fn bash(&self, limit: Option<Duration>, command: &str) -> Command {
        let mut bash = match limit {
            Some(limit) => {
                let mut timeout = Command::new("timeout");
                timeout.arg("--kill-after=10").arg(limit.as_secs().to_string()).arg("bash");
                timeout
            }
            None => Command::new("bash"),
        };
        bash.args(["-euo", "pipefail", "-c", command]).current_dir(&self.folder).envs(&self.environment);
        bash
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
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Everything that it printed.
    #[must_use]
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
    child: Option<Child>,
}

impl Background {
    /// Whether it still runs.
    ///
    /// # Panics
    /// If the system does not know the process.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("the child is ours").is_none())
    }

    /// Asks it to end (SIGTERM) and returns what it printed.
    ///
    /// # Panics
    /// If it can't be waited for.
    #[must_use]
    pub fn terminate(mut self) -> Output {
        self.signal("TERM");
        self.finish()
    }

    /// Waits for its end and returns what it printed.
    ///
    /// # Panics
    /// If it can't be waited for.
    #[must_use]
    pub fn finish(mut self) -> Output {
        let child = self.child.take().expect("finished once");
        let output = child.wait_with_output().expect("the child is ours");
        Output {
            command: self.command.clone(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn signal(&mut self, name: &str) {
        if let Some(child) = &self.child {
            // The child is not reaped yet, so its id can't have passed to another process.
            let _ = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.signal("KILL");
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}
