//! The items: a fixed set of knots that a helmsman ties, the same in every pod.

use hyper::StatusCode;
use hyper::body::Bytes;
use serde::Serialize;
use service::problem::Problem;

/// An item.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Item {
    /// 1 and upwards, without gaps.
    pub id: u32,
    /// Name of the knot.
    pub name: &'static str,
    /// Its family: `loop`, `hitch`, `bend`, `stopper` or `binding`.
    pub kind: &'static str,
    /// What it is tied for.
    pub purpose: &'static str,
}

/// Every item.
pub const ITEMS: [Item; 12] = [
    item(1, "Bowline", "loop", "A fixed eye that neither slips nor jams"),
    item(2, "Clove hitch", "hitch", "Hang a fender from a rail, quickly and for a while"),
    item(3, "Figure eight", "stopper", "Keep a sheet from running out of its block"),
    item(4, "Sheet bend", "bend", "Join two lines of different thickness"),
    item(5, "Reef knot", "binding", "Tie the bunt of a reefed sail; never join two lines with it"),
    item(6, "Rolling hitch", "hitch", "Take the strain off another line, along its length"),
    item(7, "Cleat hitch", "hitch", "Make a mooring line fast to a cleat"),
    item(8, "Round turn and two half hitches", "hitch", "Moor to a ring, and let go under load"),
    item(9, "Zeppelin bend", "bend", "Join two lines that must come apart again after a storm"),
    item(10, "Anchor bend", "hitch", "Make a line fast to an anchor's ring"),
    item(11, "Constrictor knot", "binding", "Whip a fraying end, or hold a hose on its fitting"),
    item(12, "Alpine butterfly", "loop", "A loop in the middle of a line, loaded from any side"),
];

const fn item(id: u32, name: &'static str, kind: &'static str, purpose: &'static str) -> Item {
    Item { id, name, kind, purpose }
}

/// The reply bodies. The items and who serves them do not change, so each body is made once.
#[derive(Debug)]
pub struct Items {
    all: Bytes,
    one: Vec<Bytes>,
}

impl Items {
    /// The bodies with `served_by`, a JSON object.
    ///
    /// # Panics
    /// Never: strings and numbers always serialize.
    #[must_use]
    pub fn new(served_by: &str) -> Self {
        let text = |item| serde_json::to_string(item).expect("strings and numbers serialize");
        let texts: Vec<String> = ITEMS.iter().map(text).collect();
        let all = format!(r#"{{"items":[{}],"served_by":{served_by}}}"#, texts.join(","));
        let one = texts.iter().map(|item| format!(r#"{{"item":{item},"served_by":{served_by}}}"#).into()).collect();
        Self { all: all.into(), one }
    }

    /// The body of all items.
    #[must_use]
    pub fn all(&self) -> Bytes {
        self.all.clone()
    }

    /// The body of the item whose id is the text `id`.
    ///
    /// # Errors
    /// 400 where it is no id, 404 where no item has it.
    pub fn one(&self, id: &str) -> Result<Bytes, Problem> {
        let digits = id.bytes().all(|b| b.is_ascii_digit());
        let number: u32 = id.parse().ok().filter(|n| digits && *n > 0).ok_or_else(|| {
            let detail = format!("an item's id is a whole number from 1 to {}", u32::MAX);
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })?;
        self.one.get(number as usize - 1).cloned().ok_or_else(|| {
            let detail = format!("no item has the id {number}; there are {}", ITEMS.len());
            Problem::new(StatusCode::NOT_FOUND, detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_no_gaps() {
        for (index, item) in ITEMS.iter().enumerate() {
            assert_eq!(item.id as usize, index + 1);
        }
    }

    #[test]
    fn ids_by_the_table() {
        let items = Items::new("{}");
        for (id, status) in [
            ("1", 200),
            ("12", 200),
            ("13", 404),
            ("4294967295", 404),
            ("4294967296", 400),
            ("0", 400),
            ("-1", 400),
            ("+1", 400),
            ("%31", 400),
            ("one", 400),
        ] {
            let found = items.one(id).map_or_else(|p| p.status().as_u16(), |_| 200);
            assert_eq!(found, status, "{id}");
        }
    }
}
