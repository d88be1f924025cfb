//! Watches the files of an exercise, and takes commands from standard input.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime};

use e2e::{Error, Shell};

use crate::cluster::Cluster;
use crate::commands;
use crate::exercise::{ALL, Exercise, named};
use crate::folder::Folder;
use crate::voice::Voice;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);

const KEYS: &str = "\
Save a file and it is checked. Or type, and Enter:
  check     now, without a save        hint      the next of three hints
  question  the phase's key question   solution  once the hints are used up
  next      the next open exercise     go NAME   another one
  reset     the blanks again           list      the exercises
  quit      your progress is kept      help      this text
A line typed during a check ends the check.";

#[derive(Debug)]
struct Session<'a> {
    folder: &'a mut Folder,
    namespace: &'a str,
    shell: Shell,
    voice: Voice,
    exercise: &'static Exercise,
    cluster: Option<Cluster>,
    /// The next line is an answer.
    asked: bool,
    typed: Arc<AtomicBool>,
}

/// Runs until `quit`, or the end of standard input.
pub(crate) fn run(folder: &mut Folder, shell: &Shell, namespace: &str, voice: Voice) -> Result<(), Error> {
    let typed = Arc::new(AtomicBool::new(false));
    let lines = lines(&typed);
    let exercise = ALL.iter().find(|exercise| !folder.is_done(exercise)).unwrap_or(&ALL[ALL.len() - 1]);
    let shell = shell.clone();
    let mut session = Session { folder, namespace, shell, voice, exercise, cluster: None, asked: false, typed };
    voice.say(KEYS);
    voice.say(&format!("Your files: {}", session.folder.path().display()));
    let context = session.shell.try_attempt("kubectl config current-context")?;
    let context = if context.succeeded() { context.stdout.trim() } else { "none yet, see `make up` and KUBECONFIG" };
    voice.say(&format!("The cluster: {context}; the namespace: {namespace}"));
    let mut seen = session.folder.saved(exercise);
    session.turn_to(exercise);
    loop {
        prompt();
        match next(&lines, session.folder, session.exercise, &mut seen) {
            Event::Line(line) => {
                session.typed.store(false, Ordering::Relaxed);
                if !session.line(line.trim())? {
                    return Ok(());
                }
                // What a command has written is no save of the learner's.
                seen = session.folder.saved(session.exercise);
            }
            Event::Saved => {
                voice.say("saved");
                session.check();
            }
            Event::End => return Ok(()),
        }
    }
}

enum Event {
    Line(String),
    Saved,
    End,
}

fn next(lines: &Receiver<String>, folder: &Folder, exercise: &Exercise, seen: &mut Vec<Option<SystemTime>>) -> Event {
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => return Event::Line(line),
            Err(RecvTimeoutError::Disconnected) => return Event::End,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = folder.saved(exercise);
        // An editor that writes another file and renames it is away for a moment.
        if now != *seen && now.iter().all(Option::is_some) {
            *seen = now;
            return Event::Saved;
        }
    }
}

/// The lines of standard input as they come. On a terminal each sets the flag: who types does not want to wait for a check.
fn lines(typed: &Arc<AtomicBool>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let flag = Arc::clone(typed);
    let person = io::stdin().is_terminal();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            flag.store(person, Ordering::Relaxed);
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn prompt() {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        print!("> ");
        drop(io::stdout().flush());
    }
}

impl Session<'_> {
    fn turn_to(&mut self, exercise: &'static Exercise) {
        self.exercise = exercise;
        self.asked = false;
        self.voice.say("");
        commands::task(exercise, self.folder, self.voice);
    }

    /// Does what a line says; whether to go on.
    fn line(&mut self, line: &str) -> Result<bool, Error> {
        if self.asked && !line.is_empty() && line != "quit" {
            self.asked = false;
            self.answer(line);
            return Ok(true);
        }
        let (command, operand) = line.split_once(' ').unwrap_or((line, ""));
        match (command, operand.trim()) {
            ("", "") => {}
            ("check" | "c", "") => self.check(),
            ("hint" | "h", "") => commands::hint(self.exercise, self.folder, self.voice)?,
            ("solution" | "s", "") => drop(commands::solution(self.exercise, self.folder, self.voice)),
            ("question" | "q", "") => self.asked = commands::question(self.exercise, self.folder, self.voice),
            ("question" | "q", answer) => self.answer(answer),
            ("next" | "n", "") => self.next(),
            ("go" | "g", name) => match named(name) {
                Ok(exercise) => self.turn_to(exercise),
                Err(error) => self.voice.say(&error),
            },
            ("reset", "") => commands::reset(self.exercise, self.folder, self.voice)?,
            ("list" | "l", "") => commands::list(self.folder, self.voice),
            ("help" | "?", "") => self.voice.say(KEYS),
            ("quit" | "exit", "") => return Ok(false),
            _ => self.voice.say(&format!("{line:?} is none of these:\n{KEYS}")),
        }
        Ok(true)
    }

    fn next(&mut self) {
        if !self.folder.is_done(self.exercise) {
            self.voice.say(&format!("{} stays open: `go {}` leads back", self.exercise.name, self.exercise.name));
        }
        let here = ALL.iter().position(|exercise| exercise.name == self.exercise.name).unwrap_or(0);
        let mut rest = ALL[here + 1..].iter().chain(&ALL[..here]);
        match rest.find(|exercise| !self.folder.is_done(exercise)) {
            Some(exercise) => self.turn_to(exercise),
            None => self.voice.say("No other exercise is open: labs/README.md goes on from here."),
        }
    }

    fn check(&mut self) {
        let (exercise, voice) = (self.exercise, self.voice);
        let holds = self.on_the_cluster(|folder, cluster| commands::check(exercise, folder, cluster, voice));
        if holds == Some(true) {
            let question = if self.exercise.questions.is_empty() { "" } else { "`question`, then " };
            self.voice.say(&format!("{question}`next`"));
        }
    }

    fn answer(&mut self, answer: &str) {
        let (exercise, voice) = (self.exercise, self.voice);
        self.on_the_cluster(|folder, cluster| commands::answer(exercise, folder, cluster, answer, voice));
    }

    /// Does something that needs the cluster; nothing where there is none, or a line has ended it.
    fn on_the_cluster(&mut self, act: impl FnOnce(&mut Folder, &Cluster) -> Result<bool, Error>) -> Option<bool> {
        let cluster = match self.cluster.take() {
            Some(cluster) => Ok(cluster),
            None => Cluster::open(&self.shell, self.namespace),
        };
        let done = cluster.and_then(|cluster| {
            let done = act(self.folder, &cluster.interrupted_by(Arc::clone(&self.typed)));
            self.cluster = Some(cluster);
            done
        });
        match done {
            Ok(done) => Some(done),
            Err(Error::Interrupted) => {
                self.voice.say("ended, as you typed something");
                None
            }
            Err(Error::Failed(why)) => {
                self.voice.say(&why);
                None
            }
        }
    }
}
