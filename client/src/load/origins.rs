//! The hosts and ports of a load.

use crate::{plan::Plan, request::url::Origin};

/// The hosts and ports that the URLs are at, each once; and for each URL, which of them it is at.
pub(super) fn origins(plan: &Plan) -> (Vec<&Origin>, Vec<usize>) {
    let mut origins: Vec<&Origin> = Vec::new();
    let mut origin_of = Vec::new();
    for (url, _) in &plan.urls {
        let known = origins.iter().position(|&origin| *origin == url.origin);
        origin_of.push(known.unwrap_or(origins.len()));
        if known.is_none() {
            origins.push(&url.origin);
        }
    }
    (origins, origin_of)
}
