//! Phase 5: the HorizontalPodAutoscaler.

use serde_json::Value;

use crate::judge::field::{at, field, number, shown};
use crate::judge::finding::Finding;

pub(super) fn judge(document: &Value) -> Vec<Finding> {
    let mut findings = target(document);
    let (least, most) = (at(document, "/spec/minReplicas").as_i64(), at(document, "/spec/maxReplicas").as_i64());
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        findings.push(Finding::lacks(
            "at least 2 pods, at most 8",
            format!("minReplicas {least} above maxReplicas {most}"),
        ));
    } else {
        findings.push(number(document, "/spec", "minReplicas", 2, 1, "at least 2 pods"));
        let found = match field(document, "/spec", "maxReplicas") {
            Ok(found) if *found == 8 => None,
            Ok(found) => Some(shown(found)),
            Err(found) => Some(found),
        };
        findings.push(Finding::unless("at most 8 pods", found));
    }
    findings.push(metric(document));
    findings
}

fn target(document: &Value) -> Vec<Finding> {
    let what = "it scales the Deployment backend";
    if let Err(found) = field(document, "/spec", "scaleTargetRef") {
        return vec![Finding::lacks(what, found)];
    }
    let part = |name: &str| shown(at(document, &format!("/spec/scaleTargetRef/{name}")));
    let (kind, name, version) = (part("kind"), part("name"), part("apiVersion"));
    let is = kind == "Deployment" && name == "backend";
    let mut findings = vec![Finding::unless(what, (!is).then(|| format!("the {kind} {name}")))];
    findings.push(Finding::unless("its apiVersion is apps/v1", (version != "apps/v1").then_some(version)));
    findings
}

fn metric(document: &Value) -> Finding {
    let what = "the target is 50 % of the requested cpu on average";
    let old = at(document, "/spec/targetCPUUtilizationPercentage");
    let v1 = document["apiVersion"] == "autoscaling/v1";
    if !old.is_null() {
        let wrong = match (v1, *old == 50) {
            (true, true) => None,
            (true, false) => Some(format!("{} %", shown(old))),
            (false, _) => Some("targetCPUUtilizationPercentage, of autoscaling/v1: v2 has metrics".to_owned()),
        };
        return Finding::unless(what, wrong);
    }
    let metrics = match field(document, "/spec", "metrics") {
        Ok(metrics) => metrics,
        Err(found) => return Finding::lacks(what, found),
    };
    let first = at(metrics, "/0");
    let (name, target) = (at(first, "/resource/name"), at(first, "/resource/target"));
    let kind = &target["type"];
    let wrong = if name != "cpu" {
        Some(format!("the resource {}", shown(name)))
    } else if !target["averageValue"].is_null() || kind == "AverageValue" {
        let value = shown(&target["averageValue"]);
        Some(format!("averageValue {value}, an amount of cpu and no share of what is requested: averageUtilization"))
    } else if kind != "Utilization" {
        Some(format!("the type {}: it is Utilization", shown(kind)))
    } else if target["averageUtilization"] == 50 {
        None
    } else {
        Some(match &target["averageUtilization"] {
            Value::Null => "no averageUtilization".to_owned(),
            found => format!("{} %", shown(found)),
        })
    };
    Finding::unless(what, wrong)
}
