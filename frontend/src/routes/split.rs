//! Which of several upstreams a request of a route goes to: by weight, and aside from that by a header.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::headers;
use crate::mistakes::Section;

/// The most parts that one upstream can have.
const MOST_WEIGHT: u32 = 1_000_000;

/// A part of a route's requests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Share {
    /// Name of an upstream.
    pub upstream: String,
    /// Of so many parts in all.
    pub(super) weight: u32,
}

/// Requests with a header of this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    header: HeaderName,
    /// Byte by byte.
    value: HeaderValue,
    pub(super) upstream: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PinEntry {
    header: String,
    value: String,
    upstream: String,
}

/// The upstream of a request with `headers`: that of the first of the `pins` that it has, or one of the `shares`, if there are any;
/// every value of `random` is as likely as any other.
pub(super) fn choose<'t>(shares: &'t [Share], pins: &'t [Pin], headers: &HeaderMap, random: u32) -> Option<&'t str> {
    let pinned = pins.iter().find(|pin| headers.get_all(&pin.header).iter().any(|value| *value == pin.value));
    if let Some(pin) = pinned {
        return Some(&pin.upstream);
    }
    let weights: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
    let mut point = (u64::from(random) * weights) >> 32;
    for share in shares {
        if point < u64::from(share.weight) {
            return Some(&share.upstream);
        }
        point -= u64::from(share.weight);
    }
    shares.first().map(|share| &*share.upstream)
}

/// All requests go to `upstream`.
pub(super) fn only(upstream: impl Into<String>) -> Vec<Share> {
    vec![Share { upstream: upstream.into(), weight: 1 }]
}

/// The shares of a route that leads to one `upstream`, or to several as `split` has them.
pub(super) fn read(section: &mut Section, upstream: Option<String>, split: Vec<Share>) -> Vec<Share> {
    let shares = match (upstream, split) {
        (Some(upstream), split) if split.is_empty() => only(upstream),
        (None, split) if !split.is_empty() => split,
        _ => {
            section.mistake("accepted is either upstream or split");
            return Vec::new();
        }
    };
    if shares.iter().all(|share| share.weight == 0) {
        section.mistake("all weights of split are 0: one must be above");
    }
    for share in &shares {
        section.within("weight", Some(share.weight), 0..=MOST_WEIGHT);
    }
    shares
}

impl PinEntry {
    pub(super) fn check(self, section: &mut Section) -> Option<Pin> {
        let (header, value) = headers::read(section, "pins", &self.header, &self.value)?;
        Some(Pin { header, value, upstream: self.upstream })
    }
}

impl Share {
    pub(super) fn document(&self) -> Value {
        json!({"upstream": self.upstream, "weight": self.weight})
    }
}

impl Pin {
    pub(super) fn document(&self) -> Value {
        let value = String::from_utf8_lossy(self.value.as_bytes());
        json!({"header": self.header.as_str(), "value": value, "upstream": self.upstream})
    }
}
