//! What the pods of a Deployment are at, in words, from what kubectl says of them.

use e2e::json::condition;
use serde_json::{Value, json};

/// `1 of 2 ready: backend-1 is not ready`.
pub(crate) fn state(pods: &Value) -> String {
    let pods = e2e::json::list(pods, "/items");
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let troubles: Vec<String> = pods.iter().filter_map(trouble).collect();
    let all = if pods.is_empty() { "no pod".to_owned() } else { format!("{ready} of {} pods ready", pods.len()) };
    if troubles.is_empty() { all } else { format!("{all}: {}", troubles.join("; ")) }
}

/// The same of one pod.
pub(crate) fn state_of(pod: &Value) -> String {
    state(&json!({"items": [pod]}))
}

/// A pod that is going is no help any more, ready or not.
fn is_ready(pod: &Value) -> bool {
    !is_going(pod) && condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// Whether a pod was deleted, and takes its time to end.
pub(crate) fn is_going(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

/// Why a pod is not ready; none for one that is.
fn trouble(pod: &Value) -> Option<String> {
    if is_ready(pod) {
        return None;
    }
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    let container = &pod["status"]["containerStatuses"][0];
    let waits = container["state"]["waiting"]["reason"].as_str();
    let last = container["lastState"]["terminated"]["reason"].as_str();
    let why = match (waits, condition(pod, "PodScheduled")) {
        _ if is_going(pod) => "is going".to_owned(),
        (_, Some(scheduled)) if scheduled["status"] == "False" => {
            format!("has no node: {}", scheduled["message"].as_str().unwrap_or_default())
        }
        (Some(reason @ ("ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName")), _) => {
            format!("can't get the image {image} ({reason})")
        }
        (Some("CrashLoopBackOff"), _) => format!("crashes again and again ({})", last.unwrap_or("no reason given")),
        (Some(reason), _) => format!("is not started ({reason})"),
        (None, _) if container["state"]["running"].is_object() => {
            match container["restartCount"].as_u64().unwrap_or(0) {
                0 => "runs and is not ready".to_owned(),
                restarts => format!(
                    "runs, was restarted {restarts} times ({}) and is not ready",
                    last.unwrap_or("no reason given")
                ),
            }
        }
        (None, _) => "is starting".to_owned(),
    };
    Some(format!("{name} {why}"))
}

/// How many seconds after its container's start a pod was ready.
pub(crate) fn ready_after(pod: &Value) -> Option<u64> {
    let started = pod.pointer("/status/containerStatuses/0/state/running/startedAt")?.as_str()?;
    let ready = condition(pod, "Ready")?["lastTransitionTime"].as_str()?;
    Some((second_of_day(ready)? + 86_400 - second_of_day(started)?) % 86_400)
}

/// Of a time as RFC 3339 writes it, in UTC.
fn second_of_day(time: &str) -> Option<u64> {
    let (_, clock) = time.trim_end_matches('Z').split_once('T')?;
    clock.split(':').try_fold(0, |seconds, part| Some(seconds * 60 + part.parse::<u64>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_pod_from_being_ready_is_named() {
        let pod = |status: Value| json!({"items": [{"metadata": {"name": "it"}, "spec": {"containers": [{"image": "backend:v9"}]}, "status": status}]});
        let waiting = |reason: &str| json!({"containerStatuses": [{"state": {"waiting": {"reason": reason}}}]});
        for (status, words) in [
            (waiting("ImagePullBackOff"), "0 of 1 pods ready: it can't get the image backend:v9 (ImagePullBackOff)"),
            (waiting("CrashLoopBackOff"), "crashes again and again"),
            (
                json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "Insufficient cpu"}]}),
                "Insufficient cpu",
            ),
            (json!({"containerStatuses": [{"state": {"running": {}}, "restartCount": 2}]}), "was restarted 2 times"),
            (json!({"conditions": [{"type": "Ready", "status": "True"}]}), "1 of 1 pods ready"),
        ] {
            let state = state(&pod(status));
            assert!(state.contains(words), "{state}");
        }
        assert_eq!(state(&json!({"items": []})), "no pod");
        let mut going = pod(json!({"conditions": [{"type": "Ready", "status": "True"}]}));
        going["items"][0]["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
        assert_eq!(state(&going), "0 of 1 pods ready: it is going");
    }

    #[test]
    fn how_long_a_pod_took_is_told_across_midnight() {
        let pod = json!({"status": {
            "containerStatuses": [{"state": {"running": {"startedAt": "2030-01-01T23:59:57Z"}}}],
            "conditions": [{"type": "Ready", "lastTransitionTime": "2030-01-02T00:00:03Z"}],
        }});
        assert_eq!(ready_after(&pod), Some(6));
    }
}
