//! Autoscalers: what they see, what they want, and why.

use serde::{Deserialize, Serialize};

use super::object::{Condition, Reference, Specified, clip, condition};

/// How far a figure may be from its target without a change, as a share of it: the controller manager's default
/// (`--horizontal-pod-autoscaler-tolerance`).
const TOLERANCE: f64 = 0.1;

/// A horizontal autoscaler: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/>
pub(super) type Autoscaler = Specified<Spec, Status>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    scale_target_ref: Reference,
    min_replicas: Option<u32>,
    max_replicas: u32,
    metrics: Vec<Metric>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    current_replicas: u32,
    desired_replicas: u32,
    current_metrics: Option<Vec<Metric>>,
    conditions: Vec<Condition>,
}

/// As the specification has it, with a target, or the status, with a figure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metric {
    resource: Resource,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resource {
    name: String,
    target: Figure,
    current: Figure,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Figure {
    average_utilization: Option<u32>,
}

/// An autoscaler, as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: String,
    /// The Deployment that it scales.
    target: String,
    least: u32,
    most: u32,
    current: u32,
    wanted: u32,
    /// Its CPU, in per cent of what is requested: as seen, and as aimed at.
    figure: Option<u32>,
    aim: Option<u32>,
    /// How the one makes the wanted number of the other, with the numbers of the moment.
    formula: Option<String>,
    /// Why it cannot scale, or not as far as it would.
    message: Option<String>,
}

impl Autoscaler {
    pub(super) fn row(&self) -> Row {
        let cpu = |metric: &&Metric| metric.resource.name == "cpu";
        let seen = self.status.current_metrics.iter().flatten().find(cpu);
        let figure = seen.and_then(|metric| metric.resource.current.average_utilization);
        let aim = self.spec.metrics.iter().find(cpu).and_then(|metric| metric.resource.target.average_utilization);
        let current = self.status.current_replicas;
        let inactive = condition(&self.status.conditions, "ScalingActive").filter(|active| active.status == "False");
        let limited = condition(&self.status.conditions, "ScalingLimited").filter(|limited| limited.status == "True");
        Row {
            name: self.metadata.name.clone(),
            target: self.spec.scale_target_ref.name.clone(),
            least: self.spec.min_replicas.unwrap_or(1),
            most: self.spec.max_replicas,
            current,
            wanted: self.status.desired_replicas,
            figure,
            aim,
            formula: figure.zip(aim.filter(|aim| *aim > 0)).map(|(figure, aim)| formula(current, figure, aim)),
            message: inactive.or(limited).and_then(|why| why.message.as_deref()).map(clip),
        }
    }
}

/// <https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details>
fn formula(current: u32, figure: u32, aim: u32) -> String {
    let ratio = f64::from(figure) / f64::from(aim);
    if (ratio - 1.0).abs() <= TOLERANCE {
        return format!("{figure} % is within a tenth of {aim} %: {current} stay");
    }
    let wanted = (u64::from(current) * u64::from(figure)).div_ceil(u64::from(aim));
    format!("ceil({current} × {figure} / {aim}) = {wanted}")
}
