//! A release from install to uninstall, and what a user can get wrong with it.

use e2e::{Load, Namespace, eventually, json};

#[test]
fn helm_test_passes_and_uninstall_leaves_nothing() {
    let ns = Namespace::restricted("release");
    let before = objects(&ns);
    ns.install("");
    let tested = ns.stdout("helm test practice --timeout 120s");
    assert!(tested.contains("Succeeded"), "{tested}");

    ns.run("helm uninstall practice --wait --timeout 120s");
    eventually("no object of the release is left", || {
        let after = objects(&ns);
        if after == before { Ok(()) } else { Err(after) }
    });
}

/// Everything in the namespace but events, which the API server keeps for an hour.
fn objects(ns: &Namespace) -> String {
    ns.stdout(
        "kubectl api-resources --namespaced --verbs=list -o name | grep -v -e events -e metrics.k8s.io | paste -sd, \
         | xargs -I{} kubectl get {} -o name --ignore-not-found | sort",
    )
}

#[test]
fn a_tag_that_does_not_exist_takes_nothing_down_and_a_rollback_heals() {
    let ns = Namespace::restricted("wrong-tag");
    ns.install("");
    let load =
        Load::start(&ns, &format!("http://{}:30080/proxy/items --rate 100 --connections 20", ns.node_addresses()[0]));

    let failed = ns.attempt("helm upgrade practice chart/ --set image.tag=v404 --wait --timeout 20s");
    assert!(!failed.succeeded(), "{failed}");
    eventually("the new pods can't pull their image", || {
        let pods = ns.stdout("kubectl get pods");
        if pods.contains("ImagePullBackOff") || pods.contains("ErrImagePull") { Ok(()) } else { Err(pods) }
    });
    let ready = ns.stdout("kubectl get deploy practice-backend -o jsonpath='{.status.readyReplicas}'");
    assert_eq!(ready, "2", "the old pods keep serving");

    ns.run("helm rollback practice --wait --timeout 120s");
    eventually("only pods of v1 are left", || {
        let pods = ns.json("kubectl get pods -o json");
        let images: Vec<_> = json::list(&pods, "/items")
            .iter()
            .map(|pod| json::text(pod, "/spec/containers/0/image").to_owned())
            .collect();
        if images.iter().all(|image| image.ends_with(":v1")) { Ok(()) } else { Err(format!("{images:?}")) }
    });
    load.stop().assert_nothing_lost(1_000);
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
