//! The client's open-loop load, and the ledger that it ends with.

use serde_json::Value;

use crate::json;
use crate::shell::{Background, Output, Shell};

/// A load that runs in the background while the test does something to the cluster.
#[derive(Debug)]
pub struct Load {
    client: Background,
}

impl Load {
    /// Starts `client load` with `arguments`, for ten minutes at the most.
    #[must_use]
    pub fn start(shell: &Shell, arguments: &str) -> Self {
        Self { client: shell.start(&format!("client load {arguments} --duration 600s --output json")) }
    }

    /// Ends the load and returns its ledger.
    ///
    /// # Panics
    /// If the load ended before, or without a ledger.
    #[must_use]
    pub fn stop(mut self) -> Ledger {
        let early = !self.client.is_running();
        let output = if early { self.client.finish() } else { self.client.terminate() };
        assert!(!early, "the load ended too early: {output}");
        Ledger::read(output)
    }
}

/// What became of every request of a load.
#[derive(Debug)]
pub struct Ledger {
    value: Value,
    output: Output,
}

impl Ledger {
    fn read(output: Output) -> Self {
        let value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("no ledger ({error}): {output}"));
        Self { value, output }
    }

    /// Requests sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        json::count(&self.value, "/requests/sent")
    }

    /// Requests lost, whatever the reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        json::count(&self.value, "/requests/lost")
    }

    /// Whether a version of a service answered.
    #[must_use]
    pub fn saw(&self, service: &str, version: &str) -> bool {
        json::list(&self.value, "/services")
            .iter()
            .filter(|entry| json::text(entry, "/service") == service)
            .flat_map(|entry| json::list(entry, "/versions"))
            .any(|entry| json::text(entry, "/version") == version)
    }

    /// Asserts that every request was answered, and enough of them were sent to mean something.
    ///
    /// # Panics
    /// If not; the message is the ledger.
    #[track_caller]
    pub fn assert_nothing_lost(&self, at_least: u64) {
        assert_eq!(self.lost(), 0, "requests were lost: {}", self.output);
        assert_eq!(json::count(&self.value, "/requests/answered"), self.sent(), "{}", self.output);
        assert!(self.sent() >= at_least, "only {} requests were sent: {}", self.sent(), self.output);
    }
}
