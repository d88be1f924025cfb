//! The release `proof` in its namespace, and the cluster around it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use e2e::shell::root;
use e2e::{Error, Output, Shell, json, try_eventually};
use serde_json::Value;

use crate::args::Mode;
use crate::stream::{HOST, NODE_PORT};

/// Longest time for pods to come and go after a change.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// Something that was done to the release, for the picture of the row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Event {
    /// In milliseconds since 1970.
    pub(crate) unix_ms: u64,
    pub(crate) what: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) node: String,
}

/// The release, and what was done to it since the row began.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) shell: Shell,
    pub(crate) mode: Mode,
    pub(crate) nodes: Vec<String>,
    /// Where ledgers, pictures and the table go.
    pub(crate) folder: PathBuf,
    /// Folder of the cluster's state.
    state: PathBuf,
    start: Instant,
    events: Mutex<Vec<Event>>,
}

impl Release {
    /// Makes the namespace on the cluster of `KUBECONFIG`, and the folder `output`.
    ///
    /// # Errors
    /// If `KUBECONFIG` is no cluster of this repository (drains and kills are only for those), or it does not answer.
    pub(crate) fn open(mode: Mode, output: &Path, interrupted: Arc<AtomicBool>) -> Result<Self, Error> {
        let start = Instant::now();
        let admin = std::env::var("KUBECONFIG").unwrap_or_default();
        if !admin.contains("/.cluster/run/") {
            return Err(Error::Failed(format!(
                "KUBECONFIG={admin:?} is no cluster of this repository; start one and point at it: \
                 make up; eval \"$(make env)\""
            )));
        }
        let state = PathBuf::from(&admin).parent().map(PathBuf::from).unwrap_or_default();
        let folder = root().join(output);
        fs::create_dir_all(&folder)?;
        let kubeconfig = folder.join("kubeconfig");
        fs::copy(&admin, &kubeconfig).map_err(|error| format!("{admin}: {error}"))?;

        let shell = Shell::default().with("KUBECONFIG", kubeconfig.to_string_lossy()).interrupted_by(interrupted);
        let release = Self { shell, mode, nodes: Vec::new(), folder, state, start, events: Mutex::default() };
        release.say("namespace proof");
        release.shell.try_run("kubectl delete namespace proof --ignore-not-found --wait --timeout=120s")?;
        release.shell.try_run("kubectl create namespace proof")?;
        release.shell.try_run("kubectl label namespace proof pod-security.kubernetes.io/enforce=restricted")?;
        release.shell.try_run("kubectl config set-context --current --namespace=proof")?;
        let addresses =
            "kubectl get nodes -o jsonpath='{.items[*].status.addresses[?(@.type==\"InternalIP\")].address}'";
        let nodes = release.shell.try_stdout(addresses)?.split_whitespace().map(str::to_owned).collect();
        Ok(Self { nodes, ..release })
    }

    /// Removes the release with its namespace, whatever signals come.
    pub(crate) fn close(&self) {
        self.say("removing release and namespace proof");
        // The pods first: a namespace with pods in it looks again only after half their grace period.
        for command in [
            "kubectl delete deployments,pods --all --cascade=foreground --wait --timeout=60s",
            "kubectl delete namespace proof --wait --timeout=120s",
        ] {
            if let Err(error) = self.shell.to_the_end().try_run(command) {
                eprintln!("{error}");
            }
        }
    }

    /// Prints a progress line with the time since the start, and remembers it for the picture.
    pub(crate) fn say(&self, what: &str) {
        println!("[{:6.1}s] {what}", self.start.elapsed().as_secs_f64());
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(Event { unix_ms, what: what.to_owned() });
    }

    /// What was said since the last call.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// How often a row does its act.
    pub(crate) fn times(&self, short: u32, full: u32) -> u32 {
        match self.mode {
            Mode::Short => short,
            Mode::Full => full,
        }
    }

    /// `helm upgrade` with the values of the proof and `flags`, waited for; does not look at how it ends.
    pub(crate) fn try_upgrade(&self, flags: &str) -> Result<Output, Error> {
        self.shell.try_attempt(&format!("helm upgrade --install proof chart/ --wait {} {flags}", self.values()))
    }

    /// `helm upgrade` with the values of the proof and `flags`.
    pub(crate) fn upgrade(&self, flags: &str) -> Result<(), Error> {
        self.say(&format!("helm upgrade {flags}"));
        let output = self.try_upgrade(&format!("--timeout 180s {flags}"))?;
        if output.succeeded() { Ok(()) } else { Err(Error::Failed(format!("helm upgrade {flags}\n{}", output.stderr))) }
    }

    /// `helm rollback` to the revision before.
    pub(crate) fn rollback(&self) -> Result<(), Error> {
        self.say("helm rollback");
        self.shell.try_run("helm rollback proof --wait --timeout 180s")
    }

    /// Brings the release to version 1 with `flags`, whatever a row before has left of it.
    pub(crate) fn prepare(&self, flags: &str) -> Result<(), Error> {
        self.upgrade(&format!("--force-conflicts {flags}"))?;
        self.settle()
    }

    fn values(&self) -> String {
        let mut values = format!(
            "--set services.frontend.service.nodePort={NODE_PORT} --set ingress.hosts='{{{HOST}}}' \
             --set services.backend.autoscaling.enabled=false --set services.backend.logs.level=debug"
        );
        values += match self.mode {
            Mode::Full => " --set defaults.replicas=3",
            // Two pods, and probes that find out soon.
            Mode::Short => {
                " --set defaults.replicas=2 --set defaults.probes.readiness.initialDelaySeconds=1 \
                 --set defaults.probes.readiness.periodSeconds=1"
            }
        };
        values
    }

    /// Waits until every wanted pod is ready, and no other is left: what a pod loses, it loses before it is gone.
    ///
    /// # Errors
    /// If that takes more than two minutes.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        try_eventually(SETTLE_LIMIT, "all pods are ready and none is going", || {
            let deployments = self.shell.try_json("kubectl get deployments -o json")?;
            let pods = self.shell.try_json("kubectl get pods -o json")?;
            Ok(settled(&deployments, &pods))
        })
    }

    /// The pods of a service that are not going.
    pub(crate) fn pods(&self, component: &str) -> Result<Vec<Pod>, Error> {
        let list =
            self.shell.try_json(&format!("kubectl get pods -l app.kubernetes.io/component={component} -o json"))?;
        let text = |pod: &Value, pointer: &str| pod.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let pods: Option<Vec<Pod>> = json::list(&list, "/items")
            .iter()
            .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
            .map(|pod| {
                Some(Pod {
                    name: text(pod, "/metadata/name")?,
                    uid: text(pod, "/metadata/uid")?,
                    node: text(pod, "/spec/nodeName")?,
                })
            })
            .collect();
        pods.ok_or_else(|| Error::Failed(format!("a pod of {component} has no node yet")))
    }

    /// The folder of a node's kubelet.
    pub(crate) fn kubelet_folder(&self, node: &str) -> String {
        self.state.join(node).join("kubelet").to_string_lossy().into_owned()
    }

    /// The folders in which the kubelets keep what the pods' containers print.
    pub(crate) fn log_folders(&self) -> Result<Vec<PathBuf>, Error> {
        let nodes = self.shell.try_stdout("kubectl get nodes -o jsonpath='{.items[*].metadata.name}'")?;
        Ok(nodes.split_whitespace().map(|node| self.state.join(node).join("pods")).collect())
    }
}

/// Whether `pods` are exactly those that `deployments` want, and ready.
fn settled(deployments: &Value, pods: &Value) -> Result<(), String> {
    let mut wanted = 0;
    for deployment in json::list(deployments, "/items") {
        let replicas = json::count(deployment, "/spec/replicas");
        let updated = json::count(deployment, "/status/updatedReplicas");
        if updated != replicas {
            return Err(format!("{updated} of {replicas} pods are of the newest template"));
        }
        wanted += replicas;
    }
    let pods = json::list(pods, "/items");
    let is_ready = |pod: &Value| {
        pod.pointer("/metadata/deletionTimestamp").is_none()
            && json::condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
    };
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    if ready == pods.len() && ready as u64 == wanted {
        Ok(())
    } else {
        Err(format!("{wanted} pods wanted, {} there, {ready} of them ready", pods.len()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_release_has_settled_when_the_wanted_pods_are_ready_and_no_other_is_left() {
        let deployments =
            |updated| json!({"items": [{"spec": {"replicas": 1}, "status": {"updatedReplicas": updated}}]});
        let pod = |ready: &str| json!({"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        let mut going = pod("True");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");

        assert_eq!(settled(&deployments(1), &json!({"items": [pod("True")]})), Ok(()));
        for (updated, pods) in
            [(0, vec![pod("True")]), (1, vec![pod("False")]), (1, vec![pod("True"), going]), (1, vec![])]
        {
            assert!(settled(&deployments(updated), &json!({"items": pods})).is_err());
        }
    }
}
