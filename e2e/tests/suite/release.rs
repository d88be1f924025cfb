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

#[test]
fn helm_waits_without_a_word_of_its_client_and_writes_what_the_server_warns_of() {
    let ns = Namespace::restricted("waits");
    ns.install("");
    // Each note on a Deployment makes the wait read its pods anew: so many that the client must keep to its rate, and reads at the end, too.
    let upgraded = ns.attempt(
        "for i in $(seq 40); do kubectl annotate deploy --all --overwrite seen=$i >/dev/null; done &
         helm upgrade practice chart/ -f values/quick-probes.yaml --wait --timeout 2m >/dev/null; wait",
    );
    assert!(upgraded.succeeded() && upgraded.stderr.is_empty(), "{upgraded}");

    let warned = ns.attempt(
        "chart=$(mktemp -d) && trap 'rm -r $chart' EXIT && mkdir $chart/templates &&
         printf 'apiVersion: v2\nname: old\nversion: 1.0.0\n' >$chart/Chart.yaml &&
         printf 'apiVersion: v1\nkind: Endpoints\nmetadata:\n  name: old\n' >$chart/templates/endpoints.yaml &&
         helm install old $chart >/dev/null",
    );
    let warning = "Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\n";
    assert!(warned.succeeded() && warned.stderr == warning, "{warned}");
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
