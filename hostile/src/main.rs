//! `hostile`: sends the corpus through this gateway, and with `--peers` through others, and writes what became of it.

use std::path::PathBuf;
use std::process::ExitCode;

use hostile::corpus::{self, Case};
use hostile::lanes;
use hostile::proxy::Kind;
use hostile::report::{self, Column};
use lexopt::prelude::*;

/// Exit status of a command line that is not understood (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

const HELP: &str = "\
hostile: hostile requests through this gateway

Usage: hostile [--peers] [--only TEXT] [--output FILE]

  --peers        through nginx, HAProxy and Traefik as well
  --only TEXT    the cases whose family or name holds TEXT, with what became of each
  --output FILE  write the page there instead of to standard output
  --format       the form of a corpus file
";

#[derive(Debug, Default)]
struct Args {
    peers: bool,
    only: Option<String>,
    output: Option<PathBuf>,
    print: Option<&'static str>,
}

fn main() -> ExitCode {
    let args = match parse() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("hostile: {error}; see hostile --help");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if let Some(text) = args.print {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("hostile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Args, lexopt::Error> {
    let mut args = Args::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("peers") => args.peers = true,
            Long("only") => args.only = Some(parser.value()?.string()?),
            Long("output") => args.output = Some(parser.value()?.into()),
            Long("help") | Short('h') => args.print = Some(HELP),
            Long("format") => args.print = Some(corpus::FORMAT),
            other => return Err(other.unexpected()),
        }
    }
    Ok(args)
}

/// True if this gateway did as every case expects, without a disagreement.
fn run(args: &Args) -> Result<bool, Box<dyn std::error::Error>> {
    let wanted =
        |case: &Case| args.only.as_ref().is_none_or(|text| case.family.contains(text) || case.name.contains(text));
    let cases = corpus::all().map_err(|mistake| mistake.to_string())?;
    let cases: Vec<Case> = cases.into_iter().filter(wanted).collect();
    let mut columns = Vec::new();
    for kind in if args.peers { &Kind::ALL[..] } else { &[Kind::Gateway] } {
        let version = kind.version()?;
        eprintln!("{} {version}: {} cases", kind.name(), cases.len());
        columns.push(Column { kind: *kind, version, outcomes: lanes::run(*kind, &cases)? });
    }
    if args.only.is_some() {
        for outcome in columns.iter().flat_map(|column| &column.outcomes) {
            println!("{}: {:?} {:?}", outcome.case.name, outcome.heard, outcome.record);
        }
    }
    let page = report::page(&columns);
    match &args.output {
        Some(file) => std::fs::write(file, page)?,
        None => print!("{page}"),
    }
    let mut good = true;
    for outcome in columns.iter().filter(|column| column.kind == Kind::Gateway).flat_map(|column| &column.outcomes) {
        let surprises = outcome.surprises();
        if !surprises.is_empty() || outcome.disagreement().is_some() {
            eprintln!("{}, {}:{surprises}", outcome.case.family, outcome.case.name);
            good = false;
        }
    }
    Ok(good)
}
