//! One line on standard error while a load runs.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::ledger::account::{Account, Server};
use crate::output::{draw, tell};

const REDRAWN_EVERY: Duration = Duration::from_millis(500);
const LOGGED_EVERY: Duration = Duration::from_secs(5);

/// Shows the state of `ledger` until it is aborted, and then takes its line off the terminal.
pub(super) async fn show(account: Rc<RefCell<Account>>, start: Instant, planned: u64) {
    let terminal = io::stderr().is_terminal();
    let _erased = terminal.then(|| Erase);
    let every = if terminal { REDRAWN_EVERY } else { LOGGED_EVERY };
    let mut ticks = tokio::time::interval_at((start + every).into(), every);
    loop {
        ticks.tick().await;
        let line = line(&account.borrow(), start.elapsed(), planned);
        if terminal {
            draw(format_args!("\r{line}\x1b[K"));
        } else {
            tell(line);
        }
    }
}

struct Erase;

impl Drop for Erase {
    fn drop(&mut self) {
        draw("\r\x1b[K");
    }
}

fn line(account: &Account, elapsed: Duration, planned: u64) -> String {
    let mut line = format!(
        "{:6.1} s  {} connections opened, {} of {planned} due, {} answered, {} lost",
        elapsed.as_secs_f64(),
        account.connections.opened,
        account.requests.due,
        account.requests.answered,
        account.requests.lost,
    );
    for version in account.servers(Server::by_name).chunk_by(|a, b| a.is_like(b)) {
        let (count, ..) = Server::together(version);
        // Writing to a string does not fail.
        let _ = write!(line, "  {}/{} {count}", version[0].service, version[0].version);
    }
    line
}
