//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use crate::exercise::{Exercise, named};

pub(crate) const HELP: &str = "\
The practice as exercises: fill in the blanks of its manifests, save, and see what holds on a real cluster.

Usage: exercises [OPTIONS] [COMMAND]

Without a command: writes the manifests, looks at them whenever they are saved, and takes commands as they are typed.

Commands:
  list               the exercises, and which of them are done
  check NAME         apply the exercise's files, check them on the cluster
  hint NAME          the next of three hints
  solution NAME      what belongs into the blanks, once the hints are used up
  question NAME [ANSWER]
                     the exercise's key question; with an answer, what it leaves out and what was measured
  reset NAME         the files with their blanks again; yours are kept beside them
  clean              delete the exercises' namespace from the cluster; the files stay

Options:
      --folder FOLDER    where your files and your progress are [default: practice-exercises]
      --namespace NAME   the namespace on the cluster [default: exercises]
  -h, --help             this text

The cluster is that of KUBECONFIG. NO_COLOR=1 leaves colours out.

Exit status: 0 it holds; 1 it does not yet; 2 no cluster answers, or it can't do what is asked; 64 wrong usage.
";

#[derive(Debug)]
pub(crate) enum Command {
    Session,
    List,
    Check(&'static Exercise),
    Hint(&'static Exercise),
    Solution(&'static Exercise),
    Question(&'static Exercise, Option<String>),
    Reset(&'static Exercise),
    /// Delete the namespace.
    Clean,
}

#[derive(Debug)]
pub(crate) enum Asked {
    Help,
    Do { command: Command, folder: PathBuf, namespace: String },
}

/// Reads the command line, without the program's name.
///
/// # Errors
/// A message that names the argument and the mend.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    let (mut folder, mut namespace) = (PathBuf::from("practice-exercises"), "exercises".to_owned());
    let mut words = Vec::new();
    let mut parser = Parser::from_args(arguments);
    let text = |word: OsString| word.into_string().map_err(|word| format!("{} is not UTF-8", word.display()));
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
            Arg::Long("folder") => folder = parser.value().map_err(|error| error.to_string())?.into(),
            Arg::Long("namespace") => {
                namespace = namespace_name(text(parser.value().map_err(|error| error.to_string())?)?)?;
            }
            Arg::Value(word) => words.push(text(word)?),
            other => return Err(format!("{}; see exercises --help", other.unexpected())),
        }
    }
    let mut words = words.into_iter();
    let command = match (words.next().as_deref(), words.next()) {
        (None, _) => Command::Session,
        (Some("list"), None) => Command::List,
        (Some("clean"), None) => Command::Clean,
        (Some("check"), Some(name)) => Command::Check(named(&name)?),
        (Some("hint"), Some(name)) => Command::Hint(named(&name)?),
        (Some("solution"), Some(name)) => Command::Solution(named(&name)?),
        (Some("reset"), Some(name)) => Command::Reset(named(&name)?),
        (Some("question"), Some(name)) => Command::Question(named(&name)?, words.next()),
        (Some(command @ ("check" | "hint" | "solution" | "reset" | "question")), None) => {
            return Err(format!("{command} of which exercise? see exercises list"));
        }
        (Some(other), _) => return Err(format!("no command {other:?}, or not with that; see exercises --help")),
    };
    match words.next() {
        Some(word) => Err(format!("one word too many: {word:?}; an answer of several words is quoted")),
        None => Ok(Asked::Do { command, folder, namespace }),
    }
}

/// A namespace's name as Kubernetes wants it (RFC 1123), and with that safe in a command line.
fn namespace_name(name: String) -> Result<String, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let fits = bytes.len() <= 63 && bytes.iter().all(|byte| inner(*byte) || *byte == b'-');
    if fits && bytes.first().is_some_and(|byte| inner(*byte)) && bytes.last().is_some_and(|byte| inner(*byte)) {
        Ok(name)
    } else {
        Err(format!("--namespace {name:?}: small letters, digits and dashes, 63 at most, no dash at an end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Asked, String> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn a_command_has_the_exercise_it_is_for() {
        let asked = parsed(&["--folder", "/tmp/mine", "--namespace", "me", "question", "services", "an A record"]);
        let Ok(Asked::Do { command: Command::Question(exercise, answer), folder, namespace }) = asked else { panic!() };
        assert_eq!((exercise.name, answer.as_deref()), ("services", Some("an A record")));
        assert_eq!((folder, &*namespace), (PathBuf::from("/tmp/mine"), "me"));
        let Ok(Asked::Do { command: Command::Session, .. }) = parsed(&[]) else { panic!("no session") };
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (words, named) in [
            (&["chekc", "services"][..], "chekc"),
            (&["check"][..], "check of which exercise"),
            (&["check", "servces"][..], "servces"),
            (&["check", "services", "now"][..], "now"),
            (&["--namespace", "a b", "list"][..], "a b"),
            (&["--quick"][..], "--quick"),
        ] {
            assert!(parsed(words).unwrap_err().contains(named), "{words:?}");
        }
    }
}
