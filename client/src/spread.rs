//! `client spread`: how evenly the last part of a load was spread over the pods, read from its ledger.

use std::{
    collections::BTreeMap, fmt::Write as _, fs::File, io::Read as _, path::PathBuf, process::ExitCode, time::Duration,
};

use contract::ledger::Timeline;
use serde::Deserialize;

use crate::{exit, output::print};

/// A ledger of the longest load, with a hundred pods, has a tenth of this.
const MAX_LEDGER: u64 = 64 << 20;

#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The ledger, as `load --ledger` writes it.
    pub(crate) ledger: PathBuf,
    /// The part that counts: this long, up to the last answer; all of it if none is given.
    pub(crate) last: Option<Duration>,
    /// How many pods each service has; where it is not given, those that answered.
    pub(crate) pods: Vec<(String, usize)>,
    /// How far from even a pod's share may be, as a part of an even share.
    pub(crate) within: Option<f64>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let spread = match read(options).and_then(|ledger| Spread::of(&ledger, options)) {
        Ok(spread) => spread,
        Err(error) => return exit::with(exit::NOTHING, format_args!("{}: {error}", options.ledger.display())),
    };
    if let Err(error) = print(&spread.table()) {
        return exit::not_printed(&error);
    }
    match options.within {
        Some(within) if spread.furthest() > within => exit::with(
            exit::NOT_AS_ASKED,
            format_args!(
                "a share is {:.0} % from even, which is more than {:.0} %",
                spread.furthest() * 100.0,
                within * 100.0
            ),
        ),
        _ => ExitCode::SUCCESS,
    }
}

/// The part of a ledger that says who answered when.
#[derive(Deserialize)]
struct Ledger {
    timeline: Timeline,
}

fn read(options: &Options) -> Result<Ledger, String> {
    let mut text = String::new();
    let file = File::open(&options.ledger).map_err(|error| error.to_string())?;
    file.take(MAX_LEDGER).read_to_string(&mut text).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("no ledger of 'client load --ledger': {error}"))
}

#[derive(Debug, PartialEq)]
struct Spread {
    /// What was counted.
    length: Duration,
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Default, PartialEq)]
struct Service {
    /// Version, pod and answers, the pods that answered nothing left out.
    pods: Vec<(String, String, u64)>,
    /// How many there should be.
    wanted: usize,
}

impl Spread {
    fn of(ledger: &Ledger, options: &Options) -> Result<Self, String> {
        let Timeline { bin_ms, answers, .. } = &ledger.timeline;
        let end = answers.iter().map(|one| one.first_bin.saturating_add(one.counts.len() as u64)).max().unwrap_or(0);
        let bins = match options.last {
            Some(last) => (last.as_millis() / u128::from((*bin_ms).max(1))) as u64,
            None => end,
        };
        if end == 0 || bins == 0 || bins > end {
            let length = Duration::from_millis(bin_ms.saturating_mul(end));
            return Err(format!(
                "its answers cover {} s, which has to be more than is asked for",
                length.as_secs_f64()
            ));
        }
        let mut services = BTreeMap::<String, Service>::new();
        for one in answers {
            let before = (end - bins).saturating_sub(one.first_bin);
            let count: u64 = one.counts.iter().skip(before as usize).sum();
            let service = services.entry(one.service.clone()).or_default();
            if count > 0 {
                service.pods.push((one.version.clone(), one.pod.clone(), count));
            }
        }
        for service in services.values_mut() {
            service.pods.sort_unstable();
            service.wanted = service.pods.len();
        }
        for (name, wanted) in &options.pods {
            services.entry(name.clone()).or_default().wanted = *wanted;
        }
        Ok(Self { length: Duration::from_millis(bin_ms * bins), services })
    }

    /// The greatest distance of a pod's share from an even one, as a part of the even one.
    fn furthest(&self) -> f64 {
        self.services.values().map(Service::furthest).fold(0.0, f64::max)
    }

    fn table(&self) -> String {
        let names = self.services.keys().map(String::len);
        let service_width = names.max().unwrap_or(0).max("SERVICE".len());
        let pods = self.services.values().flat_map(|service| service.pods.iter().map(|(_, pod, _)| pod.len()));
        let pod_width = pods.max().unwrap_or(0).max("(answered nothing)".len());
        let mut text = format!("the last {} s\n", self.length.as_secs_f64());
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:service_width$}  {:pod_width$}  ANSWERS   SHARE  FROM EVEN", "SERVICE", "POD");
        for (name, service) in &self.services {
            let silent = service.wanted.saturating_sub(service.pods.len());
            let silent = std::iter::repeat_n(("(answered nothing)", 0), silent);
            for (pod, count) in service.pods.iter().map(|(_, pod, count)| (pod.as_str(), *count)).chain(silent) {
                let _ = writeln!(
                    text,
                    "{name:service_width$}  {pod:pod_width$}  {count:>7}  {:>4.1} %  {:>+7.1} %",
                    service.share(count) * 100.0,
                    service.distance(count) * 100.0
                );
            }
        }
        text
    }
}

impl Service {
    fn share(&self, count: u64) -> f64 {
        let all: u64 = self.pods.iter().map(|(_, _, count)| count).sum();
        if all == 0 { 0.0 } else { count as f64 / all as f64 }
    }

    fn distance(&self, count: u64) -> f64 {
        self.share(count) * self.wanted as f64 - 1.0
    }

    fn furthest(&self) -> f64 {
        let silent = if self.wanted > self.pods.len() { 1.0 } else { 0.0 };
        self.pods.iter().map(|(_, _, count)| self.distance(*count).abs()).fold(silent, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use contract::ledger::AnswerSeries;

    use super::*;

    /// Two pods for 4 bins of 100 ms, and a third one in the last two.
    fn ledger() -> Ledger {
        let answers = |pod: &str, first_bin, counts: &[u64]| AnswerSeries {
            service: "backend".to_owned(),
            version: "v1".to_owned(),
            pod: pod.to_owned(),
            first_bin,
            counts: counts.to_vec(),
        };
        let answers = vec![answers("a", 0, &[9, 9, 4, 4]), answers("b", 0, &[9, 9]), answers("c", 2, &[6, 6])];
        Ledger { timeline: Timeline { bin_ms: 100, answers, lost: Vec::new() } }
    }

    fn options(last_ms: Option<u64>, pods: &[(&str, usize)]) -> Options {
        Options {
            ledger: PathBuf::new(),
            last: last_ms.map(Duration::from_millis),
            pods: pods.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            within: None,
        }
    }

    #[test]
    fn only_the_last_part_counts() {
        let spread = Spread::of(&ledger(), &options(Some(200), &[])).unwrap();
        assert_eq!(
            spread.table(),
            "the last 0.2 s\n\
             SERVICE  POD                 ANSWERS   SHARE  FROM EVEN\n\
             backend  a                         8  40.0 %    -20.0 %\n\
             backend  c                        12  60.0 %    +20.0 %\n"
        );
        assert!((spread.furthest() - 0.2).abs() < 1e-9);
        let all = Spread::of(&ledger(), &options(None, &[])).unwrap();
        assert_eq!(all.services["backend"].pods.iter().map(|pod| pod.2).collect::<Vec<_>>(), [26, 18, 12]);
    }

    #[test]
    fn a_pod_that_answered_nothing_is_as_far_from_even_as_can_be() {
        let spread = Spread::of(&ledger(), &options(Some(200), &[("backend", 3)])).unwrap();
        assert!(spread.table().contains("(answered nothing)        0   0.0 %   -100.0 %"), "{}", spread.table());
        assert!((spread.furthest() - 1.0).abs() < 1e-9);
        let absent = Spread::of(&ledger(), &options(None, &[("frontend", 2)])).unwrap();
        assert!((absent.furthest() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn more_than_there_is_is_refused() {
        assert!(Spread::of(&ledger(), &options(Some(500), &[])).unwrap_err().contains("0.4 s"));
        assert!(Spread::of(&ledger(), &options(Some(50), &[])).is_err());
        let nothing = Ledger { timeline: Timeline { bin_ms: 100, ..Timeline::default() } };
        assert!(Spread::of(&nothing, &options(None, &[])).is_err());
    }
}
