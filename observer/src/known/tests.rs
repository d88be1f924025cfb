use super::*;
use serde_json::{Value, json};

/// A pod on a node, with `status`.
fn pod(status: &Value) -> Value {
    json!({
        "metadata": {
            "name": "backend-7c9-x", "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/component": "backend", "app.kubernetes.io/version": "v2"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "backend-7c9"}],
        },
        "spec": {"nodeName": "node1"},
        "status": status,
    })
}

/// The status of a pod of one container, as `state` says, and with `more`.
fn container(state: &Value, more: &Value) -> Value {
    let mut container =
        json!({"name": "backend", "image": "backend:v2", "ready": false, "restartCount": 0, "state": state});
    for (key, value) in more.as_object().unwrap() {
        container[key] = value.clone();
    }
    json!({"phase": "Pending", "containerStatuses": [container]})
}

/// The first of the rows under `key` that come of objects, as JSON.
fn row(key: &str, objects: &[(Kind, Value)]) -> Value {
    let mut known = Known::default();
    for (kind, object) in objects {
        known.learn(*kind, Change::Set(object.clone()));
    }
    serde_json::to_value(known.rows()).unwrap()[key][0].clone()
}

fn event(name: &str, reason: &str, message: &str) -> Value {
    json!({
        "metadata": {"uid": format!("{name} {message}"), "creationTimestamp": "2026-01-01T00:00:09Z"},
        "involvedObject": {"kind": "Pod", "name": name}, "type": "Warning", "reason": reason, "message": message, "count": 3,
    })
}

#[test]
fn the_state_of_a_pod_by_the_table() {
    let none = json!({});
    let running = json!({"running": {"startedAt": "2026-01-01T00:00:01Z"}});
    let ready =
        |status: &str| json!([{"type": "Ready", "status": status, "lastTransitionTime": "2026-01-01T00:00:02Z"}]);
    let with = |mut status: Value, conditions: Value| {
        status["conditions"] = conditions;
        status
    };
    let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "why"}});
    let table = [
        (json!({"phase": "Pending"}), json!({"state": "creating"})),
        (container(&waiting("ContainerCreating"), &none), json!({"state": "creating"})),
        (
            container(&waiting("ImagePullBackOff"), &none),
            json!({"state": "no-image", "image": "backend:v2", "reason": "ImagePullBackOff", "message": "why"}),
        ),
        (
            container(&waiting("ErrImagePull"), &none),
            json!({"state": "no-image", "image": "backend:v2", "reason": "ErrImagePull", "message": "why"}),
        ),
        (
            container(&waiting("CreateContainerConfigError"), &none),
            json!({"state": "no-container", "reason": "CreateContainerConfigError", "message": "why"}),
        ),
        (container(&waiting("CrashLoopBackOff"), &none), json!({"state": "crash-loop", "message": "why"})),
        (container(&json!({"terminated": {"exitCode": 3}}), &none), json!({"state": "ended"})),
        (
            container(&running, &json!({"started": false})),
            json!({"state": "starting", "since": "2026-01-01T00:00:01Z", "message": null}),
        ),
        (
            with(container(&running, &json!({"started": true})), ready("False")),
            json!({"state": "not-ready", "since": "2026-01-01T00:00:02Z", "message": null}),
        ),
        (
            with(container(&running, &json!({"started": true})), ready("True")),
            json!({"state": "ready", "since": "2026-01-01T00:00:02Z"}),
        ),
        (
            json!({"phase": "Failed", "reason": "Evicted", "message": "disk"}),
            json!({"state": "over", "reason": "Evicted", "message": "disk"}),
        ),
        (
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "migrate", "state": running, "started": false}]}),
            json!({"state": "initializing", "container": "migrate"}),
        ),
        (
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "side", "image": "side:v1", "state": waiting("ErrImagePull")}]}),
            json!({"state": "no-image", "image": "side:v1", "reason": "ErrImagePull", "message": "why"}),
        ),
    ];
    for (status, expected) in table {
        let row = row("pods", &[(Kind::Pods, pod(&status))]);
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(row[key], *value, "{key} of {status}");
        }
    }
}

#[test]
fn a_pod_without_a_node_is_pending_and_says_why_and_one_that_is_to_go_has_until_then() {
    let mut waits = pod(&json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available: 2 Insufficient cpu."}]}));
    waits["spec"] = json!({});
    let row_of = |pod: &Value| row("pods", &[(Kind::Pods, pod.clone())]);
    assert_eq!(row_of(&waits)["state"], "pending");
    assert_eq!(row_of(&waits)["message"], "0/2 nodes are available: 2 Insufficient cpu.");
    waits["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:30Z");
    assert_eq!(row_of(&waits)["state"], "terminating");
    assert_eq!(row_of(&waits)["until"], "2026-01-01T00:00:30Z");
}

#[test]
fn a_pod_with_a_port_for_figures_is_measured_while_it_runs_and_says_what_it_may_use() {
    let mut runs = pod(&json!({"phase": "Running", "podIP": "10.42.0.7"}));
    let resources =
        |request: &str, limit: &str| json!({"requests": {"cpu": request, "memory": "16Mi"}, "limits": {"cpu": limit}});
    runs["spec"]["containers"] = json!([
        {"name": "beside"},
        {"name": "backend", "ports": [{"name": "http", "containerPort": 8000}, {"name": "metrics", "containerPort": 9090}],
            "resources": resources("100m", "2")},
    ]);
    let mut known = Known::default();
    known.learn(Kind::Pods, Change::Set(runs.clone()));
    let name = "backend-7c9-x".to_owned();
    assert_eq!(known.measurable(), [(name.clone(), "10.42.0.7:9090".parse().unwrap())]);
    let row = |known: &Known| serde_json::to_value(known.rows()).unwrap()["pods"][0].clone();
    assert_eq!(row(&known)["figures"], Value::Null);
    assert_eq!((&row(&known)["cpu_request_millis"], &row(&known)["cpu_limit_millis"]), (&json!(100), &json!(2000)));
    assert!(known.measure(vec![(name, Sample::read("http_requests_in_flight 3\n", std::time::Duration::ZERO))]));
    assert_eq!(row(&known)["figures"]["in_flight"], 3);

    // Of more than a page shows, those that it shows.
    for number in 100..170 {
        let mut another = runs.clone();
        another["metadata"]["name"] = format!("c-{number}").into();
        another["metadata"]["uid"] = number.to_string().into();
        known.learn(Kind::Pods, Change::Set(another.clone()));
    }
    let names: Vec<String> = known.measurable().into_iter().map(|(name, _)| name).collect();
    assert_eq!((names.len(), names.first().unwrap().as_str(), names.last().unwrap().as_str()), (64, "c-169", "c-106"));
    let mut known = Known::default();

    for (path, value) in
        [("/status/phase", json!("Pending")), ("/status/podIP", Value::Null), ("/spec/containers", json!([]))]
    {
        let mut other = runs.clone();
        *other.pointer_mut(path).unwrap() = value;
        known.learn(Kind::Pods, Change::Set(other));
        assert_eq!(known.measurable(), [], "{path}");
    }
    runs["spec"]["containers"][1]["resources"] = resources("0.1", "many");
    known.learn(Kind::Pods, Change::Set(runs));
    assert_eq!((&row(&known)["cpu_request_millis"], &row(&known)["cpu_limit_millis"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_drain_is_seen_by_the_pods_that_it_evicts_and_by_those_that_find_no_other_node() {
    // As the API server and the scheduler write them.
    let mut evicted = pod(&json!({"phase": "Running", "conditions": [
        {"type": "DisruptionTarget", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:00Z",
            "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"},
        {"type": "Ready", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2025-12-31T00:00:00Z"}]}));
    let row_of = |pod: &Value| row("pods", &[(Kind::Pods, pod.clone())]);
    assert_eq!(row_of(&evicted)["state"], "creating");
    evicted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:30Z");
    let row = row_of(&evicted);
    assert_eq!((&row["state"], &row["until"]), (&json!("terminating"), &json!("2026-01-01T00:00:30Z")));
    assert_eq!((&row["reason"], &row["message"]), (&json!("EvictionByEvictionAPI"), &json!("Eviction API: evicting")));
    evicted["status"]["conditions"][0]["status"] = json!("False");
    assert_eq!(row_of(&evicted)["reason"], Value::Null, "of a pod that is deleted like any other");

    let mut homeless = pod(&json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable."}]}));
    homeless["spec"] = json!({});
    assert_eq!(row_of(&homeless)["state"], "pending");
    let message = row_of(&homeless)["message"].clone();
    assert!(message.as_str().unwrap().contains("1 node(s) were unschedulable"), "{message}");
}

#[test]
fn a_restart_has_its_number_and_how_the_run_before_it_ended() {
    let last = json!({"restartCount": 2, "started": true, "lastState":
        {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-01T00:00:05Z"}}});
    let row = row("pods", &[(Kind::Pods, pod(&container(&json!({"running": {}}), &last)))]);
    assert_eq!(row["restarts"], 2);
    assert_eq!(row["last"], json!({"reason": "OOMKilled", "exit_code": 137, "finished_at": "2026-01-01T00:00:05Z"}));
}

#[test]
fn a_pod_that_is_not_ready_says_what_its_own_probe_said_last() {
    let unready = pod(&container(&json!({"running": {}}), &json!({"started": true})));
    let row = row(
        "pods",
        &[
            (Kind::Pods, unready),
            (
                Kind::Events,
                event("backend-7c9-x", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
            ),
            (Kind::Events, event("another", "Unhealthy", "Readiness probe failed: timeout")),
            (Kind::Events, event("backend-7c9-x", "Killing", "Stopping container")),
        ],
    );
    assert_eq!(row["state"], "not-ready");
    assert_eq!(row["message"], "Readiness probe failed: HTTP probe failed with statuscode: 503");
}

#[test]
fn a_pod_knows_its_revision_and_whether_requests_are_led_to_it() {
    let set = json!({"metadata": {"name": "backend-7c9", "annotations": {"deployment.kubernetes.io/revision": "4"}}});
    let slice = |ready: &Value| {
        json!({"metadata": {"name": "backend-abc"}, "endpoints": [
            {"targetRef": {"kind": "Pod", "name": "backend-7c9-x"}, "conditions": {"ready": ready}}]})
    };
    for (ready, endpoint) in [(json!(true), true), (json!(false), false), (Value::Null, true)] {
        let pod = pod(&json!({"phase": "Pending"}));
        let row = row("pods", &[(Kind::Pods, pod), (Kind::ReplicaSets, set.clone()), (Kind::Endpoints, slice(&ready))]);
        assert_eq!(row["endpoint"], endpoint, "{ready}");
        assert_eq!((&row["revision"], &row["service"], &row["version"]), (&json!(4), &json!("backend"), &json!("v2")));
    }
}

#[test]
fn the_rollout_of_a_deployment_by_the_table() {
    // Wanted, there, updated, available; paused; what Progressing gives as its reason; the generation that was observed, of 2.
    let table = [
        (2, 2, 2, 2, false, "NewReplicaSetAvailable", 2, "complete"),
        (2, 3, 1, 2, false, "ReplicaSetUpdated", 2, "under-way"),
        (2, 2, 2, 1, false, "ReplicaSetUpdated", 2, "under-way"),
        (4, 2, 2, 2, false, "NewReplicaSetAvailable", 2, "under-way"),
        (2, 3, 1, 2, false, "ProgressDeadlineExceeded", 2, "stuck"),
        (2, 3, 1, 2, true, "DeploymentPaused", 2, "paused"),
        (2, 2, 2, 2, false, "NewReplicaSetAvailable", 1, "unseen"),
        (0, 0, 0, 0, false, "NewReplicaSetAvailable", 2, "complete"),
    ];
    for (wanted, there, updated, available, paused, reason, observed, expected) in table {
        let deployment = json!({
            "metadata": {"name": "backend", "generation": 2, "annotations": {"deployment.kubernetes.io/revision": "7"}},
            "spec": {"replicas": wanted, "paused": paused},
            "status": {"observedGeneration": observed, "replicas": there, "updatedReplicas": updated, "availableReplicas": available,
                "conditions": [{"type": "Progressing", "status": "True", "reason": reason, "message": "why"}]},
        });
        let row = row("deployments", &[(Kind::Deployments, deployment)]);
        assert_eq!(row["rollout"], expected, "{reason}");
        assert_eq!((&row["wanted"], &row["revision"]), (&json!(wanted), &json!(7)));
        assert_eq!(row["message"], if expected == "stuck" { json!("why") } else { Value::Null });
    }
}

#[test]
fn an_autoscaler_shows_its_sum_and_why_it_does_not_follow_it() {
    let hpa = |current: u32, figure: &Value, conditions: &Value| {
        let metric =
            json!([{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": figure}}}]);
        json!({
            "metadata": {"name": "backend"},
            "spec": {"scaleTargetRef": {"name": "backend"}, "minReplicas": 2, "maxReplicas": 5,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50}}}]},
            "status": {"currentReplicas": current, "desiredReplicas": 5, "conditions": conditions, "currentMetrics": metric},
        })
    };
    let none = json!([]);
    let limited = json!([{"type": "ScalingLimited", "status": "True", "message": "more than the maximum"}]);
    let inactive = json!([{"type": "ScalingActive", "status": "False", "message": "no metrics"}]);
    let table = [
        (2, json!(140), &none, json!("ceil(2 × 140 / 50) = 6"), Value::Null),
        (3, json!(54), &none, json!("54 % is within a tenth of 50 %: 3 stay"), Value::Null),
        (2, json!(140), &limited, json!("ceil(2 × 140 / 50) = 6"), json!("more than the maximum")),
        (2, Value::Null, &inactive, Value::Null, json!("no metrics")),
    ];
    for (current, figure, conditions, formula, message) in table {
        let row = row("autoscalers", &[(Kind::Autoscalers, hpa(current, &figure, conditions))]);
        assert_eq!((&row["formula"], &row["message"], &row["figure"]), (&formula, &message, &figure));
        assert_eq!((&row["least"], &row["most"], &row["aim"]), (&json!(2), &json!(5), &json!(50)));
    }
}

#[test]
fn an_event_that_recurs_is_one_and_the_newest() {
    let mut known = Known::default();
    for (name, reason) in [("a", "Pulling"), ("b", "Pulled"), ("a", "Pulling")] {
        known.learn(Kind::Events, Change::Set(event(name, reason, "said")));
    }
    let rows = serde_json::to_value(known.rows()).unwrap();
    let names: Vec<&Value> = rows["events"].as_array().unwrap().iter().map(|row| &row["about"]["name"]).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(rows["events"][1]["count"], 3);
}

#[test]
fn a_new_list_forgets_what_went_meanwhile_and_a_namesake_is_not_taken_away() {
    let named = |name: &str, uid: &str| {
        let mut pod = pod(&json!({}));
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["uid"] = json!(uid);
        pod
    };
    let kept = |known: &Known| -> Vec<String> { known.pods.iter().map(|pod| pod.metadata.name.clone()).collect() };
    let mut known = Known::default();
    known.learn(Kind::Pods, Change::All(vec![named("a", "1"), named("b", "2")]));
    known.learn(Kind::Pods, Change::Set(named("a", "3")));
    known.learn(Kind::Pods, Change::Gone(named("a", "1")));
    assert_eq!(kept(&known), ["a", "b"]);
    known.learn(Kind::Pods, Change::Gone(named("a", "3")));
    assert_eq!(kept(&known), ["b"]);
    known.learn(Kind::Pods, Change::All(vec![named("c", "4")]));
    assert_eq!(kept(&known), ["c"]);
}

#[test]
fn what_is_to_be_known_of_a_node_by_the_table() {
    let condition = |status: &str| json!([{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": status, "message": "why"}]);
    let taint = |key: &str, value: &str| json!({"key": key, "value": value, "effect": "NoSchedule"});
    let cordoned = taint("node.kubernetes.io/unschedulable", "");
    let many: Vec<Value> = (0..20).map(|n| taint(&n.to_string(), &"x".repeat(600))).collect();
    let shown: Vec<String> = (0..8).map(|n| format!("{n}={}", "x".repeat(510))).collect();
    for (spec, conditions, expected) in [
        (json!({}), condition("True"), Value::Null),
        (
            json!({"taints": [taint("for", "")]}),
            condition("True"),
            json!({"ready": true, "cordoned": false, "message": null}),
        ),
        (json!({}), condition("False"), json!({"ready": false, "message": "why"})),
        (json!({}), condition("Unknown"), json!({"ready": false, "message": "why"})),
        (json!({}), json!([]), json!({"ready": false, "message": null})),
        (
            json!({"unschedulable": true, "taints": [cordoned]}),
            condition("True"),
            json!({"cordoned": true, "taints": []}),
        ),
        (
            json!({"taints": [taint("for", "gpus"), taint("bare", "")]}),
            condition("True"),
            json!({"cordoned": false, "taints": ["for=gpus:NoSchedule", "bare:NoSchedule"]}),
        ),
        (json!({"taints": many}), condition("True"), json!({"taints": shown})),
    ] {
        let node = json!({"metadata": {"name": "node1"}, "spec": spec, "status": {"conditions": conditions}});
        let row = row("nodes", &[(Kind::Nodes, node.clone())]);
        assert_eq!(row["name"], if expected.is_null() { Value::Null } else { json!("node1") }, "{node}");
        for (key, value) in expected.as_object().into_iter().flatten() {
            assert_eq!(&row[key], value, "{key} of {node}");
        }
    }
}

#[test]
fn what_is_kept_is_bounded_and_what_is_not_is_counted() {
    let mut known = Known::default();
    let pods = (0..600).map(|n| json!({"metadata": {"name": format!("p{n:03}"), "uid": n.to_string()}}));
    known.learn(Kind::Pods, Change::All(pods.collect()));
    for n in 0..300 {
        known.learn(Kind::Events, Change::Set(event(&format!("p{n}"), "Killing", &"x".repeat(2000))));
    }
    let rows = serde_json::to_value(known.rows()).unwrap();
    assert_eq!(rows["pods"].as_array().unwrap().len(), 500);
    assert_eq!(rows["left_out"], 100);
    assert_eq!(rows["events"].as_array().unwrap().len(), 100);
    assert_eq!(rows["events"][99]["about"]["name"], "p299");
    assert_eq!(rows["events"][0]["message"].as_str().unwrap().len(), 512);
    known.learn(Kind::Pods, Change::Gone(json!({"metadata": {"name": "p599", "uid": "599"}})));
    assert_eq!(known.rows().left_out, 99);
}

#[test]
fn what_is_no_object_is_passed_over() {
    let mut known = Known::default();
    for kind in Kind::ALL {
        for strange in [json!(7), json!("x"), json!([]), json!({"metadata": 3})] {
            known.learn(kind, Change::All(vec![strange.clone()]));
            known.learn(kind, Change::Set(strange.clone()));
            known.learn(kind, Change::Gone(strange));
        }
    }
    assert_eq!(known.rows().pods.len(), 0);
}
