//! Every solution holds, every blank file lacks what its blanks ask for, and each typical mistake is named.

use std::fs;
use std::path::PathBuf;

use e2e::Shell;
use e2e::shell::root;
use serde_json::Value;

use crate::judge::finding::Finding;
use crate::judge::judge;
use crate::manifest::{
    BACKEND_DEPLOYMENT, BACKEND_HPA, BACKEND_SERVICE, FRONTEND_DEPLOYMENT, FRONTEND_SERVICE, INGRESS, Manifest,
};
use crate::yaml;

const ALL: [Manifest; 6] =
    [BACKEND_DEPLOYMENT, FRONTEND_DEPLOYMENT, BACKEND_SERVICE, FRONTEND_SERVICE, INGRESS, BACKEND_HPA];

/// The texts as kubectl reads them, all at once.
fn parsed(test: &str, texts: &[String]) -> Vec<Value> {
    let folder = root().join("target/exercises").join(test);
    fs::create_dir_all(&folder).unwrap();
    let files: Vec<PathBuf> = (0..texts.len()).map(|index| folder.join(format!("{index}.yaml"))).collect();
    for (file, text) in files.iter().zip(texts) {
        fs::write(file, text).unwrap();
    }
    let path = format!("{}:{}", root().join(".cluster/bin").display(), std::env::var("PATH").unwrap());
    let documents = yaml::read(&Shell::default().with("PATH", path), &files).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(documents.len(), texts.len());
    documents
}

fn lacks(manifest: Manifest, document: &Value) -> Vec<String> {
    let findings = judge(manifest, document, &["v1"]);
    findings.iter().filter(|finding| finding.found.is_some()).map(Finding::to_string).collect()
}

#[test]
fn every_solution_holds() {
    let documents = parsed("solutions", &ALL.map(|manifest| manifest.solution()));
    for (manifest, document) in ALL.into_iter().zip(&documents) {
        assert_eq!(lacks(manifest, document), Vec::<String>::new(), "{}", manifest.file);
        assert!(!judge(manifest, document, &["v1"]).is_empty());
    }
}

#[test]
fn every_blank_file_fails_with_a_useful_word() {
    let documents = parsed("blanks", &ALL.map(|manifest| manifest.blank()));
    let deployment = [
        "requests of 128Mi memory: asked; found none",
        "limits of 250m cpu: asked; found none",
        "a liveness probe in the container: asked; found none",
        "a readiness probe in the container: asked; found none",
        "maxUnavailable is 0: no old pod goes before a new one is ready: asked; found 25%, the default",
    ];
    let words: [&[&str]; 6] = [
        &deployment,
        &deployment,
        &["app=backend: asked; found none: without a selector it leads to no pod", "port 8000: asked; found none"],
        &["the type is NodePort: asked; found none: by default it is ClusterIP", "app=frontend: asked; found none"],
        &["the class is nginx: asked; found none: no controller takes it", "a path /api: asked; found none"],
        &["the Deployment backend: asked; found none", "at least 2 pods: asked; found 1", "at most 8 pods", "50 %"],
    ];
    for ((manifest, document), words) in ALL.into_iter().zip(&documents).zip(words) {
        let found = lacks(manifest, document).join("\n");
        for word in words {
            assert!(found.contains(word), "{}: no {word:?} in\n{found}", manifest.file);
        }
    }
}

const LIVENESS: &str = "          livenessProbe:
            httpGet:
              path: /health
              port: 8000
            periodSeconds: 10
            failureThreshold: 3
";

/// What is written, and what is written instead.
type Change = (&'static str, &'static str);

/// The manifest, what is changed in it, and what is said of it.
const MISTAKES: &[(Manifest, &[Change], &str)] = &[
    (BACKEND_DEPLOYMENT, &[("cpu: 100m", "cpu: 100")], "100m cpu: asked; found 100, whole CPUs"),
    (BACKEND_DEPLOYMENT, &[("memory: 128Mi", "memory: 128M")], "M is 1,000,000 bytes"),
    (BACKEND_DEPLOYMENT, &[("memory: 128Mi", "memory: 128m")], "m is a thousandth, here of a byte"),
    (BACKEND_DEPLOYMENT, &[("memory: 256Mi", "memory: 256MB")], "256MB, which is no quantity"),
    (BACKEND_DEPLOYMENT, &[("limits:", "limit:")], "limit there, a name that Kubernetes does not know: limits"),
    (BACKEND_DEPLOYMENT, &[("path: /health", "path: /ready")], "a pod that is only not ready would be restarted"),
    (BACKEND_DEPLOYMENT, &[("path: /ready", "path: /health")], "it holds while the pod can't serve yet"),
    (
        BACKEND_DEPLOYMENT,
        &[("            initialDelaySeconds: 5\n", "")],
        "readiness waits 5 s before its first try: asked; found 0",
    ),
    (BACKEND_DEPLOYMENT, &[("periodSeconds: 10", "periodSeconds: 5")], "liveness asks every 10 s: asked; found 5"),
    (BACKEND_DEPLOYMENT, &[("periodSeconds: 5", "periodSecond: 5")], "periodSecond there, a name that"),
    (BACKEND_DEPLOYMENT, &[("periodSeconds: 5", "periodSeconds: \"5\"")], "without quotes it is a number"),
    (BACKEND_DEPLOYMENT, &[("failureThreshold: 3", "failureThreshold: 1")], "3 failures of liveness"),
    (BACKEND_DEPLOYMENT, &[("port: 8000\n            periodSeconds: 10", "port: 80")], "80, where nothing listens"),
    (
        BACKEND_DEPLOYMENT,
        &[("httpGet:\n              path: /ready\n              port: 8000", "tcpSocket:\n              port: 8000")],
        "tcpSocket, which does not ask /ready",
    ),
    (
        BACKEND_DEPLOYMENT,
        &[(LIVENESS, ""), ("    spec:\n", "    spec:\n      livenessProbe: {httpGet: {path: /health, port: 8000}}\n")],
        "it in spec.template.spec: it belongs in spec.template.spec.containers[0]",
    ),
    (BACKEND_DEPLOYMENT, &[("readinessProbe", "readynessProbe")], "readynessProbe there, a name that"),
    (BACKEND_DEPLOYMENT, &[("maxUnavailable: 0", "maxUnavailable: 1")], "no old pod goes before a new one"),
    (BACKEND_DEPLOYMENT, &[("maxSurge: 1", "maxSurge: 0")], "no pod may come or go"),
    (
        BACKEND_DEPLOYMENT,
        &[("RollingUpdate\n    rollingUpdate:\n      maxSurge: 1\n      maxUnavailable: 0", "Recreate")],
        "Recreate: all old pods go",
    ),
    (BACKEND_DEPLOYMENT, &[("matchLabels: {app: backend}", "matchLabels: {app: back}")], "a selector of app=back"),
    (
        FRONTEND_DEPLOYMENT,
        &[("image: frontend:v1", "image: frontend")],
        "the image is frontend:v1: asked; found frontend",
    ),
    (FRONTEND_DEPLOYMENT, &[("name: frontend\n  labels", "name: front\n  labels")], "the name is frontend"),
    (BACKEND_SERVICE, &[("app: backend", "app: backend-svc")], "app=backend-svc, which no pod of backend carries"),
    (BACKEND_SERVICE, &[("    app:", "    matchLabels: {app: backend}\n    app:")], "a Service does not have"),
    (BACKEND_SERVICE, &[("port: 8000\n      t", "port: 80\n      t")], "port 8000: asked; found 80"),
    (BACKEND_SERVICE, &[("targetPort: 8000", "targetPort: 8080")], "8080, where no container listens"),
    (BACKEND_SERVICE, &[("ClusterIP", "NodePort")], "NodePort, which opens a port of every node"),
    (FRONTEND_SERVICE, &[("NodePort", "ClusterIP")], "the type is NodePort: asked; found ClusterIP"),
    (FRONTEND_SERVICE, &[("targetPort: 8000", "nodePort: 8000")], "between 30000 and 32767: asked; found 8000"),
    (INGRESS, &[("pathType: Prefix", "pathType: Exact")], "Exact: /api alone, and nothing below it"),
    (INGRESS, &[("  ingressClassName: nginx\n", "")], "no controller takes it"),
    (INGRESS, &[("path: /api", "path: api")], "api: a path begins with a /"),
    (INGRESS, &[("name: backend-svc", "name: backend")], "/api leads to backend-svc: asked; found backend"),
    (INGRESS, &[("number: 8000", "number: 80")], "80, on which backend-svc does not listen"),
    (INGRESS, &[("port:\n                  number: 8000", "port: 8000")], "it stands below port.number"),
    (
        INGRESS,
        &[("service:\n                name: backend-svc", "serviceName: backend-svc\n              service:")],
        "networking.k8s.io/v1beta1",
    ),
    (
        INGRESS,
        &[("name: app-ingress", "name: app-ingress\n  annotations: {nginx.ingress.kubernetes.io/rewrite-target: /}")],
        "paths arrive as they were sent",
    ),
    (BACKEND_HPA, &[("name: backend\n  min", "name: backend-svc\n  min")], "the Deployment backend-svc"),
    (BACKEND_HPA, &[("apiVersion: apps/v1", "apiVersion: v1")], "apps/v1: asked; found v1"),
    (BACKEND_HPA, &[("Replicas: 2", "Replicas: 8"), ("maxReplicas: 8", "maxReplicas: 2")], "minReplicas 8 above"),
    (BACKEND_HPA, &[("  minReplicas: 2\n", "")], "at least 2 pods: asked; found 1"),
    (BACKEND_HPA, &[("name: cpu", "name: memory")], "the resource memory"),
    (
        BACKEND_HPA,
        &[("Utilization\n          averageUtilization: 50", "AverageValue\n          averageValue: 50m")],
        "an amount of cpu",
    ),
    (BACKEND_HPA, &[("averageUtilization: 50", "averageUtilization: 80")], "on average: asked; found 80 %"),
];

#[test]
fn each_typical_mistake_gets_the_message_that_names_it() {
    let texts: Vec<String> = MISTAKES
        .iter()
        .map(|(manifest, changes, _)| {
            changes.iter().fold(manifest.solution(), |text, (from, to)| {
                assert!(text.contains(from), "{}: no {from:?}", manifest.file);
                text.replacen(from, to, 1)
            })
        })
        .collect();
    for ((manifest, changes, word), document) in MISTAKES.iter().zip(parsed("mistakes", &texts)) {
        let found = lacks(*manifest, &document).join("\n");
        assert!(found.contains(word), "{}, {changes:?}: no {word:?} in\n{found}", manifest.file);
    }
}
