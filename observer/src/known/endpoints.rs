//! Which pods get the requests of a Service.

use serde::Deserialize;

use super::object::{Metadata, Reference};
use super::table::Object;

/// A part of a Service's endpoints: <https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/>
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Slice {
    metadata: Metadata,
    endpoints: Vec<Member>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Member {
    target_ref: Option<Reference>,
    conditions: Conditions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conditions {
    /// Where it is not said, it is ready.
    ready: Option<bool>,
}

impl Object for Slice {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Slice {
    /// Whether new connections are led to the pod called `name`.
    pub(super) fn leads_to(&self, name: &str) -> bool {
        let is = |member: &Member| member.target_ref.as_ref().is_some_and(|to| to.kind == "Pod" && to.name == name);
        self.endpoints.iter().any(|member| is(member) && member.conditions.ready != Some(false))
    }
}
