//! The client's open-loop load, which runs while something is done to the cluster.

use std::time::Duration;

use crate::shell::{Background, Shell};
use crate::{Error, Ledger};

/// The longest that a test's load runs.
const LIMIT: Duration = Duration::from_secs(600);

/// A load that runs in the background.
#[derive(Debug)]
pub struct Load {
    client: Background,
}

impl Load {
    /// Starts `client load` with `arguments`, for ten minutes at the most.
    pub fn start(shell: &Shell, arguments: &str) -> Self {
        Self::try_start(shell, arguments, LIMIT).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts `client load` with `arguments`, for at most `limit`.
    pub fn try_start(shell: &Shell, arguments: &str, limit: Duration) -> Result<Self, Error> {
        let command = format!("client load {arguments} --duration {}s --output json", limit.as_secs());
        Ok(Self { client: shell.try_start(&command)? })
    }

    /// Ends the load and returns its ledger.
    pub fn stop(self) -> Ledger {
        self.end();
        self.try_stop().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Asks the load to end. Where there are several, all are asked before one is waited for.
    pub fn end(&self) {
        self.client.end();
    }

    /// Waits for the end of a load that was asked to, and returns its ledger.
    pub fn try_stop(self) -> Result<Ledger, Error> {
        let output = self.client.try_finish()?;
        let ledger = Ledger::parse(&output.stdout).map_err(|error| format!("no ledger ({error}): {output}"))?;
        if ledger.stopped_early {
            Ok(ledger)
        } else {
            Err(Error::Failed(format!("the load ended too early: {output}")))
        }
    }
}
