//! Pods: in which state each one is, and why.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::figures::Figures;
use super::object::{Condition, Specified, clip, condition};

pub(super) type Pod = Specified<Spec, Status>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    node_name: Option<String>,
    containers: Vec<Program>,
}

/// A container, as it is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Program {
    ports: Vec<Port>,
    resources: Resources,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Port {
    name: String,
    container_port: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    requests: Amounts,
    limits: Amounts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Amounts {
    cpu: Option<String>,
}

impl Amounts {
    /// Thousandths of a core: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
    fn cpu_millis(&self) -> Option<u64> {
        let cpu = self.cpu.as_deref()?;
        cpu.strip_suffix('m').map_or_else(|| cpu.parse::<u64>().ok()?.checked_mul(1000), |millis| millis.parse().ok())
    }
}

impl Program {
    /// The name of the port at which figures are asked for.
    const METRICS: &str = "metrics";

    fn metrics_port(&self) -> Option<u16> {
        self.ports.iter().find(|port| port.name == Self::METRICS).map(|port| port.container_port)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    phase: String,
    reason: Option<String>,
    message: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<IpAddr>,
    conditions: Vec<Condition>,
    init_container_statuses: Vec<Container>,
    container_statuses: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    image: String,
    ready: bool,
    /// Its startup probe has passed, or it has none.
    started: Option<bool>,
    restart_count: u64,
    state: Run,
    last_state: Run,
}

/// At most one of them is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Run {
    waiting: Option<Waiting>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Running {
    started_at: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase"), default)]
struct Terminated {
    /// `OOMKilled`, `Error`, `Completed`, …
    reason: Option<String>,
    exit_code: i64,
    finished_at: Option<String>,
}

/// A pod, as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: String,
    service: Option<String>,
    version: Option<String>,
    /// The Deployment's revision that made it.
    revision: Option<u64>,
    node: Option<String>,
    #[serde(flatten)]
    state: State,
    /// New connections of a Service are led to it.
    endpoint: bool,
    restarts: u64,
    /// How its container last ended.
    last: Option<Terminated>,
    created: Option<String>,
    /// What the container with the figures asks for, and is given at most, in thousandths of a core.
    cpu_request_millis: Option<u64>,
    cpu_limit_millis: Option<u64>,
    figures: Option<Figures>,
}

/// The state of a pod. `since` and `until` are times of the API.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum State {
    /// It has no node yet; why, if there is a reason.
    Pending {
        message: Option<String>,
    },
    /// The node makes its containers, or pulls their images.
    Creating,
    /// An image can't be had.
    NoImage {
        image: String,
        reason: String,
        message: Option<String>,
    },
    /// Its container can't be made from what is said of it: a `ConfigMap` or a Secret is not there, for example.
    NoContainer {
        reason: String,
        message: Option<String>,
    },
    /// What has to end before its container starts has not ended.
    Initializing {
        container: String,
    },
    /// Its container ended, and the node waits longer each time before it starts it again.
    CrashLoop {
        message: Option<String>,
    },
    /// Its container ended, and is about to be started again.
    Ended,
    /// The startup probe has not passed.
    Starting {
        since: Option<String>,
        message: Option<String>,
    },
    /// The readiness probe does not pass; what it last said.
    NotReady {
        since: Option<String>,
        message: Option<String>,
    },
    Ready {
        since: Option<String>,
    },
    /// It is to go, and has until then. Where it was disrupted, by what: a drain evicts it, for example.
    /// <https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions>
    Terminating {
        until: Option<String>,
        reason: Option<String>,
        message: Option<String>,
    },
    /// It is over, and not started again.
    Over {
        reason: Option<String>,
        message: Option<String>,
    },
}

impl Pod {
    /// The name of the `ReplicaSet` that made it.
    pub(super) fn replica_set(&self) -> Option<&str> {
        let owner = self.metadata.owner_references.iter().find(|owner| owner.kind == "ReplicaSet");
        owner.map(|owner| owner.name.as_str())
    }

    /// Where it serves its figures, while it has an address and a container with a port for that.
    pub(super) fn metrics_address(&self) -> Option<SocketAddr> {
        let port = self.spec.containers.iter().find_map(Program::metrics_port)?;
        Some(SocketAddr::new(self.status.pod_ip?, port)).filter(|_| self.status.phase == "Running")
    }

    /// Its row. What it can't know itself: whether it is an `endpoint`, its `revision`, what the kubelet last said of a probe that
    /// failed, and its `figures`.
    pub(super) fn row(
        &self,
        endpoint: bool,
        revision: Option<u64>,
        unhealthy: Option<&str>,
        figures: Option<Figures>,
    ) -> Row {
        let measured = self.spec.containers.iter().find(|program| program.metrics_port().is_some());
        let cpu = |of: fn(&Resources) -> &Amounts| measured.and_then(|program| of(&program.resources).cpu_millis());
        let containers = || self.status.container_statuses.iter();
        let ends = containers()
            .filter_map(|container| container.state.terminated.as_ref().or(container.last_state.terminated.as_ref()));
        Row {
            name: self.metadata.name.clone(),
            service: self.metadata.service(),
            version: self.metadata.labels.version.clone(),
            revision,
            node: self.spec.node_name.clone(),
            state: self.state(unhealthy),
            endpoint,
            restarts: containers().map(|container| container.restart_count).sum(),
            last: ends.max_by(|a, b| a.finished_at.cmp(&b.finished_at)).cloned(),
            created: self.metadata.creation_timestamp.clone(),
            cpu_request_millis: cpu(|resources| &resources.requests),
            cpu_limit_millis: cpu(|resources| &resources.limits),
            figures,
        }
    }

    fn state(&self, unhealthy: Option<&str>) -> State {
        let Status { phase, conditions, init_container_statuses, container_statuses, .. } = &self.status;
        if self.metadata.deletion_timestamp.is_some() {
            let disrupted = condition(conditions, "DisruptionTarget").filter(|target| target.status == "True");
            return State::Terminating {
                until: self.metadata.deletion_timestamp.clone(),
                reason: disrupted.and_then(|why| why.reason.as_deref()).map(clip),
                message: disrupted.and_then(|why| why.message.as_deref()).map(clip),
            };
        }
        if phase == "Succeeded" || phase == "Failed" {
            let message = self.status.message.as_deref().map(clip);
            return State::Over { reason: self.status.reason.clone(), message };
        }
        if self.spec.node_name.is_none() {
            let scheduled = condition(conditions, "PodScheduled");
            return State::Pending { message: scheduled.and_then(|why| why.message.as_deref()).map(clip) };
        }
        if let Some(waits) = init_container_statuses.iter().chain(container_statuses).find_map(Container::stuck) {
            return waits;
        }
        // A sidecar is an init container that is ready while it runs.
        let init = init_container_statuses.iter().find(|init| !init.ready && init.started != Some(true));
        if let Some(init) = init.filter(|init| init.state.running.is_some()) {
            return State::Initializing { container: init.name.clone() };
        }
        if container_statuses.is_empty() || container_statuses.iter().any(|one| one.state.waiting.is_some()) {
            return State::Creating;
        }
        if container_statuses.iter().any(|one| one.state.terminated.is_some()) {
            return State::Ended;
        }
        let probe = |name: &str| unhealthy.filter(|said| said.starts_with(name)).map(clip);
        if let Some(starting) = container_statuses.iter().find(|one| one.started == Some(false)) {
            let since = starting.state.running.as_ref().and_then(|run| run.started_at.clone());
            return State::Starting { since, message: probe("Startup") };
        }
        let ready = condition(conditions, "Ready");
        let since = ready.and_then(|ready| ready.last_transition_time.clone());
        if ready.is_some_and(|ready| ready.status == "True") {
            State::Ready { since }
        } else {
            State::NotReady { since, message: probe("Readiness") }
        }
    }
}

impl Container {
    /// What it waits for, where that does not come by itself.
    fn stuck(&self) -> Option<State> {
        let Waiting { reason, message } = self.state.waiting.as_ref()?;
        let (reason, message) = (reason.clone()?, message.as_deref().map(clip));
        match reason.as_str() {
            "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
                Some(State::NoImage { image: clip(&self.image), reason, message })
            }
            "CrashLoopBackOff" => Some(State::CrashLoop { message }),
            "ContainerCreating" | "PodInitializing" => None,
            _ => Some(State::NoContainer { reason, message }),
        }
    }
}
