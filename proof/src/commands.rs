//! Commands as typed: one `bash` for each, in the repository's root, ended when the proof is interrupted.

use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// The longest that one command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(240);
/// How often an end, or a condition, is looked for.
const POLL: Duration = Duration::from_millis(50);

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository's root")
}

/// Why something could not be done.
#[derive(Debug)]
pub(crate) enum Error {
    /// A signal asks the proof to end.
    Interrupted,
    /// Anything else, in words.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("interrupted"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

impl From<String> for Error {
    fn from(what: String) -> Self {
        Self::Failed(what)
    }
}

/// A place to type commands in.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    kubeconfig: String,
    /// Set by a signal; none where commands must run nevertheless, to clean up.
    interrupted: Option<Arc<AtomicBool>>,
}

/// What a command printed, and whether its exit code was 0.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) succeeded: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Commands {
    /// Commands with this `KUBECONFIG`, which end when `interrupted` is set.
    pub(crate) fn new(kubeconfig: &str, interrupted: Arc<AtomicBool>) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), interrupted: Some(interrupted) }
    }

    /// The same, whatever signals come.
    pub(crate) fn to_the_end(&self) -> Self {
        Self { interrupted: None, ..self.clone() }
    }

    /// Runs `command` and returns what it printed.
    ///
    /// # Errors
    /// If it fails; the message is the command with all that it printed.
    pub(crate) fn stdout(&self, command: &str) -> Result<String, Error> {
        let output = self.attempt(command)?;
        if output.succeeded {
            Ok(output.stdout)
        } else {
            Err(Error::Failed(format!("$ {command}\n{}{}", output.stdout, output.stderr)))
        }
    }

    /// Runs `command` for its effect.
    ///
    /// # Errors
    /// If it fails.
    pub(crate) fn run(&self, command: &str) -> Result<(), Error> {
        self.stdout(command).map(drop)
    }

    /// Runs `command` and reads what it prints as JSON.
    ///
    /// # Errors
    /// If it fails, or prints something else.
    pub(crate) fn json(&self, command: &str) -> Result<serde_json::Value, Error> {
        let text = self.stdout(command)?;
        serde_json::from_str(&text).map_err(|error| Error::Failed(format!("$ {command}\nis not JSON: {error}")))
    }

    /// Runs a `command` that may fail.
    ///
    /// # Errors
    /// If it can't be started, takes longer than four minutes, or the proof is interrupted.
    pub(crate) fn attempt(&self, command: &str) -> Result<Output, Error> {
        let mut child = self.bash(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(system)?;
        let stdout = read_all(child.stdout.take());
        let stderr = read_all(child.stderr.take());
        let start = Instant::now();
        let ended = loop {
            match child.try_wait().map_err(system)? {
                Some(status) => break Ok(status.success()),
                None if self.check().is_err() => break Err(Error::Interrupted),
                None if start.elapsed() > COMMAND_LIMIT => {
                    break Err(Error::Failed(format!("$ {command}\nnot done after {} s", COMMAND_LIMIT.as_secs())));
                }
                None => sleep(POLL),
            }
        };
        if ended.is_err() {
            end_group(&mut child);
        }
        let (stdout, stderr) = (joined(stdout), joined(stderr));
        Ok(Output { succeeded: ended?, stdout, stderr })
    }

    /// Asks until there is an answer, `limit` at most. `condition` says of what.
    ///
    /// # Errors
    /// If there is none by then; the message has what was seen last.
    pub(crate) fn eventually<T>(
        &self,
        limit: Duration,
        condition: &str,
        mut ask: impl FnMut() -> Result<Result<T, String>, Error>,
    ) -> Result<T, Error> {
        let start = Instant::now();
        loop {
            let seen = match ask()? {
                Ok(answer) => return Ok(answer),
                Err(seen) => seen,
            };
            if start.elapsed() > limit {
                return Err(Error::Failed(format!("not within {} s: {condition}\nlast seen: {seen}", limit.as_secs())));
            }
            self.check()?;
            sleep(POLL * 5);
        }
    }

    /// Lets `time` pass, for what has to last that long.
    ///
    /// # Errors
    /// If the proof is interrupted meanwhile.
    pub(crate) fn hold(&self, time: Duration) -> Result<(), Error> {
        let start = Instant::now();
        while start.elapsed() < time {
            self.check()?;
            sleep(POLL);
        }
        Ok(())
    }

    /// A `bash` that runs `command`, in a process group of its own: Ctrl-C on the terminal is the proof's to handle.
    pub(crate) fn bash(&self, command: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", command])
            .current_dir(root())
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .process_group(0);
        bash
    }

    fn check(&self) -> Result<(), Error> {
        match &self.interrupted {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }
}

/// What the system refused, as an error.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(crate) fn system(error: io::Error) -> Error {
    Error::Failed(error.to_string())
}

/// Sends a signal to a process, or to a process group where `target` has a dash before the number.
pub(crate) fn signal(name: &str, target: &str) -> bool {
    Command::new("kill")
        .args([&format!("-{name}"), "--", target])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn end_group(child: &mut Child) {
    // Not reaped yet, so the number can't have passed to another group.
    signal("TERM", &format!("-{}", child.id()));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        sleep(POLL);
    }
    signal("KILL", &format!("-{}", child.id()));
    drop(child.wait());
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

    fn commands() -> (Commands, Arc<AtomicBool>) {
        let flag = Arc::new(AtomicBool::new(false));
        (Commands::new("/nowhere", Arc::clone(&flag)), flag)
    }

    #[test]
    fn a_command_that_fails_shows_what_it_printed() {
        let (commands, _) = commands();
        assert_eq!(commands.stdout("echo \"$KUBECONFIG\"").unwrap(), "/nowhere\n");
        let error = commands.run("echo seen; echo why >&2; exit 3").unwrap_err().to_string();
        assert!(error.contains("seen\nwhy"), "{error}");
    }

    #[test]
    fn an_interrupt_ends_a_command_with_its_children() {
        let (commands, flag) = commands();
        let start = Instant::now();
        thread::scope(|scope| {
            let running = scope.spawn(|| commands.run("sleep 60 & wait"));
            flag.store(true, Ordering::Relaxed);
            assert!(matches!(running.join().unwrap(), Err(Error::Interrupted)));
        });
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(commands.to_the_end().run("true").is_ok(), "what cleans up is not interrupted");
    }

    #[test]
    fn a_condition_that_stays_false_says_what_was_seen() {
        let (commands, _) = commands();
        let never = || Ok(Err::<(), _>("2 of 3".to_owned()));
        let error = commands.eventually(Duration::ZERO, "three pods", never).unwrap_err().to_string();
        assert!(error.contains("three pods") && error.contains("2 of 3"), "{error}");
    }
}
