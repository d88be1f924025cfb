//! Phase 3: Services.

use serde_json::Value;

use crate::judge::field::{at, field, shown};
use crate::judge::finding::Finding;

/// The ports that a node may open. <https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport>
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

/// A Service of type `kind` for the pods that carry `app=pods`.
pub(super) fn judge(document: &Value, kind: &str, pods: &str) -> Vec<Finding> {
    let mut findings = vec![type_of(document, kind), selector(document, pods)];
    let ports = at(document, "/spec/ports").as_array().map_or(&[][..], Vec::as_slice);
    let port = ports.iter().find(|port| port["port"] == 8000).or(ports.first()).unwrap_or(&Value::Null);
    let what = "it listens on port 8000";
    let found = match &port["port"] {
        found if *found == 8000 => None,
        Value::Null => Some(field(document, "/spec", "ports").map_or_else(|found| found, |_| "none".to_owned())),
        found => Some(shown(found)),
    };
    let absent = port["port"].is_null();
    findings.push(Finding::unless(what, found));
    if absent {
        return findings;
    }
    let target = if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
    let wrong = (*target != 8000 && *target != "http").then(|| {
        let default = if port["targetPort"].is_null() { " (as port, for lack of a targetPort)" } else { "" };
        format!("{}{default}, where no container listens", shown(target))
    });
    findings.push(Finding::unless("it leads to port 8000 of the pods", wrong));
    if let Some(found) = port["nodePort"].as_i64() {
        let wrong = (!NODE_PORTS.contains(&found)).then(|| found.to_string());
        findings.push(Finding::unless("a nodePort is between 30000 and 32767", wrong));
    }
    findings
}

fn type_of(document: &Value, asked: &str) -> Finding {
    let what = format!("the type is {asked}");
    let found = match field(document, "/spec", "type") {
        Ok(found) if found == asked => None,
        Ok(found) if found == "NodePort" => {
            Some("NodePort, which opens a port of every node to all who reach it".to_owned())
        }
        Ok(found) => Some(shown(found)),
        // Not by default: a Service that has nothing else is no ClusterIP Service on purpose.
        Err(found) if found == "none" && asked == "ClusterIP" && !at(document, "/spec/ports").is_null() => None,
        Err(found) if found == "none" => {
            Some("none: by default it is ClusterIP, an address for the cluster alone".to_owned())
        }
        Err(found) => Some(found),
    };
    Finding::unless(what, found)
}

fn selector(document: &Value, pods: &str) -> Finding {
    let what = format!("it selects the pods that carry app={pods}");
    let found = match field(document, "/spec", "selector") {
        Err(found) if found == "none" => Some("none: without a selector it leads to no pod".to_owned()),
        Err(found) => Some(found),
        Ok(found) if found.get("matchLabels").is_some() => {
            Some("matchLabels, which a Service does not have: the labels stand below selector at once".to_owned())
        }
        Ok(found) if found["app"] == pods && found.as_object().is_some_and(|labels| labels.len() == 1) => None,
        Ok(found) => Some(format!("{}, which no pod of {pods} carries", shown(found))),
    };
    Finding::unless(what, found)
}
