//! The picture of a row: answers over time by version and by pod, losses in red, and what was done when. SVG by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::ledger::Ledger;
use crate::release::Event;

/// Where the time axis begins and how wide it is; the names of pods stand left of it.
const LEFT: f64 = 250.0;
const WIDTH: f64 = 720.0;
const RIGHT: f64 = 30.0;
/// Height of the chart of answers, of the band of losses, and of a pod's lane.
const CHART: f64 = 110.0;
const BAND: f64 = 26.0;
const LANE: f64 = 13.0;
const LINE: f64 = 17.0;
const TOP: f64 = 58.0;
/// The finest step of the time axis, in parts of its width.
const COLUMNS: u64 = 360;
/// More pods than these are not drawn, and the picture says so.
const MOST_LANES: usize = 120;
/// Versions by colour, first come first: blue, gold, violet, green; readable on light and dark, none near the red of losses.
const COLOURS: [&str; 4] = ["#4a86c8", "#c99a1e", "#8d6cc0", "#3f9c6d"];

const STYLE: &str = "<style>
  svg { color-scheme: light dark; }
  .back { fill: #ffffff; } text { font: 11px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; } .dim { fill: #57606a; }
  .axis { stroke: #8c959f; stroke-width: 1; } .event { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 2 3; }
  .empty { fill: #8c959f; opacity: 0.12; } .lost { fill: #d1242f; } .lost-text { fill: #d1242f; font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117; } text { fill: #e6edf3; } .dim { fill: #9198a1; }
    .lost { fill: #ff5c5c; } .lost-text { fill: #ff7b72; }
  }
</style>\n";

/// What the ledgers of a row say together, in steps of the time axis.
#[derive(Debug, Eq, PartialEq)]
struct Plot {
    /// Length of a step.
    step_ms: u64,
    steps: usize,
    /// Answers by backend version.
    versions: BTreeMap<String, Vec<u64>>,
    /// Answers by service, version and pod.
    pods: BTreeMap<(String, String, String), Vec<u64>>,
    lost: Vec<u64>,
}

/// Draws a row. `ledgers` are those of all its loads.
pub(crate) fn svg(title: &str, ledgers: &[&Ledger], events: &[Event]) -> String {
    let start = ledgers.iter().map(|ledger| ledger.started_unix_ms).min().unwrap_or(0);
    let plot = Plot::new(start, ledgers);
    let pods: Vec<_> = plot.pods.iter().take(MOST_LANES).collect();
    let end_ms = plot.step_ms * plot.steps as u64;
    // What was begun before the first request was due stands at the start.
    let events: Vec<(f64, &str)> = events
        .iter()
        .map(|event| (event.unix_ms.saturating_sub(start).min(end_ms) as f64 / 1000.0, &*event.what))
        .collect();

    let band = TOP + CHART + 8.0;
    let lanes = band + BAND + 10.0;
    let axis = lanes + pods.len() as f64 * LANE + 4.0;
    let list = axis + 34.0;
    let height = list + events.len() as f64 * LINE + LINE;
    let width = LEFT + WIDTH + RIGHT;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>{}</title>\n{STYLE}<rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n",
        escaped(title)
    );
    let _ = writeln!(svg, "<text class=\"title\" x=\"14\" y=\"24\">{}</text>", escaped(title));
    let colours = colours(&plot);
    legend(&mut svg, &colours, &plot);
    chart(&mut svg, &plot, &colours);
    losses(&mut svg, &plot, band, axis);
    for (index, ((service, version, pod), counts)) in pods.iter().enumerate() {
        lane(
            &mut svg,
            &plot,
            lanes + index as f64 * LANE,
            &format!("{service} {version} {pod}"),
            colours[version],
            counts,
        );
    }
    time_axis(&mut svg, axis, end_ms as f64 / 1000.0);
    for (index, (seconds, what)) in events.iter().enumerate() {
        let x = LEFT + WIDTH * seconds * 1000.0 / end_ms as f64;
        let y = list + index as f64 * LINE;
        let number = index + 1;
        let _ = writeln!(svg, "<line class=\"event\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{axis:.1}\"/>");
        let _ = writeln!(svg, "<text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\">{number}</text>", x + 2.0, TOP - 2.0);
        let _ = writeln!(svg, "<text x=\"14\" y=\"{y:.1}\">{number}  {seconds:.1} s  {}</text>", escaped(what));
    }
    if plot.pods.len() > MOST_LANES {
        let more = plot.pods.len() - MOST_LANES;
        let _ = writeln!(
            svg,
            "<text class=\"dim\" x=\"14\" y=\"{:.1}\">{more} more pods are not drawn</text>",
            axis + 12.0
        );
    }
    svg + "</svg>\n"
}

impl Plot {
    fn new(start: u64, ledgers: &[&Ledger]) -> Self {
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

        let mut plot = Self { step_ms, steps, versions: BTreeMap::new(), pods: BTreeMap::new(), lost: vec![0; steps] };
        for ledger in ledgers {
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

    fn x(&self, step: usize) -> f64 {
        LEFT + WIDTH * step as f64 / self.steps as f64
    }
}

fn add(steps: &mut [u64], offset: u64, bin_ms: u64, step_ms: u64, first_bin: u64, counts: &[u64]) {
    for (bin, count) in (first_bin..).zip(counts) {
        if let Some(step) = steps.get_mut(((offset + bin * bin_ms) / step_ms) as usize) {
            *step += count;
        }
    }
}

fn colours(plot: &Plot) -> BTreeMap<String, &'static str> {
    let mut colours = BTreeMap::new();
    for (_, version, _) in plot.pods.keys() {
        let next = COLOURS[colours.len() % COLOURS.len()];
        colours.entry(version.clone()).or_insert(next);
    }
    colours
}

fn legend(svg: &mut String, colours: &BTreeMap<String, &str>, plot: &Plot) {
    let mut x = LEFT;
    for (version, colour) in colours {
        let _ = writeln!(svg, "<rect x=\"{x}\" y=\"31\" width=\"10\" height=\"10\" fill=\"{colour}\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"40\">{}</text>", x + 14.0, escaped(version));
        x += 60.0;
    }
    let lost: u64 = plot.lost.iter().sum();
    let class = if lost > 0 { "lost-text" } else { "dim" };
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x}\" y=\"40\">{lost} lost</text>");
}

/// Answers a second by version, stacked.
fn chart(svg: &mut String, plot: &Plot, colours: &BTreeMap<String, &str>) {
    let mut floor = vec![0; plot.steps];
    let tops: Vec<u64> = (0..plot.steps).map(|step| plot.versions.values().map(|counts| counts[step]).sum()).collect();
    let highest = tops.iter().copied().max().unwrap_or(0).max(1);
    let y = |count: u64| TOP + CHART * (1.0 - count as f64 / highest as f64);
    for (version, counts) in &plot.versions {
        let mut path = String::new();
        for step in 0..plot.steps {
            let top = y(floor[step] + counts[step]);
            let _ = write!(
                path,
                "{}{:.1} {top:.1}H{:.1}",
                if step == 0 { "M" } else { "L" },
                plot.x(step),
                plot.x(step + 1)
            );
        }
        for step in (0..plot.steps).rev() {
            let bottom = y(floor[step]);
            let _ = write!(path, "L{:.1} {bottom:.1}H{:.1}", plot.x(step + 1), plot.x(step));
            floor[step] += counts[step];
        }
        let _ = writeln!(svg, "<path d=\"{path}Z\" fill=\"{}\"/>", colours[version]);
    }
    let rate = highest as f64 * 1000.0 / plot.step_ms as f64;
    let _ = writeln!(
        svg,
        "<text class=\"dim\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{rate:.0}/s</text>",
        LEFT - 6.0,
        TOP + 9.0
    );
    let _ = writeln!(svg, "<text class=\"dim\" x=\"14\" y=\"{}\">answers by version</text>", TOP + CHART);
}

/// A band with a red bar where something was lost, at least three pixels wide, and a line through all lanes.
fn losses(svg: &mut String, plot: &Plot, y: f64, bottom: f64) {
    let _ = writeln!(svg, "<rect class=\"empty\" x=\"{LEFT}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{BAND}\"/>");
    let _ = writeln!(svg, "<text class=\"dim\" x=\"14\" y=\"{}\">lost</text>", y + 16.0);
    let highest = plot.lost.iter().copied().max().unwrap_or(0).max(1);
    for (step, &count) in plot.lost.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = BAND * (0.25 + 0.75 * count as f64 / highest as f64);
        let (x, width) = (plot.x(step), (WIDTH / plot.steps as f64).max(3.0));
        let _ = writeln!(
            svg,
            "<rect class=\"lost\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{count} lost</title></rect>\
             <rect class=\"lost\" opacity=\"0.25\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
            y + BAND - height,
            y + BAND,
            bottom - y - BAND
        );
    }
}

/// The answers of one pod: the more of them, the stronger the colour. Steps alike are one rectangle.
fn lane(svg: &mut String, plot: &Plot, y: f64, name: &str, colour: &str, counts: &[u64]) {
    let highest = counts.iter().copied().max().unwrap_or(0).max(1);
    let strength = |count: u64| (count * 3).div_ceil(highest);
    let _ = writeln!(
        svg,
        "<text x=\"14\" y=\"{:.1}\" textLength=\"{:.0}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>",
        y + 10.0,
        (name.len() as f64 * 5.4).min(LEFT - 24.0),
        escaped(name)
    );
    let mut step = 0;
    while step < counts.len() {
        let level = strength(counts[step]);
        let run = counts[step..].iter().take_while(|&&count| strength(count) == level).count();
        if level > 0 {
            let _ = writeln!(
                svg,
                "<rect fill=\"{colour}\" opacity=\"{}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                [0.0, 0.45, 0.75, 1.0][level.min(3) as usize],
                plot.x(step),
                plot.x(step + run) - plot.x(step),
                LANE - 3.0
            );
        }
        step += run;
    }
}

fn time_axis(svg: &mut String, y: f64, seconds: f64) {
    let _ = writeln!(svg, "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>", LEFT + WIDTH);
    let every = tick(seconds);
    let mut at = 0.0;
    while at <= seconds {
        let x = LEFT + WIDTH * at / seconds;
        let _ = writeln!(
            svg,
            "<text class=\"dim\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at:.0} s</text>",
            y + 14.0
        );
        at += every;
    }
}

/// Seconds from one label of the time axis to the next: at most ten labels.
fn tick(seconds: f64) -> f64 {
    [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0]
        .into_iter()
        .find(|every| seconds / every <= 10.0)
        .unwrap_or(600.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::sample;

    #[test]
    fn ledgers_that_began_at_different_times_share_an_axis() {
        let (first, mut second) = (sample(0), sample(2));
        second.started_unix_ms += 1000;
        let plot = Plot::new(first.started_unix_ms, &[&first, &second]);
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
        let plot = Plot::new(ledger.started_unix_ms, &[&ledger]);
        assert_eq!((plot.step_ms, plot.steps), (3000, 334));
        assert_eq!(plot.versions["v1"].iter().sum::<u64>(), 3000);
    }

    #[test]
    fn losses_and_events_are_drawn_and_names_escaped() {
        let ledger = sample(2);
        let event = |unix_ms, what: &str| Event { unix_ms, what: what.to_owned() };
        let events = [event(999_990, "begun"), event(1_002_000, "kill <pod>")];
        let drawn = svg("a & b", &[&ledger], &events);
        assert!(drawn.contains("<title>2 lost</title>") && drawn.contains("kill &lt;pod&gt;"), "{drawn}");
        assert!(drawn.contains("a &amp; b") && drawn.contains("1  0.0 s  begun"), "{drawn}");
        // 2 of 4 seconds: half way along the axis.
        assert!(drawn.contains(&format!("<line class=\"event\" x1=\"{:.1}\"", LEFT + WIDTH / 2.0)), "{drawn}");
        assert!(!svg("none", &[&sample(0)], &[]).contains("class=\"lost\""));
    }

    #[test]
    fn an_axis_has_at_most_eleven_labels() {
        for seconds in [0.5, 9.0, 61.0, 299.0, 1500.0, 3600.0] {
            assert!(seconds / tick(seconds) <= 10.0, "{seconds}");
        }
        assert!((tick(61.0) - 10.0).abs() < f64::EPSILON);
    }
}
