//! The picture of the whole proof: every row's answers over time by version, and its losses in red, one below the other.

use std::fmt::Write as _;

use crate::plot::{self, Plot, escaped};
use crate::summary::Outcome;

/// From one row to the next, the height of its chart and of the band of losses below it.
const ROW: f64 = 74.0;
const CHART: f64 = 44.0;
const BAND: f64 = 10.0;
const TOP: f64 = 58.0;

/// Draws all rows. Each has a time axis of its own, as they last between seconds and minutes.
pub(crate) fn svg(outcomes: &[Outcome]) -> String {
    let plots: Vec<Plot> =
        outcomes.iter().map(|outcome| Plot::new(outcome.ledgers.iter().map(|(_, ledger)| ledger))).collect();
    let colours = plot::colours(&plots);
    let sent: u64 = outcomes.iter().map(Outcome::sent).sum();
    let forbidden: u64 = outcomes.iter().map(Outcome::forbidden_losses).sum();

    let mut svg = String::new();
    plot::legend(&mut svg, &colours, outcomes.iter().map(Outcome::lost).sum());
    for (index, (outcome, plot)) in outcomes.iter().zip(&plots).enumerate() {
        let y = TOP + index as f64 * ROW;
        name(&mut svg, outcome, plot, y);
        plot::answers(&mut svg, plot, &colours, y, CHART);
        plot::losses(&mut svg, plot, y + CHART + 2.0, BAND);
    }
    let title = format!("The proof: {sent} requests, {forbidden} lost where none may be");
    plot::document(&title, TOP + outcomes.len() as f64 * ROW, &svg)
}

/// What stands left of a row.
fn name(svg: &mut String, outcome: &Outcome, plot: &Plot, y: f64) {
    let line = |svg: &mut String, class: &str, number: f64, text: &str| {
        let y = y + number * 15.0;
        let _ = writeln!(svg, "<text class=\"{class}\" x=\"14\" y=\"{y:.1}\">{}</text>", escaped(text));
    };
    let state = if outcome.holds() { outcome.row.demand.name() } else { "does not hold" };
    line(svg, if outcome.holds() { "name" } else { "lost-text" }, 0.7, &format!("{}: {state}", outcome.row.name));
    let seconds = plot.length_ms() as f64 / 1000.0;
    line(svg, "dim", 1.7, &format!("{} requests in {seconds:.0} s", outcome.sent()));
    let lost = outcome.lost();
    line(svg, if lost > 0 { "lost-text" } else { "dim" }, 2.7, &format!("{lost} lost"));
    let repeated: usize = outcome.identities.iter().map(|identity| identity.repeated.len()).sum();
    line(svg, "dim", 3.7, &format!("{repeated} done twice"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::outcome;

    #[test]
    fn every_row_is_there_and_one_that_does_not_hold_is_marked() {
        let undone = Outcome::undone(outcome("drain", 0).row, "no node".to_owned());
        let drawn = svg(&[outcome("upgrade", 0), outcome("sigkill", 3), undone]);
        assert!(drawn.contains("The proof: 163 requests, 0 lost where none may be"), "{drawn}");
        assert!(drawn.contains("upgrade: lossless") && drawn.contains("sigkill: counted"), "{drawn}");
        assert!(drawn.contains("class=\"lost-text\" x=\"14\" y=\"216.5\">drain: does not hold"), "{drawn}");
        assert!(drawn.contains("<title>3 lost</title>") && drawn.contains("1 done twice"), "{drawn}");
    }
}
