//! The gateway on a real cluster: which pods it asks, and the route table that it reads again.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::{Ledger, Load, Namespace, eventually, json};

/// The time by which new pods must have got something, and the resolution of the API server's times.
const SOON_MS: u64 = 5_000;
const RESOLUTION_MS: u64 = 1_000;
/// What the preStop sleep leaves the gateway to hear that a pod goes: the chart's 3 s, and what a machine with three other clusters takes.
const PRE_STOP_MS: u64 = 6_000;

/// Names of the backends that are not going, with when they became ready, in milliseconds since 1970.
fn backends(ns: &Namespace) -> Vec<(String, u64)> {
    let pods = ns.json("kubectl get pods -l app.kubernetes.io/component=backend -o json");
    json::list(&pods, "/items")
        .iter()
        .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
        .map(|pod| {
            let conditions = json::list(pod, "/status/conditions");
            let ready = conditions.iter().find(|condition| condition["type"] == "Ready").expect("a condition");
            let name = json::text(pod, "/metadata/name").to_owned();
            (name, unix_ms(ns, json::text(ready, "/lastTransitionTime")))
        })
        .collect()
}

fn unix_ms(ns: &Namespace, time: &str) -> u64 {
    ns.stdout(&format!("date -d '{time}' +%s%3N")).trim().parse().expect("milliseconds")
}

/// When the pod answered first and last, in milliseconds since 1970, a tenth of a second more or less.
fn answers(ledger: &Ledger, pod: &str) -> Option<(u64, u64)> {
    let series = ledger.timeline.answers.iter().find(|series| series.pod == pod)?;
    let at = |bin: u64| ledger.started_unix_ms + bin * ledger.timeline.bin_ms;
    Some((at(series.first_bin), at(series.first_bin + series.counts.len() as u64)))
}

#[test]
fn new_pods_are_asked_within_5_s_and_those_that_go_are_left_before_they_drain() {
    let ns = Namespace::restricted("gateway-scale");
    ns.install(
        "-f values/quick-probes.yaml -f values/gateway.yaml \
         --set services.backend.autoscaling.enabled=false,services.backend.lifecycle.preStopSeconds=6",
    );
    let urls: Vec<_> = ns.node_addresses().iter().map(|node| format!("http://{node}:30080/proxy/items")).collect();
    let load = Load::start(&ns, &format!("{} --rate 200 --connections 40", urls.join(" ")));
    let before: BTreeSet<String> = backends(&ns).into_iter().map(|(pod, _)| pod).collect();

    ns.run("kubectl scale deploy/practice-backend --replicas=5");
    ns.run("kubectl rollout status deploy/practice-backend --timeout=60s");
    let all = backends(&ns);
    let new: Vec<_> = all.iter().filter(|(pod, _)| !before.contains(pod)).cloned().collect();
    assert_eq!(new.len(), 3, "{all:?}");
    // What is not asked within the time that it has must show as missing.
    std::thread::sleep(Duration::from_millis(SOON_MS));

    let removed_at = unix_ms(&ns, "now");
    ns.run("kubectl scale deploy/practice-backend --replicas=2");
    let left: BTreeSet<String> = eventually("two backends stay", || {
        let left: BTreeSet<String> = backends(&ns).into_iter().map(|(pod, _)| pod).collect();
        if left.len() == 2 { Ok(left) } else { Err(format!("{left:?}")) }
    });
    ns.run(
        "kubectl wait --for=jsonpath='{.status.terminatingReplicas}'=0 deploy/practice-backend --timeout=60s || true",
    );
    let gone = || ns.json("kubectl get pods -l app.kubernetes.io/component=backend -o json");
    eventually("the others are gone", || {
        let count = json::list(&gone(), "/items").len();
        if count == 2 { Ok(()) } else { Err(format!("{count} pods")) }
    });

    let ledger = load.stop();
    ledger.assert_nothing_lost(2_000);
    for (pod, ready) in &new {
        let (first, _) = answers(&ledger, pod).unwrap_or_else(|| panic!("{pod} was never asked"));
        println!("{pod}: first asked {} ms after the second in which it became ready", first.saturating_sub(*ready));
        assert!(first < ready + SOON_MS, "{pod} became ready at {ready}, and was first asked at {first}");
    }
    let removed: Vec<_> = all.iter().map(|(pod, _)| pod).filter(|pod| !left.contains(*pod)).collect();
    assert_eq!(removed.len(), 3, "{all:?} and then {left:?}");
    for pod in removed {
        let (_, last) = answers(&ledger, pod).unwrap_or_else(|| panic!("{pod} was never asked"));
        println!("{pod}: last asked {} ms after it was told to go", last.saturating_sub(removed_at));
        assert!(
            last < removed_at + PRE_STOP_MS + RESOLUTION_MS,
            "{pod} had to go at {removed_at}, and was asked until {last}"
        );
    }
}

/// Whether all of fifty connections, which get to each of the gateways, are answered with `status`. `request`: a URL and
/// options of `client load`.
fn each_answers(ns: &Namespace, request: &str, status: u16) -> Result<(), String> {
    let load = ns
        .attempt(&format!("client load {request} --rate 50 --duration 1s --new-connections --accept {status} -o json"));
    let ledger = Ledger::parse(&load.stdout)?;
    let all = ledger.lost.is_empty() && ledger.statuses.iter().all(|other| other.status == status);
    if all { Ok(()) } else { Err(load.stdout) }
}

#[test]
fn a_route_table_changes_without_a_restart_and_one_with_a_mistake_is_refused() {
    let ns = Namespace::restricted("gateway-table");
    ns.install("-f values/quick-probes.yaml -f values/gateway.yaml");
    let node = &ns.node_addresses()[0];
    let url = format!("http://{node}:30080");
    let gateways =
        || ns.stdout("kubectl get pods -l app.kubernetes.io/component=frontend -o jsonpath='{.items[*].metadata.uid}'");
    eventually("only the new gateways are there", || {
        let count = gateways().split_whitespace().count();
        if count == 2 { Ok(()) } else { Err(format!("{count} of them")) }
    });
    let before = gateways();

    // By helm: one route more.
    ns.run(&format!("client wait {url}/things --status 404 --timeout 10s"));
    ns.run(
        "helm upgrade practice chart/ --reuse-values --wait \
         --set-json 'services.frontend.routeTable.routes=[{\"path\":\"/things\",\"rewrite\":\"/api/items\",\"upstream\":\"backend\"},{\"path\":\"/proxy\",\"rewrite\":\"/api\",\"upstream\":\"backend\"}]'",
    );
    // Each of the gateways reads it when its kubelet has brought it.
    eventually("both gateways have the new route", || each_answers(&ns, &format!("{url}/things"), 200));

    // By hand: a table with a mistake. Its place and the mend are in the log, and the old table stays.
    ns.run(
        "kubectl patch configmap practice-frontend-routes --type=merge \
         -p '{\"data\":{\"routes.json\":\"{\\\"upstreams\\\":{},\\\"routes\\\":[{\\\"path\\\":\\\"/x\\\",\\\"upstream\\\":\\\"nobody\\\"}]}\"}}'",
    );
    eventually("both gateways have refused it", || {
        let logs = ns.stdout("kubectl logs -l app.kubernetes.io/component=frontend --tail=-1 --prefix");
        let refusals = logs.lines().filter(|line| line.contains("routes[0]: there is no upstream")).count();
        if refusals >= 2 { Ok(()) } else { Err(format!("{refusals} have:\n{logs}")) }
    });
    ns.run(&format!("client get -q {url}/things"));
    ns.run(&format!("client wait {url}/x --status 404 --timeout 5s"));
    assert_eq!(gateways(), before, "no pod was restarted");
}

#[test]
fn a_secret_says_who_may_ask_and_is_rotated_without_a_restart() {
    let ns = Namespace::restricted("gateway-keys");
    let secret = |key: &str| {
        ns.run(&format!(
            "kubectl create secret generic gateway-keys --from-literal=shops='shop:{key}' --dry-run=client -o yaml | kubectl apply -f -"
        ));
    };
    let (old, new) = ("the-first-key-of-the-shop", "the-second-key-of-the-shop");
    secret(old);
    ns.install(
        "-f values/quick-probes.yaml --set services.frontend.routeTable.credentials=gateway-keys \
         --set services.frontend.routeTable.upstreams.backend.service=backend \
         --set-json 'services.frontend.routeTable.routes=[{\"path\":\"/proxy\",\"rewrite\":\"/api\",\"upstream\":\"backend\"},\
         {\"path\":\"/shop\",\"rewrite\":\"/api/items\",\"upstream\":\"backend\",\"auth\":{\"apiKey\":{\"secret\":\"shops\"}},\
         \"rateLimit\":{\"requests\":100000,\"periodSeconds\":60,\"byClient\":true}}]'",
    );
    let url = format!("http://{}:30080/shop", ns.node_addresses()[0]);
    let wait = |key: &str, status: u16| {
        ns.run(&format!("client wait {url} --header 'x-api-key: {key}' --status {status} --timeout 90s"));
    };
    wait(old, 200);
    ns.run(&format!("client wait {url} --status 401 --timeout 5s"));
    wait(new, 401);

    let uids = "kubectl get pods -l app.kubernetes.io/component=frontend -o jsonpath='{.items[*].metadata.uid}'";
    let before = ns.stdout(uids);
    secret(new);
    for (key, status) in [(new, 200), (old, 401)] {
        eventually("both gateways know the new key alone", || {
            each_answers(&ns, &format!("{url} --header 'x-api-key: {key}'"), status)
        });
    }
    assert_eq!(ns.stdout(uids), before, "no pod was restarted");
}
