//! Deployments, and how far their rollout is.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::object::{Condition, Specified, clip, condition};

pub(super) type Deployment = Specified<Spec, Status>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    /// Without it, 1 is wanted.
    replicas: Option<u32>,
    paused: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    observed_generation: u64,
    replicas: u32,
    updated_replicas: u32,
    ready_replicas: u32,
    available_replicas: u32,
    conditions: Vec<Condition>,
}

/// A revision of a Deployment: its number is what is asked of it.
pub(super) type ReplicaSet = Specified<IgnoredAny, IgnoredAny>;

/// A Deployment, as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: String,
    service: Option<String>,
    /// Pods: wanted, there, of the newest revision, ready, and ready for long enough.
    wanted: u32,
    there: u32,
    updated: u32,
    ready: u32,
    available: u32,
    revision: Option<u64>,
    rollout: Rollout,
    /// Why it can't make pods, or does not come on.
    message: Option<String>,
}

/// How far a rollout is.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Rollout {
    /// Nobody has looked at the newest change yet.
    Unseen,
    /// Held.
    Paused,
    /// New pods come, or old ones go.
    UnderWay,
    /// Nothing has moved within the deadline (`progressDeadlineSeconds`).
    Stuck,
    /// All that are wanted are there, of the newest revision, and no other.
    Complete,
}

impl Deployment {
    pub(super) fn row(&self) -> Row {
        let Status { replicas, updated_replicas, ready_replicas, available_replicas, .. } = self.status;
        let failing = condition(&self.status.conditions, "ReplicaFailure").filter(|failure| failure.status == "True");
        let stuck = self.stuck();
        Row {
            name: self.metadata.name.clone(),
            service: self.metadata.service(),
            wanted: self.wanted(),
            there: replicas,
            updated: updated_replicas,
            ready: ready_replicas,
            available: available_replicas,
            revision: self.metadata.revision(),
            rollout: self.rollout(),
            message: failing.or(stuck).and_then(|why| why.message.as_deref()).map(clip),
        }
    }

    fn wanted(&self) -> u32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn stuck(&self) -> Option<&Condition> {
        let progressing = condition(&self.status.conditions, "Progressing");
        progressing.filter(|progress| progress.reason.as_deref() == Some("ProgressDeadlineExceeded"))
    }

    /// As `kubectl rollout status` says it: <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status>
    fn rollout(&self) -> Rollout {
        let Status { replicas, updated_replicas, available_replicas, observed_generation, .. } = self.status;
        if observed_generation < self.metadata.generation {
            Rollout::Unseen
        } else if updated_replicas == self.wanted()
            && replicas == updated_replicas
            && available_replicas == updated_replicas
        {
            Rollout::Complete
        } else if self.spec.paused {
            Rollout::Paused
        } else if self.stuck().is_some() {
            Rollout::Stuck
        } else {
            Rollout::UnderWay
        }
    }
}
