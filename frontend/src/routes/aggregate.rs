//! One reply of several upstreams: a JSON object with a member for each part.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::mistakes::Section;
use crate::routes::path::prefix;

const MOST_PARTS: usize = 8;
/// The longest reply of a part where its route says nothing, in bytes.
pub(super) const LONGEST: u64 = 256 * 1024;
/// The member that says which parts are missing, and why.
pub(crate) const ERRORS: &str = "errors";

/// A member of the reply, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Letters, digits, `-` and `_`, so that it stands in JSON as it is.
    pub(crate) name: String,
    pub(crate) upstream: String,
    /// What that sees in place of the route's path; the same if none.
    pub(crate) rewrite: Option<String>,
    /// Without it there is no reply.
    pub(crate) required: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Entry {
    upstream: String,
    rewrite: Option<String>,
    #[serde(default)]
    required: bool,
}

/// Checks the parts of a route that is `exact` or not.
pub(super) fn read(section: &mut Section, entries: BTreeMap<String, Entry>, exact: bool) -> Vec<Part> {
    section.count("aggregate", entries.len(), MOST_PARTS);
    let mut parts = Vec::new();
    for (name, entry) in entries {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !plain || !(1..=63).contains(&name.len()) || name == ERRORS {
            let accepted = "accepted are 1 to 63 letters, digits, - and _, and errors is the gateway's own";
            section.mistake(format!("aggregate: the name {name:?}: {accepted}"));
        }
        let rewrite = entry.rewrite.map(|text| prefix(section, "aggregate: rewrite", &text, exact));
        parts.push(Part { name, upstream: entry.upstream, rewrite, required: entry.required });
    }
    parts
}

pub(super) fn document(parts: &[Part], whole: impl Fn(&str) -> String) -> Value {
    let part = |part: &Part| {
        let mut document = json!({"upstream": part.upstream, "required": part.required});
        if let Some(path) = &part.rewrite {
            document["rewrite"] = whole(path).into();
        }
        (part.name.clone(), document)
    };
    parts.iter().map(part).collect::<Map<_, _>>().into()
}
