//! A namespace of a cluster that its test has to itself.

use std::fs;
use std::ops::Deref;
use std::thread;

use crate::clusters::Taken;
use crate::condition::eventually;
use crate::shell::{Shell, root};

/// A namespace, and a shell whose commands go there.
///
/// What was installed into it is gone when it is dropped. A test that fails shows the namespace's state first.
#[derive(Debug)]
pub struct Namespace {
    shell: Shell,
    name: String,
    cluster: Taken,
}

impl Namespace {
    /// Opens a new namespace that enforces the restricted Pod Security Standard.
    pub fn restricted(name: &str) -> Self {
        let namespace = Self::unrestricted(name);
        namespace.run(&format!("kubectl label namespace {name} pod-security.kubernetes.io/enforce=restricted"));
        namespace
    }

    /// Opens a new namespace that takes any pod, as a plain `kubectl run` makes them.
    pub fn unrestricted(name: &str) -> Self {
        let cluster = Taken::any();
        let admin = admin_kubeconfig(cluster.shell());
        let folder = root().join("target/e2e");
        fs::create_dir_all(&folder).expect("target is writable");
        let kubeconfig = folder.join(format!("{name}.kubeconfig"));
        fs::copy(&admin, &kubeconfig).unwrap_or_else(|error| panic!("{admin}: {error}"));

        let shell = cluster.shell().clone().with("KUBECONFIG", kubeconfig.to_string_lossy());
        shell.run(&format!("kubectl delete namespace {name} --ignore-not-found --wait"));
        shell.run(&format!("kubectl create namespace {name}"));
        shell.run(&format!("kubectl config set-context --current --namespace={name}"));
        Self { shell, name: name.to_owned(), cluster }
    }

    /// Installs the chart as release `practice` with `flags`, and waits until it answers wherever it can be asked: a pod
    /// that is ready is not yet an endpoint in every proxy, and the ingress controller learns of each Service apart.
    #[track_caller]
    pub fn install(&self, flags: &str) {
        self.run(&format!("helm install practice chart/ {flags} --wait --timeout 120s"));
        let ingress = self.ingress_url();
        let nodes = self.node_addresses().into_iter().map(|node| format!("http://{node}:30080/proxy/items"));
        for url in nodes.chain([format!("{ingress}/api/items"), format!("{ingress}/proxy/items")]) {
            self.run(&format!("client wait {url} --timeout 30s"));
        }
    }

    /// Applies `files`, the definitions of `resources`, and waits until the API serves them. It has taken a definition before
    /// that, with conditions that are null: `kubectl wait` looks for its condition in these, and fails.
    #[track_caller]
    pub fn define(&self, files: &str, resources: &str) {
        self.run(&format!("kubectl apply --server-side -f {files}"));
        eventually("the API serves what is defined", || {
            let served = self.attempt(&format!("kubectl get {resources}"));
            if served.succeeded() { Ok(()) } else { Err(served.to_string()) }
        });
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster that it is in, as `make env` reaches it: in the namespace that a new user is in.
    pub fn cluster(&self) -> &Shell {
        self.cluster.shell()
    }

    /// Where the ingress controller answers on this machine, as `make env` tells.
    pub fn ingress_url(&self) -> String {
        self.stdout("printf %s \"$INGRESS_URL\"")
    }

    /// The addresses of the cluster's nodes, as the host reaches them.
    pub fn node_addresses(&self) -> Vec<String> {
        self.stdout("kubectl get nodes -o jsonpath='{.items[*].status.addresses[?(@.type==\"InternalIP\")].address}'")
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }
}

/// The kubeconfig of a test cluster. Refuses every other, because the tests drain and kill.
fn admin_kubeconfig(cluster: &Shell) -> String {
    let kubeconfig = cluster.stdout("printf %s \"$KUBECONFIG\"");
    assert!(
        kubeconfig.contains("/.cluster/run/"),
        "KUBECONFIG={kubeconfig:?} is no cluster of this repository: run the end-to-end tests with `make e2e`"
    );
    kubeconfig
}

impl Deref for Namespace {
    type Target = Shell;

    fn deref(&self) -> &Shell {
        &self.shell
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if thread::panicking() {
            for command in [
                "helm list",
                "kubectl get all,endpointslices,ingress -o wide",
                "kubectl get events --sort-by=.lastTimestamp | tail -n 40",
                "kubectl describe pods | tail -n 120",
            ] {
                eprintln!("{}", self.shell.attempt(command));
            }
        }
        // What another namespace would meet goes first and at once: pods (nobody is to be served any more, so they get no time to
        // drain, and nothing is left that would replace them), node ports, routes. The namespace itself is empty then, and may go
        // meanwhile.
        for command in [
            "kubectl delete deployments,statefulsets,replicasets,jobs --all --cascade=orphan --wait",
            "kubectl delete pods,services,ingresses --all --grace-period=1 --wait --timeout=60s",
            &format!("kubectl delete namespace {} --wait=false", self.name),
        ] {
            let deleted = self.shell.attempt(command);
            if !deleted.succeeded() {
                eprintln!("{deleted}");
            }
        }
    }
}
