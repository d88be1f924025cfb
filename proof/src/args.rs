//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

pub(crate) const HELP: &str = "\
Do to a release under load what a cluster does to pods, and count the requests that are lost.

Usage: proof [OPTIONS]

Options:
      --short           fewer repetitions, half the rate, quick probes: under 5 minutes
      --row NAME        this row alone; repeatable
      --output FOLDER   for ledgers, pictures and the table [default: .cluster/proof]
      --list            the rows: name, demand, what is done
  -h, --help            this text

The cluster is that of KUBECONFIG, which must be one of this repository (make up; eval \"$(make env)\").
The release `proof` is installed into a namespace of its own, which goes at the end. Ctrl-C ends the
loads and removes it too.

Exit status: 0 every row holds; 1 one does not: something was lost where nothing may be, or done twice,
or a row could not be done;
2 the cluster could not be prepared; 64 wrong usage; 130 interrupted.
";

/// How much is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Every row once, in minutes.
    Short,
    /// Every row as often as the proof asks for: a million requests.
    Full,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    Help,
    List,
    /// A run of the named rows; of all that the mode has if none is named.
    Run {
        mode: Mode,
        rows: Vec<String>,
        /// Where what is left goes; a folder that is not absolute is the repository's.
        output: PathBuf,
    },
}

/// Reads the command line, without the program's name.
///
/// # Errors
/// A message that names the argument and the mend.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    let (mut mode, mut rows, mut output) = (Mode::Full, Vec::new(), PathBuf::from(".cluster/proof"));
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
            Arg::Long("list") => return Ok(Asked::List),
            Arg::Long("short") => mode = Mode::Short,
            Arg::Long("row") => {
                let name = parser.value().map_err(|error| error.to_string())?;
                rows.push(name.to_string_lossy().into_owned());
            }
            Arg::Long("output") => output = parser.value().map_err(|error| error.to_string())?.into(),
            other => return Err(format!("{}; see proof --help", other.unexpected())),
        }
    }
    Ok(Asked::Run { mode, rows, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Asked, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_run_has_a_mode_and_rows() {
        let output = PathBuf::from(".cluster/proof");
        assert_eq!(parsed(""), Ok(Asked::Run { mode: Mode::Full, rows: vec![], output }));
        let (rows, output) = (vec!["drain".to_owned(), "scale".to_owned()], PathBuf::from("/tmp/it"));
        let asked = parsed("--row drain --short --output /tmp/it --row scale");
        assert_eq!(asked, Ok(Asked::Run { mode: Mode::Short, rows, output }));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert!(parsed("--quick").unwrap_err().contains("--quick"));
        assert!(parsed("--row").unwrap_err().contains("--row"));
    }
}
