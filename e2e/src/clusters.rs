//! The clusters of a run. A test has one to itself for as long as it runs, so what two tests do never meets: node ports,
//! the paths of the Ingress, a node that is drained.

use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::shell::Shell;

/// The names of the clusters, with blanks between them. Where it is not set there is one, that of `CLUSTER`.
const NAMES: &str = "CLUSTERS";

/// What `cluster/cluster env` sets, and where the shell finds the programs.
const VARIABLES: [&str; 6] = ["KUBECONFIG", "KUBECACHEDIR", "NODEPORT_URL", "INGRESS_URL", "NO_PROXY", "PATH"];

static CLUSTERS: OnceLock<Mutex<Clusters>> = OnceLock::new();
static CHANGED: Condvar = Condvar::new();

#[derive(Debug)]
struct Clusters {
    count: usize,
    free: Vec<Shell>,
    /// Whether a test waits for all of them: then no other takes one before it.
    all_wanted: bool,
}

/// Clusters that no other test uses until this is dropped: one, or all.
#[derive(Debug)]
pub(crate) struct Taken {
    shells: Vec<Shell>,
}

impl Taken {
    /// Takes a free cluster, and waits for one where there is none.
    pub(crate) fn any() -> Self {
        let mut clusters = wait_while(|clusters| clusters.all_wanted || clusters.free.is_empty());
        Self { shells: clusters.free.pop().into_iter().collect() }
    }

    /// Takes all clusters: no test that needs one runs meanwhile.
    pub(crate) fn all() -> Self {
        wait_while(|clusters| clusters.all_wanted).all_wanted = true;
        let mut clusters = wait_while(|clusters| clusters.free.len() < clusters.count);
        clusters.all_wanted = false;
        Self { shells: std::mem::take(&mut clusters.free) }
    }

    /// The one that the test uses.
    pub(crate) fn shell(&self) -> &Shell {
        &self.shells[0]
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        wait_while(|_| false).free.append(&mut self.shells);
        CHANGED.notify_all();
    }
}

fn wait_while(condition: impl Fn(&Clusters) -> bool) -> MutexGuard<'static, Clusters> {
    let clusters = CLUSTERS.get_or_init(|| Mutex::new(all())).lock().unwrap_or_else(PoisonError::into_inner);
    CHANGED.wait_while(clusters, |clusters| condition(clusters)).unwrap_or_else(PoisonError::into_inner)
}

fn all() -> Clusters {
    let names = std::env::var(NAMES).or_else(|_| std::env::var("CLUSTER")).unwrap_or_default();
    let free: Vec<Shell> = names.split_whitespace().map(reached).collect();
    assert!(!free.is_empty(), "there is no cluster: run the end-to-end tests with `make e2e`");
    Clusters { count: free.len(), free, all_wanted: false }
}

fn reached(name: &str) -> Shell {
    let shell = Shell::default().with("CLUSTER", name);
    let each = VARIABLES.join(" ");
    let set = shell.stdout(&format!(
        "eval \"$(cluster/cluster env)\"; for name in {each}; do printf '%s=%s\\n' \"$name\" \"${{!name-}}\"; done"
    ));
    set.lines().filter_map(|line| line.split_once('=')).fold(shell, |shell, (name, value)| shell.with(name, value))
}
