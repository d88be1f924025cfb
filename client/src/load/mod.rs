//! `client load`: an open loop of requests, and an account of what became of each.

use std::{io, path::Path, process::ExitCode};

use self::{drive::drive, origins::origins};
use crate::exit;
use crate::ledger::account::Account;
use crate::ledger::atomic_file::AtomicFile;
use crate::ledger::json::json;
use crate::ledger::run::Run;
use crate::ledger::table::table;
use crate::output::{print, tell};
use crate::plan::{Form, Plan};
use crate::stop::Stop;

mod absence;
mod drive;
mod limits;
mod origins;
mod pacer;
mod pools;
mod progress;
mod queue;
mod worker;

pub(crate) async fn run(plan: Plan, mut stop: Stop) -> ExitCode {
    let (origins, _) = origins(&plan);
    if let Err(error) = limits::admit(plan.connections * origins.len()) {
        return exit::with(exit::USAGE, format_args!("--connections: {error}"));
    }
    // A ledger that has nowhere to go is found out before the load, not after it.
    let file = match plan.ledger.as_deref().map(AtomicFile::at).transpose() {
        Ok(file) => file,
        Err(error) => return exit::with(exit::NOTHING, unwritten(&plan, &error)),
    };
    let (run, account) = match drive(plan, &mut stop).await {
        Ok(done) => done,
        Err(error) => return exit::with(exit::NOTHING, error),
    };
    match deliver(&run, &account, file) {
        Err(error) => exit::with(exit::NOTHING, format_args!("standard output: {error}")),
        Ok(Delivered::Elsewhere) => ExitCode::from(exit::NOTHING),
        Ok(Delivered::AsAsked) if account.requests.lost > 0 => ExitCode::from(exit::NOT_AS_ASKED),
        Ok(Delivered::AsAsked) => ExitCode::SUCCESS,
    }
}

fn unwritten(plan: &Plan, error: &io::Error) -> String {
    let path = plan.ledger.as_deref().unwrap_or(Path::new(""));
    format!("--ledger {}: {error}", path.display())
}

enum Delivered {
    AsAsked,
    /// To standard output, because its file could not be written.
    Elsewhere,
}

/// The file first: whatever becomes of what is printed, it is there.
fn deliver(run: &Run, account: &Account, file: Option<AtomicFile>) -> io::Result<Delivered> {
    let json = json(run, account)?;
    if let Some(file) = file
        && let Err(error) = file.write(json.as_bytes())
    {
        tell(format_args!("client: {}; the ledger is on standard output instead", unwritten(&run.plan, &error)));
        return print(&json).map(|()| Delivered::Elsewhere);
    }
    let text = match run.plan.output {
        Form::Table => table(run, account),
        Form::Json => json,
    };
    print(&text).map(|()| Delivered::AsAsked)
}
