//! What is served where no other data is given: a fixed set of knots that a helmsman ties, the same in every pod.

use serde::Serialize;

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Knot {
    /// 1 and upwards, without gaps.
    pub(crate) id: u32,
    pub(crate) name: &'static str,
    /// Its family: `loop`, `hitch`, `bend`, `stopper` or `binding`.
    pub(crate) kind: &'static str,
    /// What it is tied for.
    pub(crate) purpose: &'static str,
}

pub(crate) const KNOTS: [Knot; 12] = [
    knot(1, "Bowline", "loop", "A fixed eye that neither slips nor jams"),
    knot(2, "Clove hitch", "hitch", "Hang a fender from a rail, quickly and for a while"),
    knot(3, "Figure eight", "stopper", "Keep a sheet from running out of its block"),
    knot(4, "Sheet bend", "bend", "Join two lines of different thickness"),
    knot(5, "Reef knot", "binding", "Tie the bunt of a reefed sail; never join two lines with it"),
    knot(6, "Rolling hitch", "hitch", "Take the strain off another line, along its length"),
    knot(7, "Cleat hitch", "hitch", "Make a mooring line fast to a cleat"),
    knot(8, "Round turn and two half hitches", "hitch", "Moor to a ring, and let go under load"),
    knot(9, "Zeppelin bend", "bend", "Join two lines that must come apart again after a storm"),
    knot(10, "Anchor bend", "hitch", "Make a line fast to an anchor's ring"),
    knot(11, "Constrictor knot", "binding", "Whip a fraying end, or hold a hose on its fitting"),
    knot(12, "Alpine butterfly", "loop", "A loop in the middle of a line, loaded from any side"),
];

const fn knot(id: u32, name: &'static str, kind: &'static str, purpose: &'static str) -> Knot {
    Knot { id, name, kind, purpose }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_no_gaps() {
        for (index, knot) in KNOTS.iter().enumerate() {
            assert_eq!(knot.id as usize, index + 1);
        }
    }
}
