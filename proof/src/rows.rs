//! The rows of the proof: what is done under load, and what may be lost meanwhile.

use std::time::Duration;

use e2e::{Error, Ledger};

use crate::acts;
use crate::args::Mode;
use crate::release::Release;
use crate::stream::{Entry, Kind, Part, Stream};

/// What a row has to show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Demand {
    /// Not one request may be lost.
    Lossless,
    /// Not one by way of the node ports; those of the ingress controller, which is what is restarted, are counted apart.
    LosslessBesideIngress,
    /// No request that may be repeated may be lost; the others are counted apart.
    LosslessIdempotent,
    /// Losses are counted, as the figure to improve on.
    Baseline,
}

impl Demand {
    /// Whether a loss of this load makes the proof fail.
    pub(crate) fn covers(self, stream: Stream) -> bool {
        match self {
            Self::Lossless => true,
            Self::LosslessBesideIngress => stream.entry == Entry::NodePort,
            Self::LosslessIdempotent => stream.kind != Kind::Post,
            Self::Baseline => false,
        }
    }

    /// Whether each request of this load has to be done exactly once. Who gets no answer to a GET may ask again; to a POST
    /// nobody may. A kill can come between an answer and its line in the log.
    pub(crate) fn is_once(self, stream: Stream) -> bool {
        matches!(self, Self::Lossless | Self::LosslessBesideIngress) && self.covers(stream)
    }

    /// As in the list of rows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lossless => "lossless",
            Self::LosslessBesideIngress => "lossless beside the ingress",
            Self::LosslessIdempotent => "lossless but for POST",
            Self::Baseline => "counted",
        }
    }
}

/// Looks at the ledgers of a row's loads.
type Check = fn(&[(Stream, Ledger)]) -> Result<(), String>;

#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// As for `--row`, and the name of its folder.
    pub(crate) name: &'static str,
    /// What is done, for the table.
    pub(crate) what: &'static str,
    pub(crate) demand: Demand,
    /// Flags of helm with which the release is prepared before the load starts.
    pub(crate) flags: &'static str,
    pub(crate) short: bool,
    pub(crate) part: Part,
    pub(crate) act: fn(&Release) -> Result<(), Error>,
    /// What else must be true of the ledgers.
    pub(crate) check: Check,
}

/// What most rows are: lossless, under the whole load, in both proofs, with the chart's own values.
const ROW: Row = Row {
    name: "",
    what: "",
    demand: Demand::Lossless,
    flags: "",
    short: true,
    part: Part::Whole,
    act: |_| Ok(()),
    check: |_| Ok(()),
};

/// All rows, in the order in which they are done.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "upgrade",
        what: "helm upgrade v1 to v2 and rollback, both services at once",
        act: |release| acts::there_and_back(release, "--set image.tag=v2", release.times(1, 10)),
        check: |ledgers| versions(ledgers, &[("backend", "v2"), ("frontend", "v2")]),
        ..ROW
    },
    Row {
        name: "frontend",
        what: "the frontend alone upgraded and rolled back",
        act: |release| acts::there_and_back(release, "--set services.frontend.image.tag=v2", 1),
        check: |ledgers| versions(ledgers, &[("frontend", "v2")]),
        ..ROW
    },
    Row {
        name: "backend",
        what: "the backend alone upgraded and rolled back",
        short: false,
        act: |release| acts::there_and_back(release, "--set services.backend.image.tag=v2", 1),
        check: |ledgers| versions(ledgers, &[("backend", "v2")]),
        ..ROW
    },
    Row {
        name: "autoscale",
        what: "the autoscaler adds backends and takes them away",
        flags: "-f values/fast-scaling.yaml --set services.backend.autoscaling.enabled=true",
        // The whole load would keep the autoscaler at its maximum.
        part: Part::Sample,
        short: false,
        act: acts::autoscale,
        ..ROW
    },
    Row { name: "scale", what: "kubectl scale to 8 backends and down to 2", act: acts::scale, ..ROW },
    Row { name: "delete-each", what: "pods deleted one by one", act: acts::delete_each, ..ROW },
    Row {
        name: "drain",
        what: "kubectl drain and uncordon of a node, in the full proof of each",
        act: acts::drain,
        ..ROW
    },
    Row { name: "wrong-tag", what: "upgrade to a tag that does not exist", act: acts::wrong_tag, ..ROW },
    Row { name: "never-ready", what: "upgrade to pods that never become ready", act: acts::never_ready, ..ROW },
    Row { name: "crash", what: "upgrade to pods that crash at start", act: acts::crash, ..ROW },
    Row {
        name: "config",
        what: "a setting changed in the ConfigMap",
        flags: acts::CONFIG_MAP,
        act: acts::config,
        ..ROW
    },
    Row {
        name: "delete-label",
        what: "all backends deleted at once, by label",
        // No budget protects from this. preStop must outlast a start, so that old pods serve until new ones are ready;
        // and the ingress controller must leave the choice of the pod to kube-proxy, which falls back on pods that are
        // terminating: by itself it answers 503 while no other is there.
        flags: "--set services.backend.lifecycle.preStopSeconds=15 \
                --set-string 'ingress.annotations.nginx\\.ingress\\.kubernetes\\.io/service-upstream=true'",
        act: acts::delete_label,
        ..ROW
    },
    Row {
        name: "ingress",
        what: "the ingress controller restarted",
        demand: Demand::LosslessBesideIngress,
        act: acts::ingress,
        ..ROW
    },
    Row { name: "sigkill", what: "a backend killed with SIGKILL", demand: Demand::Baseline, act: acts::sigkill, ..ROW },
    Row {
        name: "sigkill-gateway",
        what: "the same, behind a gateway that knows the pods",
        demand: Demand::LosslessIdempotent,
        flags: "-f values/gateway.yaml",
        act: acts::sigkill,
        ..ROW
    },
    Row {
        name: "kubelet",
        what: "the kubelet of a node stopped for a while",
        demand: Demand::Baseline,
        act: acts::kubelet,
        ..ROW
    },
    Row {
        name: "frozen",
        what: "a backend frozen (SIGSTOP) for 8 s",
        demand: Demand::Baseline,
        act: acts::frozen,
        ..ROW
    },
    Row {
        name: "frozen-gateway",
        what: "the same, behind a gateway that knows the pods",
        demand: Demand::LosslessIdempotent,
        flags: "-f values/gateway.yaml",
        act: acts::frozen,
        ..ROW
    },
];

/// Asserts that these services answered in these versions, and in version 1: else nothing was rolled.
fn versions(ledgers: &[(Stream, Ledger)], new: &[(&str, &str)]) -> Result<(), String> {
    let saw = |service: &str, version: &str| ledgers.iter().any(|(_, ledger)| ledger.saw(service, version));
    match new.iter().find(|(service, version)| !saw(service, version) || !saw(service, "v1")) {
        Some((service, version)) => Err(format!("{service} did not answer both in v1 and in {version}")),
        None => Ok(()),
    }
}

impl Row {
    /// The longest that its load may run.
    pub(crate) fn limit(&self, mode: Mode) -> Duration {
        match (mode, self.name) {
            (Mode::Full, "upgrade") => Duration::from_secs(1500),
            (Mode::Full, "autoscale") => Duration::from_secs(600),
            // Up to here the ledger's timeline has tenths of a second.
            _ => Duration::from_secs(300),
        }
    }
}

/// The rows with these `names`; all that `mode` has if there is none.
///
/// # Errors
/// A name that no row has.
pub(crate) fn chosen(mode: Mode, names: &[String]) -> Result<Vec<Row>, String> {
    if names.is_empty() {
        return Ok(ROWS.iter().filter(|row| mode == Mode::Full || row.short).copied().collect());
    }
    names
        .iter()
        .map(|name| {
            ROWS.iter().find(|row| row.name == name).copied().ok_or_else(|| {
                let known: Vec<_> = ROWS.iter().map(|row| row.name).collect();
                format!("--row {name}: no such row; there are {}", known.join(", "))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_that_is_a_folder() {
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        assert!(names.iter().all(|name| !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'-')));
        assert!(ROWS.iter().all(|row| !row.what.is_empty()));
    }

    #[test]
    fn a_demand_leaves_out_only_the_loads_that_its_name_says() {
        for (demand, node_port, ingress, post) in [
            (Demand::Lossless, true, true, true),
            (Demand::LosslessBesideIngress, true, false, true),
            (Demand::LosslessIdempotent, true, true, false),
            (Demand::Baseline, false, false, false),
        ] {
            let covers = |entry, kind| demand.covers(Stream { entry, kind, rate: 1 });
            for kind in [Kind::Kept, Kind::New] {
                assert_eq!(covers(Entry::NodePort, kind), node_port, "{demand:?}");
                assert_eq!(covers(Entry::Ingress, kind), ingress, "{demand:?}");
            }
            assert_eq!(covers(Entry::NodePort, Kind::Post), post, "{demand:?}");
        }
    }

    /// What the page of the proof promises, and what it shows: the rows it names as exceptions are those that may lose, and no
    /// load of its table lost what its row forbids.
    #[test]
    fn only_the_rows_that_the_page_names_may_lose_and_its_figures_keep_to_it() {
        let page = include_str!("../../docs/proof.md");
        let (_, exceptions) = page.split_once("Nothing, but for these:").unwrap();
        let (exceptions, _) = exceptions.split_once("\n## ").unwrap();
        let named = exceptions.lines().filter_map(|line| line.strip_prefix("- ")?.split_once(": "));
        let named: BTreeSet<_> =
            named.flat_map(|(names, _)| names.split(", ").map(|name| name.trim_matches('`'))).collect();
        let may_lose = ROWS.iter().filter(|row| row.demand != Demand::Lossless);
        assert_eq!(named, may_lose.map(|row| row.name).collect());

        let (_, run) = page.split_once("\n## A run\n").unwrap();
        let mut rows = BTreeSet::new();
        for line in run.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| row ")) {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [name, entry, load, _, lost, ..] = cells[..] else { panic!("{line}") };
            let row = ROWS.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row {name}"));
            let entry = [Entry::NodePort, Entry::Ingress].into_iter().find(|known| known.name() == entry).unwrap();
            let streams = [Kind::Kept, Kind::New, Kind::Post].map(|kind| Stream { entry, kind, rate: 1 });
            let stream = streams.into_iter().find(|stream| stream.kind_name() == load).unwrap();
            assert!(lost == "0" || !row.demand.covers(stream), "{line}");
            rows.insert(name);
        }
        assert!(rows.len() > 10, "{rows:?}");
    }

    #[test]
    fn rows_are_chosen_by_mode_or_by_name() {
        assert_eq!(chosen(Mode::Full, &[]).unwrap().len(), ROWS.len());
        assert!(chosen(Mode::Short, &[]).unwrap().len() < ROWS.len());
        let one = chosen(Mode::Short, &["autoscale".to_owned()]).unwrap();
        assert_eq!(one[0].name, "autoscale");
        let error = chosen(Mode::Full, &["drane".to_owned()]).err().unwrap();
        assert!(error.contains("drane") && error.contains("drain"), "{error}");
    }
}
