//! Phase 2: probes, resources, and the strategy of a rolling update.

use serde_json::Value;

use crate::judge::field::{at, field, number, place, shown};
use crate::judge::finding::Finding;
use crate::judge::quantity;

const POD: &str = "/spec/template/spec";
const CONTAINER: &str = "/spec/template/spec/containers/0";

struct Probe {
    field: &'static str,
    name: &'static str,
    path: &'static str,
    period: i64,
    failures: Option<i64>,
    delay: Option<i64>,
    /// What the other path would do.
    swapped: &'static str,
}

const PROBES: [Probe; 2] = [
    Probe {
        field: "livenessProbe",
        name: "liveness",
        path: "/health",
        period: 10,
        failures: Some(3),
        delay: None,
        swapped: "a pod that is only not ready would be restarted",
    },
    Probe {
        field: "readinessProbe",
        name: "readiness",
        path: "/ready",
        period: 5,
        failures: None,
        delay: Some(5),
        swapped: "it holds while the pod can't serve yet, or not any more",
    },
];

pub(super) fn judge(document: &Value, name: &str, versions: &[&str]) -> Vec<Finding> {
    if at(document, CONTAINER).is_null() {
        return vec![Finding::lacks(format!("a container in {}", place(POD)), "none")];
    }
    let mut findings = vec![labels(document), image(document, name, versions)];
    for (kind, memory, cpu) in [("requests", "128Mi", "100m"), ("limits", "256Mi", "250m")] {
        findings.push(quantity::judge(document, CONTAINER, kind, "memory", memory));
        findings.push(quantity::judge(document, CONTAINER, kind, "cpu", cpu));
    }
    for one in &PROBES {
        findings.extend(probe(document, one));
    }
    findings.extend(strategy(document));
    findings
}

fn labels(document: &Value) -> Finding {
    let (selector, labels) =
        (at(document, "/spec/selector/matchLabels"), at(document, "/spec/template/metadata/labels"));
    let what = "the selector's labels are those of its pods";
    let matches = selector.as_object().is_some_and(|selector| {
        !selector.is_empty() && selector.iter().all(|(name, value)| labels.get(name) == Some(value))
    });
    let found = format!("a selector of {} and pods with {}", shown(selector), shown(labels));
    Finding::unless(what, (!matches).then_some(found))
}

fn image(document: &Value, name: &str, versions: &[&str]) -> Finding {
    let images: Vec<String> = versions.iter().map(|version| format!("{name}:{version}")).collect();
    let what = format!("the image is {}", images.join(" or "));
    let found = shown(at(document, &format!("{CONTAINER}/image")));
    // A registry before the name is the cluster's business.
    let is = images.iter().any(|image| found == *image || found.ends_with(&format!("/{image}")));
    Finding::unless(what, (!is).then_some(found))
}

fn probe(document: &Value, asked: &Probe) -> Vec<Finding> {
    let Probe { field: name, name: probe, path, period, failures, delay, swapped } = asked;
    if let Err(found) = field(document, CONTAINER, name) {
        return vec![Finding::lacks(format!("a {probe} probe in the container"), found)];
    }
    let here = format!("{CONTAINER}/{name}");
    let mut findings = vec![];
    let other =
        ["tcpSocket", "exec", "grpc"].into_iter().find(|other| !at(document, &format!("{here}/{other}")).is_null());
    let wrong = match (other, field(document, &here, "httpGet")) {
        (Some(other), _) => Some(format!("{other}, which does not ask {path}")),
        (None, Err(found)) => Some(found),
        (None, Ok(http)) => match http.get("path") {
            Some(found) if found == path => None,
            Some(found) if found == "/health" || found == "/ready" => Some(format!("{}: {swapped}", shown(found))),
            found => Some(shown(found.unwrap_or(&Value::Null))),
        },
    };
    findings.push(Finding::unless(format!("{probe} asks {path}"), wrong));
    let port = at(document, &format!("{here}/httpGet/port"));
    let ports = at(document, &format!("{CONTAINER}/ports")).as_array().map_or(&[][..], Vec::as_slice);
    let named = ports.iter().any(|one| one["name"] == *port && one["containerPort"] == 8000);
    let wrong = (*port != 8000 && !named).then(|| format!("{}, where nothing listens", shown(port)));
    findings.push(Finding::unless(format!("{probe} asks at port 8000"), wrong));
    findings.push(number(document, &here, "periodSeconds", *period, 10, &format!("{probe} asks every {period} s")));
    if let Some(failures) = failures {
        let what = format!("{failures} failures of {probe} in a row count");
        findings.push(number(document, &here, "failureThreshold", *failures, 3, &what));
    }
    if let Some(delay) = delay {
        let what = format!("{probe} waits {delay} s before its first try");
        findings.push(number(document, &here, "initialDelaySeconds", *delay, 0, &what));
    }
    findings
}

fn strategy(document: &Value) -> Vec<Finding> {
    let what = "the strategy is a rolling update";
    let kind = match field(document, "/spec", "strategy") {
        Err(found) if found != "none" => return vec![Finding::lacks(what, found)],
        _ => at(document, "/spec/strategy/type"),
    };
    if kind == "Recreate" {
        return vec![Finding::lacks(what, "Recreate: all old pods go before the first new one comes, an outage")];
    }
    let known = kind.is_null() || kind == "RollingUpdate";
    let mut findings = vec![Finding::unless(what, (!known).then(|| shown(kind)))];
    let here = "/spec/strategy/rollingUpdate";
    let (surge, unavailable) =
        (at(document, &format!("{here}/maxSurge")), at(document, &format!("{here}/maxUnavailable")));
    let asks = [
        ("maxSurge", surge, 1, "maxSurge is 1: one new pod on top"),
        ("maxUnavailable", unavailable, 0, "maxUnavailable is 0: no old pod goes before a new one is ready"),
    ];
    for (name, value, asked, what) in asks {
        let found = match field(document, here, name) {
            Ok(_) if *value == asked => None,
            Ok(_) if *surge == 0 && *unavailable == 0 => {
                Some("0, as is maxUnavailable: no pod may come or go".to_owned())
            }
            Ok(_) => Some(shown(value)),
            Err(found) if found == "none" => Some("25%, the default".to_owned()),
            Err(found) => Some(found),
        };
        findings.push(Finding::unless(what, found));
    }
    findings
}
