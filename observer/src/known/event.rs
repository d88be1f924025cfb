//! Events: what the parts of the cluster say that they did.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::object::{Change, Metadata, Reference, clip};

/// Events that are kept. The newest push the oldest out.
const MOST: usize = 100;

/// An event: <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Event {
    metadata: Metadata,
    involved_object: Reference,
    #[serde(rename = "type")]
    kind: String,
    reason: String,
    message: String,
    count: Option<u64>,
    series: Option<Series>,
    last_timestamp: Option<String>,
    /// What newer writers of events set instead.
    #[serde(rename = "eventTime")]
    began: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Series {
    count: Option<u64>,
    last_observed_time: Option<String>,
}

/// An event, as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Tells it from the others; the same while it only recurs.
    id: String,
    at: Option<String>,
    about: Reference,
    warning: bool,
    reason: String,
    message: String,
    count: u64,
}

impl Event {
    fn at(&self) -> Option<&str> {
        let series = self.series.as_ref().and_then(|series| series.last_observed_time.as_deref());
        let times = [series, self.last_timestamp.as_deref(), self.began.as_deref()];
        times.into_iter().flatten().next().or(self.metadata.creation_timestamp.as_deref())
    }

    pub(super) fn row(&self) -> Row {
        Row {
            id: self.metadata.uid.clone(),
            at: self.at().map(str::to_owned),
            about: self.involved_object.clone(),
            warning: self.kind == "Warning",
            reason: clip(&self.reason),
            message: clip(&self.message),
            count: self.series.as_ref().and_then(|series| series.count).or(self.count).unwrap_or(1),
        }
    }
}

/// The events, the newest last.
#[derive(Debug, Default)]
pub(super) struct Events(VecDeque<Event>);

impl Events {
    /// Learns of a change. An event that expires (an hour after it, by default) stays until newer ones push it out.
    pub(super) fn learn(&mut self, change: Change) {
        match change {
            Change::All(objects) => {
                let mut events: Vec<Event> =
                    objects.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect();
                events.sort_by(|a, b| a.at().cmp(&b.at()));
                self.0 = events.into();
            }
            Change::Set(object) => self.set(object),
            Change::Gone(_) => {}
        }
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
    }

    fn set(&mut self, object: Value) {
        let Ok(event) = serde_json::from_value::<Event>(object) else { return };
        self.0.retain(|known| known.metadata.uid != event.metadata.uid);
        self.0.push_back(event);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.0.iter()
    }

    /// What the kubelet last said of a probe of the pod called `name` that failed.
    pub(super) fn unhealthy(&self, name: &str) -> Option<&str> {
        let about = |event: &&Event| event.involved_object.kind == "Pod" && event.involved_object.name == name;
        let said = self.0.iter().rev().filter(about).find(|event| event.reason == "Unhealthy");
        said.map(|event| event.message.as_str())
    }
}
