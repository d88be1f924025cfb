//! Judges the fields of a manifest: parsed YAML in, findings out. Nothing here knows a cluster.

mod autoscaler;
mod deployment;
mod field;
pub(crate) mod finding;
mod ingress;
mod quantity;
mod service;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::judge::finding::Finding;
use crate::manifest::{
    BACKEND_DEPLOYMENT, BACKEND_HPA, BACKEND_SERVICE, FRONTEND_DEPLOYMENT, FRONTEND_SERVICE, INGRESS, Manifest,
};

/// What holds of the fields of `document`, which a learner wrote for `manifest`, and what does not. `versions`: the tags that its image may have.
pub(crate) fn judge(manifest: Manifest, document: &Value, versions: &[&str]) -> Vec<Finding> {
    let (kind, name) = match manifest.file {
        file if file == BACKEND_DEPLOYMENT.file => ("Deployment", "backend"),
        file if file == FRONTEND_DEPLOYMENT.file => ("Deployment", "frontend"),
        file if file == BACKEND_SERVICE.file => ("Service", "backend-svc"),
        file if file == FRONTEND_SERVICE.file => ("Service", "frontend-svc"),
        file if file == INGRESS.file => ("Ingress", "app-ingress"),
        file if file == BACKEND_HPA.file => ("HorizontalPodAutoscaler", "backend-hpa"),
        // What is to be mended is judged by what it does.
        _ => return vec![],
    };
    for (what, pointer, asked) in [("the kind is", "/kind", kind), ("the name is", "/metadata/name", name)] {
        let found = field::at(document, pointer);
        if found != asked {
            return vec![Finding::lacks(format!("{what} {asked}"), field::shown(found))];
        }
    }
    match kind {
        "Deployment" => deployment::judge(document, name, versions),
        "Service" if name == "backend-svc" => service::judge(document, "ClusterIP", "backend"),
        "Service" => service::judge(document, "NodePort", "frontend"),
        "Ingress" => ingress::judge(document),
        _ => autoscaler::judge(document),
    }
}
