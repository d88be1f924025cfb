//! Phase 4: the Ingress.

use serde_json::Value;

use crate::judge::field::{at, field, shown};
use crate::judge::finding::Finding;

/// Where the controllers of before 1.18 looked for the class.
const OLD_CLASS: &str = "kubernetes.io/ingress.class";

pub(super) fn judge(document: &Value) -> Vec<Finding> {
    let mut findings = vec![class(document)];
    let annotations = at(document, "/metadata/annotations").as_object();
    if let Some(rewrite) = annotations.and_then(|all| all.keys().find(|name| name.ends_with("/rewrite-target"))) {
        findings.push(Finding::lacks("paths arrive as they were sent", format!("{rewrite}, which changes them")));
    }
    let rules = at(document, "/spec/rules").as_array().map_or(&[][..], Vec::as_slice);
    let paths: Vec<&Value> =
        rules.iter().filter_map(|rule| rule.pointer("/http/paths")?.as_array()).flatten().collect();
    for (path, service) in [("/api", "backend-svc"), ("/", "frontend-svc")] {
        findings.extend(route(&paths, path, service));
    }
    findings
}

fn class(document: &Value) -> Finding {
    let old = at(document, "/metadata/annotations").get(OLD_CLASS).is_some();
    let found = match field(document, "/spec", "ingressClassName") {
        Ok(found) if found == "nginx" => None,
        Ok(found) => Some(shown(found)),
        Err(_) if old => Some(format!("the annotation {OLD_CLASS}, which ingressClassName has replaced")),
        Err(found) if found == "none" => Some("none: no controller takes it for its own".to_owned()),
        Err(found) => Some(found),
    };
    Finding::unless("the class is nginx", found)
}

fn route(paths: &[&Value], path: &str, service: &str) -> Vec<Finding> {
    let what = format!("there is a path {path}");
    let written = |entry: &Value| entry["path"].as_str().unwrap_or_default().to_owned();
    let is = |entry: &Value| written(entry) == path || (path != "/" && written(entry) == format!("{path}/"));
    let Some(entry) = paths.iter().find(|entry| is(entry)) else {
        let all: Vec<String> = paths.iter().map(|entry| written(entry)).collect();
        let relative = all.iter().any(|written| format!("/{written}") == path && path != "/");
        let found = match all.as_slice() {
            [] => "none".to_owned(),
            _ if relative => format!("{}: a path begins with a /", path.trim_start_matches('/')),
            all => all.join(" and "),
        };
        return vec![Finding::lacks(what, found)];
    };
    let mut findings = vec![Finding::holds(what)];
    let kind = match &entry["pathType"] {
        found if found == "Prefix" => None,
        found if found == "Exact" => Some(format!("Exact: {path} alone, and nothing below it")),
        found => Some(shown(found)),
    };
    findings.push(Finding::unless(format!("{path} is of type Prefix"), kind));
    let to = match entry.pointer("/backend/service/name") {
        Some(found) if found == service => None,
        Some(found) => Some(shown(found)),
        None if !at(entry, "/backend/serviceName").is_null() => {
            Some("serviceName, of networking.k8s.io/v1beta1: v1 has service.name and service.port.number".to_owned())
        }
        None => Some("none".to_owned()),
    };
    findings.push(Finding::unless(format!("{path} leads to {service}"), to));
    let port = match at(entry, "/backend/service/port") {
        Value::Number(_) => Some("a number below port: it stands below port.number".to_owned()),
        port if port["number"] == 8000 || port["name"] == "http" => None,
        port if !port["number"].is_null() => {
            Some(format!("{}, on which {service} does not listen", shown(&port["number"])))
        }
        port => Some(shown(port)),
    };
    findings.push(Finding::unless(format!("{path} leads to port 8000"), port));
    findings
}
