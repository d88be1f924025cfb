//! A release from install to uninstall, and what a user can get wrong with it.

use e2e::{Namespace, eventually};

#[test]
fn helm_test_passes_and_uninstall_leaves_nothing() {
    let ns = Namespace::restricted("release");
    let before = eventually("the namespace has what each one has", || {
        let seen = objects(&ns)?;
        let all = seen.contains("configmap/kube-root-ca.crt") && seen.contains("serviceaccount/default");
        if all { Ok(seen) } else { Err(seen) }
    });
    ns.install("");
    let tested = ns.stdout("helm test practice --timeout 120s");
    assert!(tested.contains("Succeeded"), "{tested}");

    ns.run("helm uninstall practice --wait --timeout 120s");
    eventually("no object of the release is left", || {
        let after = objects(&ns)?;
        if after == before { Ok(()) } else { Err(after) }
    });
}

/// Everything in the namespace but events, which the API server keeps for an hour.
fn objects(ns: &Namespace) -> Result<String, String> {
    let listed = ns.try_stdout(
        "kubectl api-resources --namespaced --verbs=list -o name | grep -v -e events -e metrics.k8s.io | paste -sd, \
         | xargs -I{} kubectl get {} -o name --ignore-not-found | sort",
    );
    // The list is not complete while one of the APIs of other servers does not answer.
    listed.map_err(|error| error.to_string())
}

#[test]
fn wrong_values_are_refused_with_the_name_of_the_key() {
    let ns = Namespace::restricted("wrong-values");
    for (flag, named) in [
        ("--set replicaz=3", "replicaz"),
        ("--set defaults.replicas=many", "replicas"),
        ("--set services.backend.probes.liveness.periodSeconds=-1", "periodSeconds"),
        ("--set services.backend.service.typ=NodePort", "typ"),
    ] {
        let refused = ns.attempt(&format!("helm install practice chart/ {flag}"));
        assert!(!refused.succeeded() && refused.stderr.contains(named), "{refused}");
    }
    assert_eq!(ns.stdout("helm list --short"), "", "nothing was installed");
}
