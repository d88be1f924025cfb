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
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match run(command, &path, &namespace) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(EXIT_UNDONE)
        }
    }
}

/// Does a command; whether all is well.
fn run(command: Command, path: &Path, namespace: &str) -> Result<bool, Error> {
    let voice = Voice::of_the_environment();
    let shell = Shell::default();
    if matches!(command, Command::Clean) {
        shell.try_run(&format!("kubectl delete namespace {namespace} --ignore-not-found"))?;
        return Ok(true);
    }
    let mut folder = Folder::open(path)?;
    match command {
        Command::Session => session::run(&mut folder, &shell, namespace, voice)?,
        Command::List => commands::list(&folder, voice),
        Command::Check(exercise) => {
            return commands::check(exercise, &mut folder, &Cluster::open(&shell, namespace)?, voice);
        }
        Command::Hint(exercise) => commands::hint(exercise, &mut folder, voice)?,
        Command::Solution(exercise) => return Ok(commands::solution(exercise, &folder, voice)),
        Command::Question(exercise, None) => return Ok(commands::question(exercise, &folder, voice)),
        Command::Question(exercise, Some(answer)) => {
            let cluster = Cluster::open(&shell, namespace)?;
            return commands::answer(exercise, &mut folder, &cluster, &answer, voice);
        }
        Command::Reset(exercise) => commands::reset(exercise, &mut folder, voice)?,
        Command::Clean => {}
    }
    Ok(true)
}
