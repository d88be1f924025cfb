//! The load of a row: both ways in, each on kept connections, on a new one for every request, and with requests that must
//! not be repeated.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use e2e::{Error, Ledger, Load, Shell};

use crate::args::Mode;

/// The port of the frontend on every node: not that of a release beside this one.
pub(crate) const NODE_PORT: u16 = 30090;
/// The host that the Ingress of the release serves.
pub(crate) const HOST: &str = "proof.example";

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

    /// What is asked for on `node`: `path` of the backend's API.
    fn urls(self, node: &str, path: &str) -> Vec<String> {
        match self {
            Self::NodePort => vec![format!("http://{node}:{NODE_PORT}/proxy/{path}")],
            Self::Ingress => vec![format!("http://{node}/api/{path}"), format!("http://{node}/proxy/{path}")],
        }
    }
}

/// What a stream sends, and over which connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// GET of the items on kept connections, 1 % of them slow.
    Kept,
    /// The same, each on a connection of its own.
    New,
    /// POST of a body of its own, which must come back, on kept connections. Who repeats one does it twice.
    Post,
}

/// One of the loads that run side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) entry: Entry,
    pub(crate) kind: Kind,
    /// Requests a second.
    pub(crate) rate: u32,
}

impl Stream {
    /// `kept`, `new` or `post`.
    pub(crate) fn kind_name(self) -> &'static str {
        match self.kind {
            Kind::Kept => "kept",
            Kind::New => "new",
            Kind::Post => "post",
        }
    }

    /// `nodeport-kept` and so on.
    pub(crate) fn name(self) -> String {
        format!("{}-{}", self.entry.name(), self.kind_name())
    }

    /// Starts it, for at most `limit`; its ledger goes into `folder`.
    pub(crate) fn start(self, shell: &Shell, folder: &Path, nodes: &[String], limit: Duration) -> Result<Load, Error> {
        let ledger = folder.join(format!("{}.json", self.name()));
        Load::try_start(shell, &format!("{} --ledger '{}'", self.arguments(nodes), ledger.display()), limit)
    }

    /// Connections to each node. A server says that it closes a connection in a reply, so within the 3 s of a drain each kept
    /// one must have a request; here it has one a second. Fewer connections would all be busy wherever replies take longer.
    fn connections(self) -> u32 {
        match self.kind {
            Kind::New => 100,
            Kind::Kept | Kind::Post => (self.rate / 2).clamp(4, 200),
        }
    }

    /// What `client load` is given, but for what the load ends with.
    fn arguments(self, nodes: &[String]) -> String {
        let path = if self.kind == Kind::Post { "echo" } else { "items" };
        let urls: Vec<String> = nodes.iter().flat_map(|node| self.entry.urls(node, path)).collect();
        let mut arguments = format!("{} --rate {} --connections {}", urls.join(" "), self.rate, self.connections());
        if self.entry == Entry::Ingress {
            let _ = write!(arguments, " --header 'Host: {HOST}'");
        }
        if self.kind == Kind::Post {
            return arguments + " --echo";
        }
        if self.kind == Kind::New {
            arguments += " --new-connections";
        }
        // 1 % in all, spread over the nodes and paths.
        let share = 1.0 / urls.len() as f64;
        for url in &urls {
            let _ = write!(arguments, " --mix '{share}%={url}?delay_ms=1000'");
        }
        arguments + " --contains '\"items\":['"
    }
}

/// Asks all `loads` to end, and returns their ledgers.
///
/// # Errors
/// If one had ended before, or left no ledger.
pub(crate) fn stop(loads: Vec<(Stream, Load)>) -> Result<Vec<(Stream, Ledger)>, Error> {
    for (_, load) in &loads {
        load.end();
    }
    loads
        .into_iter()
        .map(|(stream, load)| match load.try_stop() {
            Ok(ledger) => Ok((stream, ledger)),
            Err(error) => Err(Error::Failed(format!("{}: {error}", stream.name()))),
        })
        .collect()
}

/// The streams of a row. The full proof has to send a million requests within half an hour on two cores.
pub(crate) fn streams(mode: Mode, part: Part) -> [Stream; 6] {
    let divisor = match (mode, part) {
        (_, Part::Sample) => 8,
        (Mode::Short, Part::Whole) => 2,
        (Mode::Full, Part::Whole) => 1,
    };
    [
        (Entry::NodePort, Kind::Kept, 400),
        (Entry::NodePort, Kind::New, 120),
        (Entry::NodePort, Kind::Post, 48),
        (Entry::Ingress, Kind::Kept, 360),
        (Entry::Ingress, Kind::New, 80),
        (Entry::Ingress, Kind::Post, 40),
    ]
    .map(|(entry, kind, rate)| Stream { entry, kind, rate: rate / divisor })
}

/// How much of the load a row takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Whole,
    /// An eighth, where the load itself would change what the row is about.
    Sample,
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
            let new: u32 = streams.iter().filter(|stream| stream.kind == Kind::New).map(|stream| stream.rate).sum();
            assert!(new <= MOST_NEW_CONNECTIONS, "{mode:?}: {new}");
        }
        let all = |kind: Option<Kind>| -> u32 {
            let streams = streams(Mode::Full, Part::Whole);
            streams.iter().filter(|stream| kind.is_none_or(|kind| stream.kind == kind)).map(|stream| stream.rate).sum()
        };
        assert!((600..=1400).contains(&all(None)), "{}", all(None));
        assert!(all(None) * 60 * 20 >= 1_000_000, "20 of the 30 minutes are under load");
        let posts = all(Some(Kind::Post)) * 100 / all(None);
        assert!((5..=10).contains(&posts), "{posts} % are POST");
    }

    #[test]
    fn each_kept_connection_is_used_within_a_drain() {
        for (mode, part) in [(Mode::Full, Part::Whole), (Mode::Full, Part::Sample), (Mode::Short, Part::Whole)] {
            for stream in streams(mode, part) {
                let seconds = 2.0 * f64::from(stream.connections()) / f64::from(stream.rate);
                assert!(stream.kind == Kind::New || seconds < 2.0, "{}: every {seconds} s", stream.name());
            }
        }
    }

    #[test]
    fn slow_replies_are_one_percent_over_all_urls() {
        let nodes = ["10.0.0.1".to_owned(), "10.0.0.2".to_owned()];
        let stream = Stream { entry: Entry::Ingress, kind: Kind::New, rate: 80 };
        let arguments = stream.arguments(&nodes);
        assert_eq!(arguments.matches("--mix '0.25%=").count(), 4, "{arguments}");
        assert!(arguments.contains("--new-connections") && arguments.contains("Host: proof.example"), "{arguments}");
    }

    #[test]
    fn a_post_must_get_back_what_it_sends_on_a_kept_connection() {
        let stream = Stream { entry: Entry::NodePort, kind: Kind::Post, rate: 1 };
        let arguments = stream.arguments(&["10.0.0.1".to_owned()]);
        assert!(arguments.contains("http://10.0.0.1:30090/proxy/echo"), "{arguments}");
        assert!(arguments.contains("--echo"), "{arguments}");
        assert!(!arguments.contains("--new-connections") && !arguments.contains("delay_ms"), "{arguments}");
    }
}
