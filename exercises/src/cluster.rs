//! The learner's namespace of a cluster, by kubectl as it would be typed.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use e2e::shell::Output;
use e2e::{Error, Ledger, Shell};
use serde_json::Value;

/// The longest that a load runs, should nobody end it.
const LOAD_LIMIT: Duration = Duration::from_secs(600);
/// How long the end of a load may take: its last requests, and the kubelet's round.
const END_LIMIT: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(crate) struct Cluster {
    shell: Shell,
    namespace: String,
}

impl Cluster {
    /// Opens the namespace of the cluster that `KUBECONFIG` leads to, and makes it if it is not there.
    ///
    /// # Errors
    /// If no cluster answers, or it does not let us.
    pub(crate) fn open(shell: &Shell, namespace: &str) -> Result<Self, Error> {
        let asked = shell.try_attempt("kubectl get --raw /readyz --request-timeout=10s")?;
        if !asked.succeeded() {
            let said = asked.stderr.trim();
            return Err(Error::Failed(format!(
                "no cluster answers: `make up` starts one, or let KUBECONFIG name yours\n{said}"
            )));
        }
        let cluster = Self { shell: shell.clone(), namespace: namespace.to_owned() };
        if !cluster.attempt(&format!("get namespace {namespace}"))?.succeeded() {
            shell.try_run(&format!("kubectl create namespace {namespace}"))?;
        }
        Ok(cluster)
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn shell(&self) -> &Shell {
        &self.shell
    }

    /// The same, whose commands end when `flag` is set.
    pub(crate) fn interrupted_by(&self, flag: Arc<AtomicBool>) -> Self {
        Self { shell: self.shell.clone().interrupted_by(flag), namespace: self.namespace.clone() }
    }

    /// What `kubectl ARGUMENTS` prints.
    pub(crate) fn kubectl(&self, arguments: &str) -> Result<String, Error> {
        self.shell.try_stdout(&self.line(arguments))
    }

    /// What `kubectl ARGUMENTS -o json` prints.
    pub(crate) fn json(&self, arguments: &str) -> Result<Value, Error> {
        self.shell.try_json(&format!("{} -o json", self.line(arguments)))
    }

    /// Runs `kubectl ARGUMENTS`, which may fail.
    pub(crate) fn attempt(&self, arguments: &str) -> Result<Output, Error> {
        self.shell.try_attempt(&self.line(arguments))
    }

    /// One request from a pod: `client get ARGUMENTS`.
    pub(crate) fn get(&self, arguments: &str) -> Result<Output, Error> {
        self.attempt(&format!("exec client -- /client get --timeout 5s {arguments}"))
    }

    /// Starts a load from a pod of its own: `client load ARGUMENTS`.
    pub(crate) fn load(&self, arguments: &str) -> Result<Load<'_>, Error> {
        self.kubectl("delete pod load --ignore-not-found --grace-period=1")?;
        let load = Load { cluster: self };
        self.kubectl(&format!(
            "run load --image=client:v1 --image-pull-policy=IfNotPresent --restart=Never -- load {arguments} --duration {}s \
             --output json",
            LOAD_LIMIT.as_secs()
        ))?;
        self.kubectl("wait pod load --for=jsonpath='{.status.phase}'=Running --timeout=60s")?;
        Ok(load)
    }

    fn line(&self, arguments: &str) -> String {
        format!("kubectl -n {} {arguments}", self.namespace)
    }
}

/// A load that runs in a pod; the pod goes with it.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    cluster: &'a Cluster,
}

impl Load<'_> {
    /// Ends the load, and returns its ledger.
    pub(crate) fn stop(self) -> Result<Ledger, Error> {
        // A pod whose time is over is ended as one that is deleted, but what it printed can still be read.
        self.cluster.kubectl("patch pod load -p '{\"spec\":{\"activeDeadlineSeconds\":1}}'")?;
        e2e::try_eventually(END_LIMIT, "the load has ended", || {
            let pod = self.cluster.json("get pod load")?;
            let state = pod.pointer("/status/containerStatuses/0/state").cloned().unwrap_or_default();
            Ok(if state["terminated"].is_object() { Ok(()) } else { Err(state.to_string()) })
        })?;
        let printed = self.cluster.kubectl("logs load")?;
        // The progress on standard error is in the log too.
        let ledger =
            printed.find('{').and_then(|start| Some(&printed[start..=printed.rfind('}')?])).unwrap_or_default();
        Ledger::parse(ledger).map_err(|error| Error::Failed(format!("the load left no ledger ({error}): {printed}")))
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        let delete = "delete pod load --ignore-not-found --grace-period=1 --wait=false";
        drop(self.cluster.shell.to_the_end().try_attempt(&self.cluster.line(delete)));
    }
}
