//! Circles among the rooms of a crate. The rooms of a module are its children, each with all that is in it, and the module's own
//! file: if none of its rooms leads back to itself, at no level, then no files do, and no folders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::modules::Use;

/// From which room to which one, and a place where that is.
type Doors = BTreeMap<(String, String), String>;

/// Each circle as a line: `a -> b -> a (a.rs:3, b.rs:1)`.
pub(crate) fn circles(uses: &[Use]) -> Vec<String> {
    let mut levels: BTreeMap<Vec<String>, Doors> = BTreeMap::new();
    for one in uses {
        // Both are in this module, in different rooms of it.
        let shared = one.from.iter().zip(&one.to).take_while(|(from, to)| from == to).count();
        let room = |path: &[String]| match path.get(shared) {
            Some(_) => path[..=shared].join("/"),
            None if shared == 0 => "the root".to_owned(),
            None => format!("{}/mod", path.join("/")),
        };
        let doors = levels.entry(one.from[..shared].to_vec()).or_default();
        doors.entry((room(&one.from), room(&one.to))).or_insert_with(|| one.place.clone());
    }
    let mut lines = Vec::new();
    for mut doors in levels.into_values() {
        while let Some(circle) = shortest(&doors) {
            let steps = circle.iter().zip(circle.iter().cycle().skip(1));
            let places = steps.map(|(from, to)| doors.remove(&(from.clone(), to.clone())).expect("it is a door"));
            let places: Vec<String> = places.collect();
            lines.push(format!("{} -> {} ({})", circle.join(" -> "), circle[0], places.join(", ")));
        }
    }
    lines
}

/// The rooms of a circle, of which there is no shorter one.
fn shortest(doors: &Doors) -> Option<Vec<String>> {
    let starts: BTreeSet<&String> = doors.keys().map(|(from, _)| from).collect();
    let back = starts.into_iter().filter_map(|start| way_back(doors, start));
    back.min_by_key(Vec::len)
}

fn way_back(doors: &Doors, start: &String) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for (from, to) in doors.keys() {
            if Some(&from) != way.last() {
                continue;
            }
            if to == start {
                return Some(way.into_iter().cloned().collect());
            }
            if seen.insert(to) {
                ways.push_back([&way[..], &[to]].concat());
            }
        }
    }
    None
}
