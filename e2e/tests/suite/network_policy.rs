//! The chart's network policies, enforced on every node: what is refused, and what goes on as before.

use std::collections::BTreeSet;

use e2e::{Load, Namespace, eventually, json};
use serde_json::json;

/// Who tries, as `kubectl exec` names it, what it may reach with policies, and what it reaches only without. Of the first each has
/// something, so that nobody is refused for another reason.
const WAYS: [(&str, &[&str], &[&str]); 6] = [
    (
        "stranger",
        &["jobs-flask:5000"],
        &[
            "practice-frontend:8000",
            "practice-backend:8000",
            "practice-backend:8080",
            "practice-backend:9000",
            "jobs-redis:6379",
            "observer:8000",
        ],
    ),
    (
        "-n network-policy-elsewhere stranger",
        &["jobs-flask.network-policy:5000"],
        &["practice-backend.network-policy:8000", "jobs-redis.network-policy:6379", "observer.network-policy:8000"],
    ),
    ("prometheus", &["practice-frontend:9000", "practice-backend:9000"], &["practice-backend:8000"]),
    (
        "FRONTEND -c peek",
        &["practice-backend:8000", "observer:8000"],
        &["practice-backend:8080", "kubernetes.default:443"],
    ),
    (
        "BACKEND -c peek",
        &["kube-dns.kube-system:53"],
        &["practice-frontend:8000", "jobs-redis:6379", "kubernetes.default:443", "observer:8000"],
    ),
    (
        "OBSERVER -c peek",
        &["kubernetes.default:443", "practice-frontend:9000", "practice-backend:9000"],
        &["practice-frontend:8000", "practice-backend:8000", "jobs-flask:5000", "jobs-redis:6379"],
    ),
];

/// One pod of a service of the releases `practice` and `observer`.
fn pod_of(ns: &Namespace, service: &str) -> String {
    ns.stdout(&format!(
        "kubectl get pods -l app.kubernetes.io/component={service} -o jsonpath='{{.items[0].metadata.name}}'"
    ))
}

/// Tries all ways at once, each with a connection of its own, and returns those that lead somewhere.
fn open_ways(ns: &Namespace, pods: &[(&str, String)]) -> BTreeSet<(String, String)> {
    let tries = WAYS.map(|(from, open, shut)| {
        let exec = pods.iter().fold(from.to_owned(), |exec, (name, pod)| exec.replace(name, pod));
        let connect = r#"for to; do nc -w 2 ${to%:*} ${to#*:} -e true 2>/dev/null && echo "$to" & done; wait"#;
        let targets = [open, shut].concat().join(" ");
        format!("kubectl exec {exec} -- sh -c '{connect}' sh {targets} | sed 's/^/{from}\\t/' &")
    });
    let open = ns.stdout(&format!("{}\nwait", tries.join("\n")));
    open.lines().filter_map(|line| line.split_once('\t')).map(|(from, to)| (from.to_owned(), to.to_owned())).collect()
}

fn ways(which: impl Fn(&[&'static str], &[&'static str]) -> Vec<&'static str>) -> BTreeSet<(String, String)> {
    let each = WAYS
        .iter()
        .flat_map(|(from, open, shut)| which(open, shut).into_iter().map(|to| ((*from).to_owned(), to.to_owned())));
    each.collect()
}

/// A job goes in by the Ingress, is kept in the store, and is done by a worker.
fn a_job_is_done(ns: &Namespace) {
    let api = format!("curl -fsS -H 'Host: jobs.practice.example' {}/api/jobs", ns.ingress_url());
    let id = eventually("a job is taken", || {
        let taken = ns.attempt(&format!("{api} --json '{{\"kind\":\"sum-of-squares\",\"n\":1000}}' | jq -e .id"));
        if taken.succeeded() { Ok(taken.stdout.trim().to_owned()) } else { Err(taken.to_string()) }
    });
    eventually("it is done", || {
        let job = ns.attempt(&format!("{api}/{id}"));
        if job.stdout.contains("333833500") { Ok(()) } else { Err(job.to_string()) }
    });
}

/// Who follows by the Ingress and the gateway is told of all that the observer watches, and of each pod what it says itself.
fn the_page_is_told_of_pods_and_their_figures(ns: &Namespace) {
    let cluster = format!("{}/cluster", ns.ingress_url());
    let follow = || ns.start(&format!("curl -sSN {cluster}/events"));
    let mut page = follow();
    eventually("each pod of the gateway and the API has figures", || {
        // The reply is empty, and ends, while the gateway does not reach an observer.
        if !page.is_running() {
            page = follow();
        }
        let told = ns.try_json(&format!("curl -fsS {cluster}")).map_err(|error| error.to_string())?;
        let pods = json::list(&told, "/cluster/pods").iter();
        let measured = pods.filter(|pod| pod["service"] == "frontend" || pod["service"] == "backend");
        let memory: Vec<_> = measured.map(|pod| json::count(pod, "/figures/memory_bytes")).collect();
        let all = memory.len() == 4 && !memory.contains(&0) && told["cluster"]["unseen"] == json!({});
        if all { Ok(()) } else { Err(told.to_string()) }
    });
}

#[test]
fn policies_refuse_all_but_what_the_services_need_and_lose_no_request() {
    let ns = Namespace::unrestricted("network-policy");
    ns.run("kubectl delete namespace network-policy-elsewhere --ignore-not-found --wait");
    ns.run("kubectl create namespace network-policy-elsewhere");
    ns.run("kubectl run prometheus --image=busybox --labels=app=prometheus -- sleep 3600");
    ns.run("for at in network-policy network-policy-elsewhere; do kubectl -n $at run stranger --image=busybox -- sleep 3600; done");
    ns.run(
        r#"helm install observer chart/ -f values/observer.yaml --set networkPolicy.enabled=true \
           --set-json 'networkPolicy.from=[{"podSelector": {"matchLabels": {"app.kubernetes.io/component": "frontend"}}}]'"#,
    );
    ns.run(
        r#"helm install practice chart/ -f values/production.yaml -f values/quick-probes.yaml -f values/ambassador.yaml --wait --timeout 120s \
           --set defaults.replicas=2,defaults.minReadySeconds=0,services.frontend.autoscaling.enabled=false,services.backend.autoscaling.enabled=false \
           --set-json 'networkPolicy.from=[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]' \
           --set-json 'networkPolicy.metricsFrom=[{"podSelector": {"matchLabels": {"app": "prometheus"}}}]'"#,
    );
    ns.run("helm install jobs chart/ -f values/jobs.yaml --set networkPolicy.enabled=true --wait --timeout 120s");
    let pods = ["FRONTEND", "BACKEND", "OBSERVER"].map(|name| (name, pod_of(&ns, &name.to_lowercase())));
    for (_, pod) in &pods {
        ns.run(&format!("kubectl debug {pod} --image=busybox --container=peek -- sleep 3600"));
    }
    let sees = |condition: &str, wanted: &BTreeSet<(String, String)>| {
        eventually(condition, || match open_ways(&ns, &pods) {
            open if open == *wanted => Ok(()),
            open => Err(format!("{:?} should be different", open.symmetric_difference(wanted).collect::<Vec<_>>())),
        });
    };
    sees("where nothing enforces policies, all ways are open", &ways(|open, shut| [open, shut].concat()));

    let ingress = ns.ingress_url();
    ns.run(&format!("client wait {ingress}/proxy/items --timeout 30s"));
    let load = Load::start(&ns, &format!("{ingress}/proxy/items {ingress}/api/items --rate 50 --connections 20"));
    ns.run(
        "sed \"s|NAMESPACE|network-policy|; s|PROGRAM|$(readlink -f .cluster/bin/kube-network-policies)|\" e2e/tests/suite/network_policy.yaml |
         kubectl apply -f - && kubectl rollout status daemonset/network-policies --timeout=60s",
    );
    sees("what the services don't need is refused", &ways(|open, _| open.to_vec()));

    // All that begins with the policies in force: probes, names, a worker's container that waits for the API, its store.
    ns.run("kubectl rollout restart deploy -l app.kubernetes.io/name=practice");
    ns.run("for each in $(kubectl get deploy -o name); do kubectl rollout status $each --timeout=120s; done");
    a_job_is_done(&ns);
    the_page_is_told_of_pods_and_their_figures(&ns);
    ns.run("helm test practice --timeout 60s");
    let hops =
        ns.stdout("kubectl exec deploy/practice-debug -- /client get http://practice-backend:8080/proxy/items/1 2>&1");
    assert!(hops.contains("ambassador/"), "{hops}");
    load.stop().assert_nothing_lost(500);
    ns.run("kubectl delete namespace network-policy-elsewhere --wait=false");
}
