//! The clusters of a run. A test has one to itself for as long as it runs, so what two tests do never meets: node ports,
//! the paths of the Ingress, a node that is drained.

use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use crate::shell::Shell;

/// The names of the clusters, with blanks between them. Where it is not set there is one, that of `CLUSTER`.
const NAMES: &str = "CLUSTERS";

/// What `cluster/cluster env` sets, and where the shell finds the programs.
const VARIABLES: [&str; 6] = ["KUBECONFIG", "KUBECACHEDIR", "NODEPORT_URL", "INGRESS_URL", "NO_PROXY", "PATH"];

static FREE: OnceLock<Mutex<Vec<Shell>>> = OnceLock::new();
static ONE_MORE: Condvar = Condvar::new();

/// A cluster that no other test uses until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    shell: Shell,
}

impl Taken {
    /// Takes a free cluster, and waits for one where there is none.
    pub(crate) fn any() -> Self {
        let free = FREE.get_or_init(|| Mutex::new(all()));
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = ONE_MORE.wait_while(free, |free| free.is_empty()).unwrap_or_else(PoisonError::into_inner);
        Self { shell: free.pop().expect("one is free") }
    }

    pub(crate) fn shell(&self) -> &Shell {
        &self.shell
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(free) = FREE.get() {
            free.lock().unwrap_or_else(PoisonError::into_inner).push(self.shell.clone());
            ONE_MORE.notify_one();
        }
    }
}

fn all() -> Vec<Shell> {
    let names = std::env::var(NAMES).or_else(|_| std::env::var("CLUSTER")).unwrap_or_default();
    let clusters: Vec<Shell> = names.split_whitespace().map(reached).collect();
    assert!(!clusters.is_empty(), "there is no cluster: run the end-to-end tests with `make e2e`");
    clusters
}

fn reached(name: &str) -> Shell {
    let shell = Shell::default().with("CLUSTER", name);
    let each = VARIABLES.join(" ");
    let set = shell.stdout(&format!(
        "eval \"$(cluster/cluster env)\"; for name in {each}; do printf '%s=%s\\n' \"$name\" \"${{!name-}}\"; done"
    ));
    set.lines().filter_map(|line| line.split_once('=')).fold(shell, |shell, (name, value)| shell.with(name, value))
}
