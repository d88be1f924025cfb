//! The picture of a row: answers over time by version and by pod, losses in red, and what was done when.

use crate::plot::{self, DIM, LEFT, Plot, Svg, WIDTH};
use crate::summary::Outcome;

/// Height of the chart of answers, of the band of losses, and of a pod's lane.
const CHART: f64 = 110.0;
const BAND: f64 = 26.0;
const LANE: f64 = 13.0;
const LINE: f64 = 17.0;
const TOP: f64 = 58.0;
/// More pods than these are not drawn, and the picture says so.
const MOST_LANES: usize = 120;

pub(crate) fn svg(outcome: &Outcome) -> String {
    let plot = Plot::new(outcome.ledgers.iter().map(|(_, ledger)| ledger));
    let pods: Vec<_> = plot.pods.iter().take(MOST_LANES).collect();
    let end_ms = plot.length_ms();
    // What was begun before the first request was due stands at the start.
    let since_start = |unix_ms: u64| unix_ms.saturating_sub(plot.start_unix_ms).min(end_ms) as f64 / 1000.0;

    let band = TOP + CHART + 8.0;
    let lanes = band + BAND + 10.0;
    let axis = lanes + pods.len() as f64 * LANE + 4.0;
    let list = axis + 34.0;
    let height = list + outcome.events.len() as f64 * LINE + LINE;

    let mut svg = Svg::default();
    let colours = plot::colours([&plot]);
    plot::legend(&mut svg, &colours, plot.lost.iter().sum());
    plot::answers(&mut svg, &plot, &colours, TOP, CHART);
    svg.text(DIM, 14.0, TOP + CHART, "answers by version");
    plot::losses(&mut svg, &plot, band, BAND);
    // A light red line through all lanes.
    for (_, x, width) in plot.losses() {
        svg.rect("class=\"lost\" opacity=\"0.25\"", x, band + BAND, width, axis - band - BAND);
    }
    svg.text(DIM, 14.0, band + 16.0, "lost");
    for (index, ((service, version, pod), counts)) in pods.iter().enumerate() {
        let name = format!("{service} {version} {pod}");
        lane(&mut svg, &plot, lanes + index as f64 * LANE, &name, colours[version], counts);
    }
    time_axis(&mut svg, axis, end_ms as f64 / 1000.0);
    for (index, event) in outcome.events.iter().enumerate() {
        let seconds = since_start(event.unix_ms);
        let x = LEFT + WIDTH * seconds * 1000.0 / end_ms as f64;
        let number = index + 1;
        svg.add(format_args!("<line class=\"event\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{axis:.1}\"/>"));
        svg.text(DIM, x + 2.0, TOP - 2.0, &number.to_string());
        svg.text("", 14.0, list + index as f64 * LINE, &format!("{number}  {seconds:.1} s  {}", event.what));
    }
    if plot.pods.len() > MOST_LANES {
        let more = plot.pods.len() - MOST_LANES;
        svg.text(DIM, 14.0, axis + 12.0, &format!("{more} more pods are not drawn"));
    }
    svg.document(&format!("{}: {}", outcome.row.name, outcome.row.what), height)
}

/// The answers of one pod: the more of them, the stronger the colour. Steps alike are one rectangle.
fn lane(svg: &mut Svg, plot: &Plot, y: f64, name: &str, colour: &str, counts: &[u64]) {
    let highest = counts.iter().copied().max().unwrap_or(0).max(1);
    let strength = |count: u64| (count * 3).div_ceil(highest);
    let length = (name.len() as f64 * 5.4).min(LEFT - 24.0);
    let squeezed = format!("textLength=\"{length:.0}\" lengthAdjust=\"spacingAndGlyphs\"");
    svg.text(&squeezed, 14.0, y + 10.0, name);
    let mut step = 0;
    while step < counts.len() {
        let level = strength(counts[step]);
        let run = counts[step..].iter().take_while(|&&count| strength(count) == level).count();
        if level > 0 {
            let opacity = [0.0, 0.45, 0.75, 1.0][level.min(3) as usize];
            let (x, width) = (plot.x(step), plot.x(step + run) - plot.x(step));
            svg.rect(&format!("fill=\"{colour}\" opacity=\"{opacity}\""), x, y, width, LANE - 3.0);
        }
        step += run;
    }
}

fn time_axis(svg: &mut Svg, y: f64, seconds: f64) {
    svg.add(format_args!("<line class=\"axis\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>", LEFT + WIDTH));
    let every = tick(seconds);
    let mut at = 0.0;
    while at <= seconds {
        let x = LEFT + WIDTH * at / seconds;
        svg.text("class=\"dim\" text-anchor=\"middle\"", x, y + 14.0, &format!("{at:.0} s"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Event;
    use crate::summary::tests::outcome;

    #[test]
    fn losses_and_events_are_drawn_and_names_escaped() {
        let event = |unix_ms, what: &str| Event { unix_ms, what: what.to_owned() };
        let events = vec![event(999_990, "begun"), event(1_002_000, "kill <pod>")];
        let drawn = svg(&Outcome { events, ..outcome("sigkill", 2) });
        assert!(drawn.contains("<title>2 lost</title>") && drawn.contains("kill &lt;pod&gt;"), "{drawn}");
        assert!(drawn.contains("1  0.0 s  begun"), "{drawn}");
        // 2 of 4 seconds: half way along the axis.
        assert!(drawn.contains(&format!("<line class=\"event\" x1=\"{:.1}\"", LEFT + WIDTH / 2.0)), "{drawn}");
        assert!(!svg(&outcome("sigkill", 0)).contains("class=\"lost\""));
    }

    #[test]
    fn an_axis_has_at_most_eleven_labels() {
        for seconds in [0.5, 9.0, 61.0, 299.0, 1500.0, 3600.0] {
            assert!(seconds / tick(seconds) <= 10.0, "{seconds}");
        }
        assert!((tick(61.0) - 10.0).abs() < f64::EPSILON);
    }
}
