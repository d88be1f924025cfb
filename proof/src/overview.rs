//! The picture of the whole proof: every row's answers over time by version, and its losses in red, one below the other.

use crate::plot::{self, DIM, LOST, Plot, Svg};
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

    let mut svg = Svg::default();
    plot::legend(&mut svg, &colours, outcomes.iter().map(Outcome::lost).sum());
    for (index, (outcome, plot)) in outcomes.iter().zip(&plots).enumerate() {
        let y = TOP + index as f64 * ROW;
        name(&mut svg, outcome, plot, y);
        plot::answers(&mut svg, plot, &colours, y, CHART);
        plot::losses(&mut svg, plot, y + CHART + 2.0, BAND);
    }
    let title = format!("The proof: {sent} requests, {forbidden} lost where none may be");
    svg.document(&title, TOP + outcomes.len() as f64 * ROW)
}

fn name(svg: &mut Svg, outcome: &Outcome, plot: &Plot, y: f64) {
    let holds = outcome.holds();
    let state = if holds { outcome.row.demand.name() } else { "does not hold" };
    let seconds = plot.length_ms() as f64 / 1000.0;
    let lost = outcome.lost();
    let repeated: usize = outcome.identities.iter().map(|identity| identity.repeated.len()).sum();
    for (number, attributes, words) in [
        (0.7, if holds { "class=\"name\"" } else { LOST }, format!("{}: {state}", outcome.row.name)),
        (1.7, DIM, format!("{} requests in {seconds:.0} s", outcome.sent())),
        (2.7, if lost > 0 { LOST } else { DIM }, format!("{lost} lost")),
        (3.7, DIM, format!("{repeated} done twice")),
    ] {
        svg.text(attributes, 14.0, y + number * 15.0, &words);
    }
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
