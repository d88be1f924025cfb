//! Phase 5 of the practice: the HorizontalPodAutoscaler under load.

use std::time::Duration;

use e2e::{Load, Namespace, eventually, eventually_within, json};

#[test]
fn phase_5_the_backend_scales_up_under_load_and_back_down() {
    let ns = Namespace::restricted("phase5");
    ns.install("-f values/fast-scaling.yaml");
    eventually("the autoscaler has figures", || {
        let hpa = ns.json("kubectl get hpa practice-backend -o json");
        hpa.pointer("/status/currentMetrics/0/resource/current/averageUtilization")
            .map(|_| ())
            .ok_or_else(|| hpa["status"].to_string())
    });
    ns.run("kubectl top pods");

    let url = format!("http://{}:30080/proxy/cpu-burn?ms=50", ns.node_addresses()[0]);
    let load = Load::start(&ns, &format!("'{url}' --rate 10 --connections 20"));
    let mut highest = 0;
    let up = Duration::from_secs(180);
    eventually_within(up, "the autoscaler asks for more than 4 pods, and they are ready", || {
        let (desired, ready) = replicas(&ns);
        highest = highest.max(desired);
        if desired > 4 && ready > 4 { Ok(()) } else { Err(format!("desired {desired}, ready {ready}")) }
    });
    // A burn past the bound is answered 429, which is not what this test is about.
    let ledger = load.stop();
    assert!(ledger.requests.sent > 100);

    let down = Duration::from_secs(240);
    eventually_within(down, "the autoscaler is back at 2 pods", || {
        let (desired, ready) = replicas(&ns);
        highest = highest.max(desired);
        if desired == 2 && ready == 2 { Ok(()) } else { Err(format!("desired {desired}, ready {ready}")) }
    });
    println!("highest: {highest} pods");
    let describe = ns.stdout("kubectl describe hpa practice-backend");
    assert!(describe.contains("SuccessfulRescale"), "{describe}");
}

/// The backend's desired and ready pods; asserts that the bounds hold at this moment.
fn replicas(ns: &Namespace) -> (u64, u64) {
    let deployment = ns.json("kubectl get deploy practice-backend -o json");
    let desired = json::count(&deployment, "/spec/replicas");
    assert!((2..=8).contains(&desired), "{desired} pods desired, the bounds are 2 and 8");
    (desired, json::count(&deployment, "/status/readyReplicas"))
}
