//! Pages that cannot lie: the shell blocks of a Markdown page are run, and what a page says that they print is compared.
//!
//! A block fenced as `sh` is typed into one shell that lives as long as the page, so that variables and background jobs
//! carry over. A block fenced as `text` right behind it is what it prints: a line `...` stands for any number of lines,
//! `...` within a line for any text, and runs of blanks are one blank; a printed line `... 10 s` is a sign of life and not compared. A
//! page is not silent for long ([`silence_limit`]). A block fenced as `sh not-run` is for machines
//! that the tests do not have; the page must say so in the line above it. One fenced as `sh docker` is for a machine with
//! Docker: those of a page are run together, without its other blocks, and the other way round. A page has a `/tmp` of its
//! own, so that two that run side by side do not write over each other's files.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::shell::{self, Shell};

/// How long a block may take: a page waits for conditions of the cluster in loops that have no end of their own.
const BLOCK_LIMIT: Duration = Duration::from_secs(300);

/// What a page begins with whose shell gives signs of life.
const BEGIN: &str = "\n. labs/begin";

/// What the line above a `sh not-run` block has to contain.
const NOT_RUN: &str = "Not tried here";

/// One shell block of a page with what the page says that it prints.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// The line of the page at which it starts, counted from 1.
    pub line: usize,
    /// The commands.
    pub commands: String,
    /// What they print, where the page says so.
    pub expected: Option<String>,
}

/// The blocks of a page that are fenced as `fence` and are to be run.
pub fn blocks(markdown: &str, fence: &str) -> Result<Vec<Block>, String> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = markdown.lines().enumerate();
    let mut above = "";
    let mut behind_block = false;
    while let Some((index, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.trim().is_empty() {
                above = line;
                behind_block = false;
            }
            continue;
        };
        let mut body = String::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, text)) => {
                    body.push_str(text);
                    body.push('\n');
                }
                None => return Err(format!("line {}: the block is not closed", index + 1)),
            }
        }
        match language {
            _ if language == fence => blocks.push(Block { line: index + 1, commands: body, expected: None }),
            "text" if behind_block => {
                if let Some(block) = blocks.last_mut() {
                    block.expected = Some(body);
                }
            }
            "sh not-run" if !above.contains(NOT_RUN) => {
                return Err(format!(
                    "line {}: a block that is not run needs {NOT_RUN:?} in the line above it",
                    index + 1
                ));
            }
            _ => {}
        }
        behind_block = language == fence;
    }
    Ok(blocks)
}

/// What a block for a cluster is fenced as.
pub const SHELL: &str = "sh";
/// What one for Docker is.
pub const DOCKER: &str = "sh docker";

/// Runs every block of the page at `path` that is fenced as `fence`, in order.
pub fn run(shell: &Shell, path: &Path, fence: &str) {
    let markdown = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let blocks = blocks(&markdown, fence).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!blocks.is_empty(), "{}: no shell block", path.display());

    let scratch = Scratch::of(path);
    let mut session = Session::open(shell);
    for block in blocks {
        let place = format!("{}:{}", path.display(), block.line);
        println!("{place}\n{}", block.commands.trim_end());
        let (printed, code) = session.type_in(&scratch.in_place_of_tmp(&block.commands), BLOCK_LIMIT);
        assert_eq!(code, 0, "{place}: exit code {code}\n{}\n{printed}", block.commands);
        if let Some(expected) = &block.expected {
            assert!(matches(expected, &printed), "{place}: the page says\n{expected}\nand this was printed\n{printed}");
        }
        let silence = if fence == SHELL { session.silence } else { Duration::ZERO };
        assert!(
            silence < silence_limit(&markdown),
            "{place}: nothing was printed for {} s\n{printed}",
            silence.as_secs()
        );
    }
    println!("{}: silent for {:.0} s at most", path.display(), session.silence.as_secs_f64());
}

/// How long a page may print nothing: a lab, whose shell says every 10 s that a command goes on, for 20 s; another one for as long as a
/// machine that tests share may take for a command.
fn silence_limit(markdown: &str) -> Duration {
    Duration::from_secs(if markdown.contains(BEGIN) { 20 } else { 90 })
}

/// The folder that a page has as `/tmp`; it goes when this is dropped.
struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    fn of(page: &Path) -> Self {
        let name = page.file_stem().expect("a page has a name");
        let folder = shell::root().join("target/e2e/tmp").join(name);
        fs::create_dir_all(&folder).expect("target is writable");
        Self { folder }
    }

    fn in_place_of_tmp(&self, commands: &str) -> String {
        commands.replace("/tmp/", &format!("{}/", self.folder.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// One `bash` into which block after block is typed.
struct Session {
    child: std::process::Child,
    lines: Receiver<io::Result<String>>,
    /// The longest time without a line.
    silence: Duration,
}

impl Session {
    fn open(shell: &Shell) -> Self {
        // A process group, so that all that a block has started can be ended with it.
        let mut bash = shell.interactive();
        bash.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = bash.spawn().expect("bash is there");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || output.lines().try_for_each(|line| sender.send(line)));
        let mut session = Self { child, lines, silence: Duration::ZERO };
        // A reader sees both streams in one terminal. Jobs that a page left in the background end with it.
        session.write("exec 2>&1; trap 'jobs -p | xargs -r kill' EXIT\n");
        session
    }

    fn type_in(&mut self, commands: &str, limit: Duration) -> (String, i32) {
        const MARK: &str = "-- end of block, exit code ";
        // The block runs in the shell itself, which keeps what it sets; the trap remembers the first failure.
        let mut script = String::new();
        writeln!(script, "failed=0; trap 'failed=${{failed/#0/$?}}' ERR").expect("a string takes it");
        script.push_str(commands);
        writeln!(script, "\ntrap - ERR; printf '\\n%s%s\\n' '{MARK}' \"$failed\"").expect("a string takes it");
        self.write(&script);

        let end = Instant::now() + limit;
        let mut printed = String::new();
        let mut heard = Instant::now();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let line = line.expect("what a block prints is text");
                    self.silence = self.silence.max(heard.elapsed());
                    heard = Instant::now();
                    if let Some(code) = line.strip_prefix(MARK) {
                        return (printed, code.trim().parse().expect("an exit code"));
                    }
                    printed.push_str(&line);
                    printed.push('\n');
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let _ = shell::signal("TERM", &format!("-{}", self.child.id()));
                    panic!("the block is not done after {} s:\n{commands}\n{printed}", limit.as_secs());
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    panic!("the shell ended in the middle of the block:\n{commands}\n{printed}");
                }
            }
        }
    }

    fn write(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).expect("the shell reads");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // End of input ends the shell, and its EXIT trap the jobs that a page left in the background.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Whether `printed` is what `expected` describes.
fn matches(expected: &str, printed: &str) -> bool {
    let expected: Vec<String> = expected.lines().map(squeeze).filter(|line| !line.is_empty()).collect();
    let printed = printed.lines().filter(|line| !is_sign_of_life(line)).map(squeeze);
    let printed: Vec<String> = printed.filter(|line| !line.is_empty()).collect();
    glob(&expected, &printed, &|line| line == "...", &|pattern, line| {
        let pattern: Vec<String> = pattern.split("...").map(str::to_owned).collect();
        within(&pattern, line)
    })
}

/// A line that says no more than that something has been waited for, and why: `... 10 s`, `... 10 s: cat: x: No such file or directory`.
fn is_sign_of_life(line: &str) -> bool {
    let seconds = line.strip_prefix("... ").and_then(|rest| rest.split_once(" s"));
    seconds.is_some_and(|(seconds, why)| seconds.parse::<u32>().is_ok() && (why.is_empty() || why.starts_with(": ")))
}

fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether `items` match `patterns`, where a pattern that `is_any` stands for any number of items.
fn glob(
    patterns: &[String],
    items: &[String],
    is_any: &dyn Fn(&str) -> bool,
    is_same: &dyn Fn(&str, &str) -> bool,
) -> bool {
    match (patterns.split_first(), items.split_first()) {
        (None, None) => true,
        (Some((pattern, rest)), _) if is_any(pattern) => {
            glob(rest, items, is_any, is_same)
                || items.split_first().is_some_and(|(_, others)| glob(patterns, others, is_any, is_same))
        }
        (Some((pattern, rest)), Some((item, others))) => is_same(pattern, item) && glob(rest, others, is_any, is_same),
        _ => false,
    }
}

/// Whether `line` consists of the `parts` in order, with any text between them.
fn within(parts: &[String], line: &str) -> bool {
    let Some((first, rest)) = parts.split_first() else { return line.is_empty() };
    let Some(mut tail) = line.strip_prefix(first.as_str()) else { return false };
    let Some((last, middle)) = rest.split_last() else { return tail.is_empty() };
    for part in middle {
        match tail.find(part.as_str()) {
            Some(at) => tail = &tail[at + part.len()..],
            None => return false,
        }
    }
    tail.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_split_into_blocks_with_their_output() {
        let page = "Text.\n\n```sh\necho one\n```\n\n```text\none\n```\n\n```sh\nmake up\n```\nAnd then\n```text\nno output of it\n```\n";
        let found = blocks(page, SHELL).unwrap();
        assert_eq!(
            found,
            [
                Block { line: 3, commands: "echo one\n".to_owned(), expected: Some("one\n".to_owned()) },
                Block { line: 11, commands: "make up\n".to_owned(), expected: None },
            ]
        );
    }

    #[test]
    fn a_block_that_is_not_run_says_so() {
        assert!(blocks("On kind:\n```sh not-run\nkind load\n```\n", SHELL).unwrap_err().contains("line 2"));
        assert_eq!(blocks("Not tried here (needs kind):\n```sh not-run\nkind load\n```\n", SHELL), Ok(vec![]));
        assert!(blocks("```sh\necho\n", SHELL).unwrap_err().contains("not closed"));
    }

    #[test]
    fn blocks_for_a_cluster_and_for_docker_are_kept_apart() {
        let page = "```sh\nkubectl\n```\n```sh docker\ndocker ps\n```\n```text\nnone\n```\n";
        let commands = |fence| {
            let found = blocks(page, fence).unwrap();
            found.into_iter().map(|block| (block.commands, block.expected)).collect::<Vec<_>>()
        };
        assert_eq!(commands(SHELL), [("kubectl\n".to_owned(), None)]);
        assert_eq!(commands(DOCKER), [("docker ps\n".to_owned(), Some("none\n".to_owned()))]);
    }

    #[test]
    fn output_is_compared_with_wildcards() {
        for (expected, printed, same) in [
            ("a b", "a    b\n\n", true),
            ("a b", "a c", false),
            ("...", "", true),
            ("a\n...\nz", "a\nb\nc\nz", true),
            ("a\n...\nz", "a\nb\nc", false),
            ("pod/backend-... condition met", "pod/backend-5f9-x2 condition met", true),
            ("pod/backend-... condition met", "pod/frontend-5f9 condition met", false),
            ("... 2 ... 8 ...", "backend-hpa 2 7 8 5m", true),
            ("a", "a\nb", false),
            ("a\nb", "a\n... 15 s\n... 30 s\nb", true),
            ("a\nb", "a\n... 15 s at least\nb", false),
        ] {
            assert_eq!(matches(expected, printed), same, "{expected:?} against {printed:?}");
        }
    }

    #[test]
    fn two_pages_do_not_share_a_file_of_tmp() {
        let (one, other) = (Scratch::of(Path::new("labs/one.md")), Scratch::of(Path::new("labs/other.md")));
        let mut session = Session::open(&Shell::default());
        assert_eq!(session.type_in(&one.in_place_of_tmp("echo one >/tmp/ledger.txt\n"), BLOCK_LIMIT).1, 0);
        assert_eq!(session.type_in(&other.in_place_of_tmp("cat /tmp/ledger.txt\n"), BLOCK_LIMIT).1, 1);
        assert_eq!(session.type_in(&one.in_place_of_tmp("cat /tmp/ledger.txt\n"), BLOCK_LIMIT).0.trim(), "one");
        let folder = one.folder.clone();
        drop(one);
        assert!(!folder.exists(), "{}", folder.display());
    }

    #[test]
    fn a_session_keeps_variables_and_tells_the_first_failure() {
        let mut session = Session::open(&Shell::default());
        assert_eq!(session.type_in("name=practice\n", BLOCK_LIMIT).1, 0);
        assert_eq!(session.type_in("echo \"$name\"; echo aside >&2", BLOCK_LIMIT).0.trim(), "practice\naside");
        assert_eq!(session.type_in("(exit 3)\ntrue\n", BLOCK_LIMIT).1, 3);
        assert_eq!(session.type_in("true\n", BLOCK_LIMIT).1, 0);
    }

    #[test]
    fn a_sign_of_life_that_a_command_was_too_short_for_comes_before_the_next() {
        let mut session = Session::open(&Shell::default());
        // A command that takes the page's clock forward, which whoever is to give the sign meanwhile does not see.
        let page = ". labs/signs\ntake() { SECONDS=$((SECONDS + $1)); }\npatiently take 10\npatiently true\npatiently take 9\nsign\n";
        assert_eq!(session.type_in(page, BLOCK_LIMIT), ("... 10 s\n\n".to_owned(), 0));
        let (printed, _) = session.type_in("take 1; true | patiently true; sign; rm \"$said_in\"\n", BLOCK_LIMIT);
        assert_eq!(printed.trim(), "... 20 s", "once, whichever process gave it");
    }

    #[test]
    fn what_is_not_there_yet_is_said_by_the_signs_of_life_alone() {
        let mut session = Session::open(&Shell::default());
        // It is there when the question has been asked for the second time.
        let page = ". labs/signs\nasks() { cat \"$said_in.there\" || { echo there >\"$said_in.there\"; false; }; }\nawait asks\n";
        assert_eq!(session.type_in(page, BLOCK_LIMIT), ("there\n\n".to_owned(), 0));
        let (printed, _) =
            session.type_in("rm \"$said_in.there\"; SECONDS=$((SECONDS + 10)); await asks\n", BLOCK_LIMIT);
        let said: Vec<_> = printed.lines().filter(|line| !line.is_empty()).collect();
        assert!(
            matches!(said[..], [sign, "there"] if is_sign_of_life(sign) && sign.ends_with(": No such file or directory")),
            "{printed}"
        );
        let (printed, _) = session.type_in("await eval 'echo aside >&2'; rm \"$said_in\"*\n", BLOCK_LIMIT);
        assert_eq!(printed.trim(), "aside", "once it has succeeded, all is shown");
    }

    #[test]
    #[should_panic(expected = "the block is not done after 1 s")]
    fn a_block_that_waits_for_ever_is_ended() {
        let mut session = Session::open(&Shell::default());
        let _ = session.type_in("until false; do sleep 0.1; done\n", Duration::from_secs(1));
    }
}
