//! `proof`: does to a release under load what a cluster does to pods, and counts the requests that are lost.

use std::fs;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use e2e::{Error, Load};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Asked, Mode};
use crate::logs::Logs;
use crate::release::Release;
use crate::rows::{ROWS, Row};
use crate::stream::{NODE_PORT, streams};
use crate::summary::Outcome;

mod acts;
mod args;
mod identity;
mod logs;
mod overview;
mod picture;
mod plot;
mod process;
mod release;
mod rows;
mod stream;
mod summary;

/// Exit status when the cluster could not be prepared.
const EXIT_CLUSTER: u8 = 2;
/// Exit status of a command line that is not understood (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// Exit status after SIGINT or SIGTERM.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let chosen = match args::parse(std::env::args_os().skip(1)) {
        Ok(Asked::Help) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Asked::List) => {
            for row in ROWS {
                println!("{:14}{:28}{}", row.name, row.demand.name(), row.what);
            }
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Run { mode, rows, output }) => rows::chosen(mode, &rows).map(|rows| (mode, rows, output)),
        Err(error) => Err(error),
    };
    let (mode, rows, output) = match chosen {
        Ok(chosen) => chosen,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };

    let interrupted = Arc::new(AtomicBool::new(false));
    let release = listen(&interrupted).map_err(Error::from).and_then(|()| Release::open(mode, &output, interrupted));
    let release = match release {
        Ok(release) => release,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(EXIT_CLUSTER);
        }
    };
    let code = run(&release, mode, &rows);
    release.close();
    code
}

/// Does the rows one after the other, and tells what came of them.
fn run(release: &Release, mode: Mode, rows: &[Row]) -> ExitCode {
    if let Err(error) = install(release) {
        eprintln!("error: {error}");
        return ExitCode::from(EXIT_CLUSTER);
    }
    let mut outcomes = Vec::new();
    for row in rows {
        match prove(release, mode, row) {
            Ok(outcome) => outcomes.push(outcome),
            Err(Error::Interrupted) => {
                eprintln!("interrupted");
                return ExitCode::from(EXIT_INTERRUPTED);
            }
            Err(Error::Failed(failure)) => {
                eprintln!("{}: {failure}", row.name);
                outcomes.push(Outcome::undone(*row, failure));
            }
        }
    }
    println!("\n{}", summary::text(&outcomes));
    println!(
        "{:.0} s in all. Ledgers, pictures and table: {}/",
        release.elapsed().as_secs_f64(),
        release.folder.display()
    );
    for (file, text) in [("summary.md", summary::markdown(&outcomes)), ("overview.svg", overview::svg(&outcomes))] {
        if let Err(error) = fs::write(release.folder.join(file), text) {
            eprintln!("error: {file} can't be written: {error}");
            return ExitCode::FAILURE;
        }
    }
    if outcomes.iter().all(Outcome::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Installs the release, and checks that its backends have what the loads ask for.
fn install(release: &Release) -> Result<(), Error> {
    release.prepare("")?;
    let url = |path: &str| format!("'http://{}:{NODE_PORT}/proxy/{path}'", release.nodes[0]);
    for ask in [url("items?delay_ms=1000"), url("echo") + " --data it"] {
        release.shell.try_run(&format!("client get -q {ask}")).map_err(|error| match error {
            Error::Interrupted => error,
            Error::Failed(why) => Error::Failed(format!(
                "the backend can't do this; if its image is older than the proof: make up\n{why}"
            )),
        })?;
    }
    release.say("1 % of the requests take 1 s");
    Ok(())
}

/// Does one row under load, and leaves its ledgers and its picture.
fn prove(release: &Release, mode: Mode, row: &Row) -> Result<Outcome, Error> {
    let folder = release.folder.join(row.name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(&folder)?,
    }
    release.say(&format!("--- {}: {}", row.name, row.what));
    release.prepare(row.flags)?;
    let logs = Logs::follow(release.log_folders()?)?;
    release.take_events();

    let loads: Vec<(_, Load)> = streams(mode, row.part)
        .into_iter()
        .map(|stream| {
            let load = stream.start(&release.shell, &folder, &release.nodes, row.limit(mode))?;
            Ok((stream, load))
        })
        .collect::<Result<_, Error>>()?;
    let act = (row.act)(release).and_then(|()| release.settle());
    if act == Err(Error::Interrupted) {
        return Err(Error::Interrupted);
    }
    let ledgers = stream::stop(loads)?;
    let events = release.take_events();
    let identities = identity::compare(logs, &ledgers)?;

    let mut failures: Vec<String> = act.err().map(|error| error.to_string()).into_iter().collect();
    failures.extend((row.check)(&ledgers).err());
    for ((stream, _), identity) in ledgers.iter().zip(&identities) {
        failures.extend(identity.verdict(*stream, row.demand).err());
    }
    for failure in &failures {
        eprintln!("{}: {failure}", row.name);
    }
    let failure = (!failures.is_empty()).then(|| failures.join("; "));
    let outcome = Outcome { row: *row, ledgers, identities, events, failure };
    fs::write(folder.join("timeline.svg"), picture::svg(&outcome))?;
    release.say(&format!("{}: {} sent, {} lost", row.name, outcome.sent(), outcome.lost()));
    Ok(outcome)
}

/// Sets the flag at the first SIGINT or SIGTERM; a second one changes nothing, as what follows is the cleaning up.
fn listen(interrupted: &Arc<AtomicBool>) -> io::Result<()> {
    let interrupted = Arc::clone(interrupted);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut term) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = term.recv() => {}
            }
        });
        interrupted.store(true, Ordering::Relaxed);
        eprintln!("ending: the loads, then the release");
        // The handlers stay in place as long as the runtime is there.
        runtime.block_on(std::future::pending::<()>());
    });
    Ok(())
}
