//! What is known of the namespace, object by object, and the rows that are made of it.
//!
//! Pure: changes go in as the API says them, rows come out. Of each object only what a row needs is kept, and of each kind only so many
//! objects; what is beyond is counted. Times stay texts of the API (RFC 3339): who shows them has a clock.

mod autoscaler;
mod deployment;
mod endpoints;
mod event;
mod figures;
mod node;
mod object;
mod pod;
mod table;

use std::net::SocketAddr;

use serde::Serialize;

pub use figures::Sample;
pub use object::Change;

use autoscaler::Autoscaler;
use deployment::{Deployment, ReplicaSet};
use endpoints::Slice;
use event::{Event, Events};
use figures::Looks;
use node::Node;
use pod::Pod;
use table::Table;

/// A kind of objects that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Pods.
    Pods,
    /// Which of them get a Service's requests.
    Endpoints,
    /// Deployments.
    Deployments,
    /// Their revisions.
    ReplicaSets,
    /// Horizontal autoscalers.
    Autoscalers,
    /// What happened.
    Events,
    /// Nodes, which are in no namespace.
    Nodes,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pods,
        Self::Endpoints,
        Self::Deployments,
        Self::ReplicaSets,
        Self::Autoscalers,
        Self::Events,
        Self::Nodes,
    ];

    /// Whether its objects are of a namespace.
    pub fn namespaced(self) -> bool {
        self != Self::Nodes
    }

    /// What the API has in front of the namespace, if there is one, and what behind it.
    pub fn resource(self) -> (&'static str, &'static str) {
        match self {
            Self::Pods => ("/api/v1", "pods"),
            Self::Endpoints => ("/apis/discovery.k8s.io/v1", "endpointslices"),
            Self::Deployments => ("/apis/apps/v1", "deployments"),
            Self::ReplicaSets => ("/apis/apps/v1", "replicasets"),
            Self::Autoscalers => ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
            Self::Events => ("/api/v1", "events"),
            Self::Nodes => ("/api/v1", "nodes"),
        }
    }
}

/// What is known.
#[derive(Debug, Default)]
pub struct Known {
    pods: Table<Pod>,
    slices: Table<Slice>,
    deployments: Table<Deployment>,
    replica_sets: Table<ReplicaSet>,
    autoscalers: Table<Autoscaler>,
    events: Events,
    nodes: Table<Node>,
    looks: Looks,
}

/// Pods that are looked at: as many as a page has rows for, which are the last by name.
const LOOKED_AT: usize = 64;

/// The rows.
#[derive(Debug, Serialize)]
pub struct Rows {
    pods: Vec<pod::Row>,
    deployments: Vec<deployment::Row>,
    autoscalers: Vec<autoscaler::Row>,
    /// The newest last.
    events: Vec<event::Row>,
    /// Those that are not as any other.
    nodes: Vec<node::Row>,
    /// Objects beyond what is kept.
    left_out: usize,
}

impl Known {
    /// Learns of `change`. What is no object of its kind is passed over: a server newer than this program may have another form of it.
    pub fn learn(&mut self, kind: Kind, change: Change) {
        match kind {
            Kind::Pods => self.pods.learn(change),
            Kind::Endpoints => self.slices.learn(change),
            Kind::Deployments => self.deployments.learn(change),
            Kind::ReplicaSets => self.replica_sets.learn(change),
            Kind::Autoscalers => self.autoscalers.learn(change),
            Kind::Events => self.events.learn(change),
            Kind::Nodes => self.nodes.learn(change),
        }
    }

    /// Pods that have figures, by name, and where they serve them.
    pub fn measurable(&self) -> Vec<(String, SocketAddr)> {
        let pods = self.pods.iter().filter_map(|pod| Some((pod.metadata.name.clone(), pod.metrics_address()?)));
        pods.rev().take(LOOKED_AT).collect()
    }

    /// Learns what a look at all of them found. Says whether that changes anything.
    pub fn measure(&mut self, found: Vec<(String, Sample)>) -> bool {
        self.looks.learn(found)
    }

    /// The rows, in the order of their names.
    pub fn rows(&self) -> Rows {
        let revision = |name: &str| self.replica_sets.named(name).and_then(|set| set.metadata.revision());
        let pods = self.pods.iter().map(|pod| {
            let endpoint = self.slices.iter().any(|slice| slice.leads_to(&pod.metadata.name));
            let name = &pod.metadata.name;
            let revision = pod.replica_set().and_then(revision);
            pod.row(endpoint, revision, self.events.unhealthy(name), self.looks.of(name))
        });
        Rows {
            pods: pods.collect(),
            deployments: self.deployments.iter().map(Deployment::row).collect(),
            autoscalers: self.autoscalers.iter().map(Autoscaler::row).collect(),
            events: self.events.iter().map(Event::row).collect(),
            nodes: self.nodes.iter().filter_map(Node::row).collect(),
            left_out: self.pods.left_out()
                + self.deployments.left_out()
                + self.autoscalers.left_out()
                + self.nodes.left_out(),
        }
    }
}

#[cfg(test)]
mod tests;
