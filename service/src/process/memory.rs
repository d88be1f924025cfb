//! What a process may take of memory while every bound is stretched at once: one sum of its settings.
//!
//! A bound on each thing alone is none: connections by the head that each may send, requests in flight by what each has
//! buffered, bodies by their bytes. What of it does not fit into the limit of the container ends it, and all its requests, in
//! the moment of most traffic. So the sum is compared with the limit at the start.
//!
//! The figures are of what was measured under attack (`tests/memory.rs` of each server), with room to spare for what an
//! allocator wastes. The kernel's own buffers of sockets are not among them: see [`crate::server::listener`].

use serde::Serialize;

use crate::settings::environment::listed;
use crate::settings::limits::Limits;

/// The process itself: code, threads, the settings, tables, metrics and those who read them, in bytes.
const PROCESS: u64 = 16 << 20;

/// A connection besides its buffers, in bytes: its task with the request that it answers, its timers, the parsed head.
const CONNECTION: u64 = 28 << 10;

/// A part of the sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Term {
    /// What takes it.
    pub of: &'static str,
    /// How many there may be.
    pub count: u64,
    /// What each takes at most, in bytes.
    pub bytes: u64,
    /// The app's own setting that bounds how many there are.
    #[serde(skip)]
    pub setting: Option<&'static str>,
}

impl Term {
    /// `count` times `bytes`.
    pub fn new(of: &'static str, count: u64, bytes: u64) -> Self {
        Self { of, count, bytes, setting: None }
    }

    /// The same, where `setting`, one of the app's own, bounds the count.
    #[must_use]
    pub fn by(self, setting: &'static str) -> Self {
        Self { setting: Some(setting), ..self }
    }

    fn sum(&self) -> u64 {
        self.count.saturating_mul(self.bytes)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    pub(crate) terms: Vec<Term>,
}

/// A setting that the sum depends on, and the greatest value with which the sum would fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lower {
    pub(crate) name: &'static str,
    pub(crate) to: u64,
}

/// A setting that the sum depends on.
struct Knob {
    name: &'static str,
    value: fn(&mut Limits) -> &mut usize,
    /// Below it the sum gets no less, or the server of no use.
    least: usize,
}

const KNOBS: [Knob; 4] = [
    Knob { name: "MAX_CONNECTIONS", value: |limits| &mut limits.connections, least: 16 },
    Knob { name: "MAX_HEAD_BYTES", value: |limits| &mut limits.head_bytes, least: 8192 },
    Knob { name: "MAX_IN_FLIGHT", value: |limits| &mut limits.in_flight, least: 16 },
    Knob { name: "MAX_HELD_BODY_BYTES", value: |limits| &mut limits.held_body_bytes, least: 65_536 },
];

impl Sum {
    /// What a server within `limits` may take, and its app besides: `own`.
    pub(crate) fn of(limits: &Limits, own: Vec<Term>) -> Self {
        let buffers = 2 * limits.buffer_bytes() as u64;
        let mut terms = vec![
            Term::new("the process", 1, PROCESS),
            Term::new("connections", limits.connections as u64, CONNECTION + buffers),
            Term::new("bytes of bodies that are kept whole", limits.held_body_bytes as u64, 1),
        ];
        terms.extend(own);
        let bytes = terms.iter().fold(0_u64, |sum, term| sum.saturating_add(term.sum()));
        Self { bytes, terms }
    }
}

/// How a sum that does not fit into `most` bytes can be made to: each by itself is enough. `own` are the app's terms within
/// given limits. Empty where no single setting is enough.
pub(crate) fn lower(most: u64, limits: &Limits, own: impl Fn(&Limits) -> Vec<Term>) -> Vec<Lower> {
    let fits = |limits: &Limits| Sum::of(limits, own(limits)).bytes <= most;
    let fit = |knob: &Knob| {
        let with = |value| {
            let mut limits = *limits;
            *(knob.value)(&mut limits) = value;
            limits
        };
        let (mut least, mut most) = (knob.least, *(knob.value)(&mut { *limits }));
        if least >= most || !fits(&with(least)) {
            return None;
        }
        // The sum grows with the value: `least` fits, `most` does not.
        while most - least > 1 {
            let middle = least + (most - least) / 2;
            if fits(&with(middle)) { least = middle } else { most = middle }
        }
        Some(Lower { name: knob.name, to: least as u64 })
    };
    let sum = Sum::of(limits, own(limits));
    let fit_own = |term: &Term| {
        let room = most.checked_sub(sum.bytes - term.sum())?;
        let to = room / term.bytes.max(1);
        Some(Lower { name: term.setting?, to }).filter(|_| (1..term.count).contains(&to))
    };
    KNOBS.iter().filter_map(fit).chain(sum.terms.iter().filter_map(fit_own)).collect()
}

/// The settings that [`lower`] knows of every server.
pub(crate) fn knobs() -> String {
    listed(&KNOBS.map(|knob| knob.name), "and")
}

/// Bytes as MiB, rounded up.
pub(crate) fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(limits: &Limits) -> Vec<Term> {
        vec![
            Term::new("requests", limits.in_flight as u64, 4 * limits.buffer_bytes() as u64),
            Term::new("tunnels", 4000, 10_000).by("MAX_TUNNELS"),
        ]
    }

    fn sum(limits: &Limits) -> u64 {
        Sum::of(limits, own(limits)).bytes
    }

    #[test]
    fn the_sum_is_of_all_terms() {
        let limits =
            Limits { connections: 10, in_flight: 5, held_body_bytes: 1000, head_bytes: 16_384, ..Limits::default() };
        let sum = Sum::of(&limits, own(&limits));
        assert_eq!(sum.bytes, PROCESS + 10 * (CONNECTION + 32_768) + 1000 + 5 * 65_536 + 40_000_000);
        assert_eq!(sum.terms.iter().map(|term| term.count * term.bytes).sum::<u64>(), sum.bytes);
        let most = Limits { connections: usize::MAX, ..limits };
        assert_eq!(Sum::of(&most, own(&most)).bytes, u64::MAX, "no sum wraps around");
    }

    #[test]
    fn what_is_told_to_be_lowered_is_just_enough() {
        let limits = Limits { connections: 4000, in_flight: 2000, held_body_bytes: 64 << 20, ..Limits::default() };
        let most = sum(&limits) - (30 << 20);
        let told = lower(most, &limits, own);
        let names: Vec<_> = told.iter().map(|lower| lower.name).collect();
        assert_eq!(names, ["MAX_CONNECTIONS", "MAX_HEAD_BYTES", "MAX_IN_FLIGHT", "MAX_HELD_BODY_BYTES", "MAX_TUNNELS"]);
        for Lower { name, to } in told {
            let Some(knob) = KNOBS.iter().find(|knob| knob.name == name) else {
                let saved = (4000 - to) * 10_000;
                assert!(sum(&limits) - saved <= most && sum(&limits) - saved + 10_000 > most, "{to}");
                continue;
            };
            for (value, fits) in [(to, true), (to + 1, false)] {
                let mut limits = limits;
                *(knob.value)(&mut limits) = value as usize;
                assert_eq!(sum(&limits) <= most, fits, "{name} {value}");
            }
        }
    }

    #[test]
    fn what_alone_is_not_enough_is_not_told() {
        let limits = Limits { held_body_bytes: 1 << 20, ..Limits::default() };
        let told = lower(sum(&limits) - (2 << 20), &limits, own);
        assert!(!told.iter().any(|lower| lower.name == "MAX_HELD_BODY_BYTES"), "{told:?}");
        assert_eq!(lower(PROCESS, &limits, own), []);
        assert_eq!(lower(0, &limits, own), []);
    }
}
