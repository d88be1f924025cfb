//! Nodes: whether new pods may come to them.

use serde::{Deserialize, Serialize};

use super::object::{Condition, Specified, clip, condition};

/// A node: <https://kubernetes.io/docs/concepts/architecture/nodes/>
pub(super) type Node = Specified<Spec, Status>;

/// Taints of a node that are shown.
const MOST_TAINTS: usize = 8;
/// The taint of a node that is cordoned, which says it a second time.
const CORDONED: &str = "node.kubernetes.io/unschedulable";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    /// Cordoned.
    unschedulable: bool,
    taints: Vec<Taint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Taint {
    key: String,
    value: String,
    effect: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    conditions: Vec<Condition>,
}

/// A node that is not as any other, as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: String,
    ready: bool,
    cordoned: bool,
    /// As `kubectl taint` writes them.
    taints: Vec<String>,
    /// Why it is not ready.
    message: Option<String>,
}

impl Node {
    /// None where pods may come to it as to any other.
    pub(super) fn row(&self) -> Option<Row> {
        // Unknown where its kubelet is silent.
        let condition = condition(&self.status.conditions, "Ready");
        let ready = condition.is_some_and(|condition| condition.status == "True");
        let cordoned = self.spec.unschedulable;
        let taints = self.spec.taints.iter().filter(|taint| taint.key != CORDONED);
        let taints: Vec<String> = taints.take(MOST_TAINTS).map(Taint::text).collect();
        let strange = !ready || cordoned || !taints.is_empty();
        strange.then(|| Row {
            name: self.metadata.name.clone(),
            ready,
            cordoned,
            taints,
            message: condition.filter(|_| !ready).and_then(|why| why.message.as_deref()).map(clip),
        })
    }
}

impl Taint {
    fn text(&self) -> String {
        let value = if self.value.is_empty() { String::new() } else { format!("={}", self.value) };
        clip(&format!("{}{value}:{}", self.key, self.effect))
    }
}
