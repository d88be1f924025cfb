//! `exercises`: the practice as exercises, checked on a real cluster while they are done.

mod args;
mod behaviour;
mod check;
mod cluster;
mod commands;
mod exercise;
mod folder;
mod judge;
mod manifest;
mod pods;
mod question;
mod session;
mod trial;
mod voice;
mod yaml;

use std::path::Path;
use std::process::ExitCode;

use e2e::{Error, Shell};

use crate::args::{Asked, Command};
use crate::cluster::Cluster;
use crate::exercise::named;
use crate::folder::Folder;
use crate::voice::Voice;

/// Exit status when the cluster could not be asked, or a file not be written.
const EXIT_UNDONE: u8 = 2;
/// Exit status of a command line that is not understood (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let (command, path, namespace) = match args::parse(std::env::args_os().skip(1)) {
        Ok(Asked::Help) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Do { command, folder, namespace }) => (command, folder, namespace),
        Err(error) => return usage(&error),
    };
    if let Some(error) = name_of(&command).and_then(|name| named(name).err()) {
        return usage(&error);
    }
    match run(&command, &path, &namespace) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(EXIT_UNDONE)
        }
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(EXIT_USAGE)
}

fn name_of(command: &Command) -> Option<&str> {
    match command {
        Command::Session | Command::List | Command::Clean => None,
        Command::Check(name)
        | Command::Hint(name)
        | Command::Solution(name)
        | Command::Question(name, _)
        | Command::Reset(name) => Some(name),
    }
}

/// Does a command; whether all is well.
fn run(command: &Command, path: &Path, namespace: &str) -> Result<bool, Error> {
    let voice = Voice::of_the_environment();
    let shell = Shell::default();
    if *command == Command::Clean {
        shell.try_run(&format!("kubectl delete namespace {namespace} --ignore-not-found"))?;
        return Ok(true);
    }
    let mut folder = Folder::open(path)?;
    match command {
        Command::Session => session::run(&mut folder, &shell, namespace, voice)?,
        Command::List => commands::list(&folder, voice),
        Command::Check(name) => {
            return commands::check(named(name)?, &mut folder, &Cluster::open(&shell, namespace)?, voice);
        }
        Command::Hint(name) => commands::hint(named(name)?, &mut folder, voice)?,
        Command::Solution(name) => return Ok(commands::solution(named(name)?, &folder, voice)),
        Command::Question(name, None) => return Ok(commands::question(named(name)?, &folder, voice)),
        Command::Question(name, Some(answer)) => {
            let cluster = Cluster::open(&shell, namespace)?;
            return commands::answer(named(name)?, &mut folder, &cluster, answer, voice);
        }
        Command::Reset(name) => commands::reset(named(name)?, &mut folder, voice)?,
        Command::Clean => {}
    }
    Ok(true)
}
