//! What the ledgers of a row say over time, and the parts of a picture that show it. SVG by hand.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use e2e::Ledger;

/// Where the time axis begins and how wide it is; names stand left of it.
pub(crate) const LEFT: f64 = 250.0;
pub(crate) const WIDTH: f64 = 720.0;
const RIGHT: f64 = 30.0;
/// The finest step of the time axis, in parts of its width.
const COLUMNS: u64 = 360;
/// Versions by colour, first come first: blue, gold, violet, green; readable on light and dark, none near the red of losses.
const COLOURS: [&str; 4] = ["#4a86c8", "#c99a1e", "#8d6cc0", "#3f9c6d"];

/// The attributes of words that stand back, and of those that must not be overlooked.
pub(crate) const DIM: &str = "class=\"dim\"";
pub(crate) const LOST: &str = "class=\"lost-text\"";

const STYLE: &str = "<style>
  svg { color-scheme: light dark; }
  .back { fill: #ffffff; } text { font: 11px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; } .name { font-weight: 600; } .dim { fill: #57606a; }
  .axis { stroke: #8c959f; stroke-width: 1; } .event { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 2 3; }
  .empty { fill: #8c959f; opacity: 0.12; } .lost { fill: #d1242f; } .lost-text { fill: #d1242f; font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117; } text { fill: #e6edf3; } .dim { fill: #9198a1; }
    .lost { fill: #ff5c5c; } .lost-text { fill: #ff7b72; }
  }
</style>\n";

/// What the ledgers of a row say together, in steps of the time axis.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Plot {
    /// Where the time axis begins, in milliseconds since 1970.
    pub(crate) start_unix_ms: u64,
    pub(crate) step_ms: u64,
    pub(crate) steps: usize,
    /// Answers by backend version.
    pub(crate) versions: BTreeMap<String, Vec<u64>>,
    /// Answers by service, version and pod.
    pub(crate) pods: BTreeMap<(String, String, String), Vec<u64>>,
    pub(crate) lost: Vec<u64>,
}

impl Plot {
    pub(crate) fn new<'l>(ledgers: impl IntoIterator<Item = &'l Ledger>) -> Self {
        let ledgers: Vec<_> = ledgers.into_iter().collect();
        let start = ledgers.iter().map(|ledger| ledger.started_unix_ms).min().unwrap_or(0);
        let bin_ms = ledgers.iter().map(|ledger| ledger.timeline.bin_ms).max().unwrap_or(1000).max(1);
        let end = |first: u64, counts: &[u64], ledger: &Ledger| {
            ledger.started_unix_ms - start + (first + counts.len() as u64) * ledger.timeline.bin_ms
        };
        let length = ledgers
            .iter()
            .flat_map(|ledger| {
                let answers =
                    ledger.timeline.answers.iter().map(|series| end(series.first_bin, &series.counts, ledger));
                let lost = ledger.timeline.lost.iter().map(|series| end(series.first_bin, &series.counts, ledger));
                answers.chain(lost)
            })
            .max()
            .unwrap_or(0)
            .max(1);
        // A whole number of bins, so that a steady rate is drawn as one.
        let step_ms = length.div_ceil(COLUMNS).div_ceil(bin_ms) * bin_ms;
        let steps = length.div_ceil(step_ms) as usize;

        let mut plot = Self {
            start_unix_ms: start,
            step_ms,
            steps,
            versions: BTreeMap::new(),
            pods: BTreeMap::new(),
            lost: vec![0; steps],
        };
        for ledger in &ledgers {
            let offset = ledger.started_unix_ms - start;
            let bin = ledger.timeline.bin_ms;
            for series in &ledger.timeline.answers {
                let name = (series.service.clone(), series.version.clone(), series.pod.clone());
                let lane = plot.pods.entry(name).or_insert_with(|| vec![0; steps]);
                add(lane, offset, bin, step_ms, series.first_bin, &series.counts);
                // Each answer passed one backend, and some a frontend as well: counted once.
                if series.service == "backend" {
                    let version = plot.versions.entry(series.version.clone()).or_insert_with(|| vec![0; steps]);
                    add(version, offset, bin, step_ms, series.first_bin, &series.counts);
                }
            }
            for series in &ledger.timeline.lost {
                add(&mut plot.lost, offset, bin, step_ms, series.first_bin, &series.counts);
            }
        }
        plot
    }

    /// Where a step begins on the time axis.
    pub(crate) fn x(&self, step: usize) -> f64 {
        LEFT + WIDTH * step as f64 / self.steps as f64
    }

    /// Where something was lost: how much, from where on, and how wide that is drawn.
    pub(crate) fn losses(&self) -> impl Iterator<Item = (u64, f64, f64)> {
        let width = (WIDTH / self.steps as f64).max(3.0);
        let lost = self.lost.iter().enumerate().filter(|(_, count)| **count > 0);
        lost.map(move |(step, count)| (*count, self.x(step), width))
    }

    /// Length of the time axis.
    pub(crate) fn length_ms(&self) -> u64 {
        self.step_ms * self.steps as u64
    }
}

fn add(steps: &mut [u64], offset: u64, bin_ms: u64, step_ms: u64, first_bin: u64, counts: &[u64]) {
    for (bin, count) in (first_bin..).zip(counts) {
        if let Some(step) = steps.get_mut(((offset + bin * bin_ms) / step_ms) as usize) {
            *step += count;
        }
    }
}

#[derive(Default)]
pub(crate) struct Svg(String);

impl Svg {
    /// An element as it stands in the picture.
    pub(crate) fn add(&mut self, element: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{element}");
    }

    pub(crate) fn rect(&mut self, attributes: &str, x: f64, y: f64, width: f64, height: f64) {
        let [x, y, width, height] = [x, y, width, height].map(tenths);
        self.add(format_args!("<rect {attributes} x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"));
    }

    pub(crate) fn text(&mut self, attributes: &str, x: f64, y: f64, words: &str) {
        let (x, y, words) = (tenths(x), tenths(y), escaped(words));
        self.add(format_args!("<text {attributes} x=\"{x}\" y=\"{y}\">{words}</text>"));
    }

    /// The whole of it, this high.
    pub(crate) fn document(self, title: &str, height: f64) -> String {
        let (title, width) = (escaped(title), LEFT + WIDTH + RIGHT);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
             <title>{title}</title>\n{STYLE}<rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n\
             <text class=\"title\" x=\"14\" y=\"24\">{title}</text>\n{}</svg>\n",
            self.0
        )
    }
}

fn tenths(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

/// A colour for each version of `plots`.
pub(crate) fn colours<'p>(plots: impl IntoIterator<Item = &'p Plot>) -> BTreeMap<String, &'static str> {
    let mut colours = BTreeMap::new();
    for (_, version, _) in plots.into_iter().flat_map(|plot| plot.pods.keys()) {
        let next = COLOURS[colours.len() % COLOURS.len()];
        colours.entry(version.clone()).or_insert(next);
    }
    colours
}

/// Which colour is which version, and how much was lost.
pub(crate) fn legend(svg: &mut Svg, colours: &BTreeMap<String, &str>, lost: u64) {
    let mut x = LEFT;
    for (version, colour) in colours {
        svg.rect(&format!("fill=\"{colour}\""), x, 31.0, 10.0, 10.0);
        svg.text("", x + 14.0, 40.0, version);
        x += 60.0;
    }
    svg.text(if lost > 0 { LOST } else { DIM }, x, 40.0, &format!("{lost} lost"));
}

/// Answers a second by version, stacked, between `top` and `top` + `height`.
pub(crate) fn answers(svg: &mut Svg, plot: &Plot, colours: &BTreeMap<String, &str>, top: f64, height: f64) {
    let mut floor = vec![0; plot.steps];
    let sums = (0..plot.steps).map(|step| plot.versions.values().map(|counts| counts[step]).sum());
    let highest: u64 = sums.max().unwrap_or(0).max(1);
    let y = |count: u64| top + height * (1.0 - count as f64 / highest as f64);
    for (version, counts) in &plot.versions {
        let mut path = String::new();
        for step in 0..plot.steps {
            let above = y(floor[step] + counts[step]);
            let command = if step == 0 { "M" } else { "L" };
            let _ = write!(path, "{command}{:.1} {above:.1}H{:.1}", plot.x(step), plot.x(step + 1));
        }
        for step in (0..plot.steps).rev() {
            let _ = write!(path, "L{:.1} {:.1}H{:.1}", plot.x(step + 1), y(floor[step]), plot.x(step));
            floor[step] += counts[step];
        }
        svg.add(format_args!("<path d=\"{path}Z\" fill=\"{}\"/>", colours[version]));
    }
    let rate = highest as f64 * 1000.0 / plot.step_ms as f64;
    svg.text("class=\"dim\" text-anchor=\"end\"", LEFT - 6.0, top + 9.0, &format!("{rate:.0}/s"));
}

/// A band of this `height` at `y` with a red bar where something was lost, at least three pixels wide.
pub(crate) fn losses(svg: &mut Svg, plot: &Plot, y: f64, height: f64) {
    svg.rect("class=\"empty\"", LEFT, y, WIDTH, height);
    let highest = plot.lost.iter().copied().max().unwrap_or(0).max(1);
    for (count, x, width) in plot.losses() {
        let bar = height * (0.25 + 0.75 * count as f64 / highest as f64);
        svg.add(format_args!(
            "<rect class=\"lost\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{bar:.1}\"><title>{count} lost</title></rect>",
            y + height - bar,
        ));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::sample;

    #[test]
    fn ledgers_that_began_at_different_times_share_an_axis() {
        let (first, mut second) = (sample(0), sample(2));
        second.started_unix_ms += 1000;
        let plot = Plot::new([&first, &second]);
        assert_eq!((plot.step_ms, plot.steps), (1000, 5));
        assert_eq!(plot.versions["v1"], [10, 20, 10, 0, 0]);
        assert_eq!(plot.versions["v2"], [0, 0, 10, 20, 10]);
        assert_eq!(plot.lost, [0, 0, 0, 2, 0]);
        assert_eq!(plot.pods.len(), 2);
    }

    #[test]
    fn a_long_row_has_wider_steps_and_keeps_every_count() {
        let mut ledger = sample(0);
        ledger.timeline.answers[0].counts = vec![3; 1000];
        let plot = Plot::new([&ledger]);
        assert_eq!((plot.step_ms, plot.steps), (3000, 334));
        assert_eq!(plot.versions["v1"].iter().sum::<u64>(), 3000);
    }
}
