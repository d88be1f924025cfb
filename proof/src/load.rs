//! The load of a row: both ways in, each on kept connections and on a new one for every request.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::args::Mode;
use crate::commands::{Commands, Error, signal, system};
use crate::ledger::Ledger;

/// The port of the frontend on every node: not that of a release beside this one.
pub(crate) const NODE_PORT: u16 = 30090;
/// The host that the Ingress of the release serves.
pub(crate) const HOST: &str = "proof.example";
/// From the signal that ends a load to its ledger: the client waits 5 s for what is in flight.
const END_LIMIT: Duration = Duration::from_secs(15);

/// A way into the cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    /// The node port of the frontend on every node, then the backend.
    NodePort,
    /// The ingress controller on every node, then the backend, or the frontend and the backend: half and half.
    Ingress,
}

impl Entry {
    /// As in file names and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NodePort => "nodeport",
            Self::Ingress => "ingress",
        }
    }

    /// What is asked for on `node`.
    fn urls(self, node: &str) -> Vec<String> {
        match self {
            Self::NodePort => vec![format!("http://{node}:{NODE_PORT}/proxy/items")],
            Self::Ingress => vec![format!("http://{node}/api/items"), format!("http://{node}/proxy/items")],
        }
    }
}

/// One of the four loads that run side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) entry: Entry,
    /// A new connection for every request, instead of kept ones.
    pub(crate) new_connections: bool,
    /// Requests a second.
    pub(crate) rate: u32,
}

impl Stream {
    /// `kept` or `new`.
    pub(crate) fn kind(self) -> &'static str {
        if self.new_connections { "new" } else { "kept" }
    }

    /// `nodeport-kept` and so on.
    pub(crate) fn name(self) -> String {
        format!("{}-{}", self.entry.name(), self.kind())
    }

    /// What `client load` is given, but for what the load ends with.
    fn arguments(self, nodes: &[String], slow: bool) -> String {
        let urls: Vec<String> = nodes.iter().flat_map(|node| self.entry.urls(node)).collect();
        let mut arguments = format!("{} --rate {} --connections 50", urls.join(" "), self.rate);
        if self.new_connections {
            arguments += " --new-connections";
        }
        if self.entry == Entry::Ingress {
            let _ = write!(arguments, " --header 'Host: {HOST}'");
        }
        if slow {
            // 1 % in all, spread over the nodes and paths.
            let share = 1.0 / urls.len() as f64;
            for url in &urls {
                let _ = write!(arguments, " --mix '{share}%={url}?delay_ms=1000'");
            }
        }
        arguments + " --contains '\"items\":['"
    }
}

/// The four streams of a row. The full proof has to send a million requests within half an hour on two cores.
pub(crate) fn streams(mode: Mode, part: Part) -> [Stream; 4] {
    let divisor = match (mode, part) {
        (_, Part::Sample) => 8,
        (Mode::Short, Part::Whole) => 2,
        (Mode::Full, Part::Whole) => 1,
    };
    [
        (Entry::NodePort, false, 400),
        (Entry::NodePort, true, 120),
        (Entry::Ingress, false, 360),
        (Entry::Ingress, true, 80),
    ]
    .map(|(entry, new_connections, rate)| Stream { entry, new_connections, rate: rate / divisor })
}

/// How much of the load a row takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// An eighth, where the load itself would change what the row is about.
    Sample,
}

/// A `client load` that runs.
#[derive(Debug)]
pub(crate) struct Load {
    stream: Stream,
    client: Child,
    ledger: PathBuf,
    messages: PathBuf,
}

impl Load {
    /// Starts `stream`, for at most `limit`; its ledger goes into `folder`.
    ///
    /// # Errors
    /// If the client can't be started.
    pub(crate) fn start(
        commands: &Commands,
        folder: &Path,
        stream: Stream,
        nodes: &[String],
        slow: bool,
        limit: Duration,
    ) -> Result<Self, Error> {
        let ledger = folder.join(format!("{}.json", stream.name()));
        let messages = folder.join(format!("{}.log", stream.name()));
        let command = format!(
            "exec client load {} --duration {}s --ledger '{}'",
            stream.arguments(nodes, slow),
            limit.as_secs(),
            ledger.display()
        );
        let log = File::create(&messages).map_err(system)?;
        let both = log.try_clone().map_err(system)?;
        let client = commands.bash(&command).stdout(Stdio::from(log)).stderr(Stdio::from(both)).spawn();
        Ok(Self { stream, client: client.map_err(system)?, ledger, messages })
    }

    /// Asks all `loads` to end, and returns their ledgers.
    ///
    /// # Errors
    /// If one had ended before, or left no ledger.
    pub(crate) fn stop(loads: Vec<Self>) -> Result<Vec<(Stream, Ledger)>, Error> {
        let mut early = Vec::new();
        for load in &loads {
            // A child that is not reaped keeps its number, so the signal can't meet another process.
            signal("TERM", &load.client.id().to_string());
        }
        let mut ledgers = Vec::new();
        for mut load in loads {
            let start = Instant::now();
            while load.client.try_wait().map_err(system)?.is_none() && start.elapsed() < END_LIMIT {
                sleep(Duration::from_millis(20));
            }
            let ledger = Ledger::read(&load.ledger).map_err(|error| {
                let said = fs::read_to_string(&load.messages).unwrap_or_default();
                format!("the load {} left no ledger: {error}\n{said}", load.stream.name())
            })?;
            if !ledger.stopped_early {
                early.push(load.stream.name());
            }
            ledgers.push((load.stream, ledger));
        }
        if early.is_empty() {
            Ok(ledgers)
        } else {
            Err(Error::Failed(format!("these loads were over before the row was: {}", early.join(", "))))
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Ok(None) = self.client.try_wait() {
            drop(self.client.kill());
            drop(self.client.wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Above some 400 new connections a second from one address, ports come back within `TIME_WAIT`.
    const MOST_NEW_CONNECTIONS: u32 = 350;

    #[test]
    fn the_full_load_sends_a_million_in_half_an_hour_and_few_new_connections() {
        for mode in [Mode::Short, Mode::Full] {
            let streams = streams(mode, Part::Whole);
            let new: u32 = streams.iter().filter(|stream| stream.new_connections).map(|stream| stream.rate).sum();
            assert!(new <= MOST_NEW_CONNECTIONS, "{mode:?}: {new}");
        }
        let all: u32 = streams(Mode::Full, Part::Whole).iter().map(|stream| stream.rate).sum();
        assert!((600..=1000).contains(&all), "{all}");
        assert!(all * 60 * 20 >= 1_000_000, "20 of the 30 minutes are under load");
    }

    #[test]
    fn slow_replies_are_one_percent_over_all_urls() {
        let nodes = ["10.0.0.1".to_owned(), "10.0.0.2".to_owned()];
        let stream = Stream { entry: Entry::Ingress, new_connections: true, rate: 80 };
        let arguments = stream.arguments(&nodes, true);
        assert_eq!(arguments.matches("--mix '0.25%=").count(), 4, "{arguments}");
        assert!(arguments.contains("--new-connections") && arguments.contains("Host: proof.example"), "{arguments}");
        assert!(!stream.arguments(&nodes, false).contains("delay_ms"));
    }
}
