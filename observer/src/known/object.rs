//! What every object of the API has, and how one changes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest text that is kept of an object, in characters.
const LONGEST_TEXT: usize = 512;

/// What changed, of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// These are all objects that there are.
    All(Vec<Value>),
    /// This object is new, or is another now.
    Set(Value),
    /// This object is gone.
    Gone(Value),
}

/// An object: what every one has, what is asked of it, and how it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Specified<Spec, Status> {
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
    pub(super) status: Status,
}

/// What every object has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) generation: u64,
    pub(super) labels: Labels,
    pub(super) annotations: Annotations,
    pub(super) owner_references: Vec<Reference>,
    pub(super) creation_timestamp: Option<String>,
    /// When it has to be gone at the latest; `None` while nobody asked for that.
    pub(super) deletion_timestamp: Option<String>,
}

/// Those of all labels that are looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Labels {
    #[serde(rename = "app.kubernetes.io/component")]
    pub(super) component: Option<String>,
    pub(super) app: Option<String>,
    #[serde(rename = "app.kubernetes.io/version")]
    pub(super) version: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations {
    #[serde(rename = "deployment.kubernetes.io/revision")]
    pub(super) revision: Option<String>,
}

/// One object as another names it.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Reference {
    pub(super) kind: String,
    pub(super) name: String,
}

/// What a controller or the kubelet says of an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    pub(super) last_transition_time: Option<String>,
}

impl Metadata {
    /// The service of the release that it belongs to.
    pub(super) fn service(&self) -> Option<String> {
        self.labels.component.clone().or_else(|| self.labels.app.clone())
    }

    pub(super) fn revision(&self) -> Option<u64> {
        self.annotations.revision.as_ref()?.parse().ok()
    }
}

pub(super) fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// `text` as far as it is kept.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}
