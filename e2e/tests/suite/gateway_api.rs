//! The chart's `HTTPRoute`, taken by a real controller of the Gateway API.

use std::fs;

use e2e::shell::root;
use e2e::{Ledger, Load, Namespace, eventually};

/// A path with its filters, one that is split, and the page.
const PATHS: &str = r#"[
  {"path": "/shop", "pathType": "PathPrefix", "service": "backend", "timeouts": {"request": "2s", "backendRequest": "1s"}, "filters": [
    {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/api"}}},
    {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-way", "value": "gateway"}]}}]},
  {"path": "/api", "pathType": "PathPrefix", "split": [{"service": "backend", "weight": STABLE}, {"service": "canary", "weight": CANARY}]},
  {"path": "/", "pathType": "PathPrefix", "service": "frontend"}]"#;

/// The chart as a canary whose route is split by the Gateway, not by the practice's own.
fn with_weights(ns: &Namespace, stable: u32, canary: u32) {
    let paths = PATHS.replace("STABLE", &stable.to_string()).replace("CANARY", &canary.to_string());
    ns.run(&format!(
        "helm upgrade --install practice chart/ -f values/quick-probes.yaml -f values/canary.yaml --set ingress.enabled=false \
         --set-json 'httpRoute={{\"enabled\":true,\"parentRefs\":[{{\"name\":\"gateway\"}}],\"paths\":{paths}}}' --wait --timeout 120s"
    ));
}

/// How many of a hundred requests the canary answers; all of them are answered.
fn share_of_canary(ns: &Namespace, address: &str) -> Result<u64, String> {
    let load = ns.attempt(&format!("client load http://{address}/api/items --rate 100 --duration 1s -o json"));
    let ledger = Ledger::parse(&load.stdout)?;
    if ledger.requests.lost > 0 {
        return Err(load.stdout);
    }
    let canary = ledger.services.iter().filter(|service| service.service == "canary");
    Ok(canary.flat_map(|service| &service.versions).map(|version| version.answers).sum())
}

#[test]
fn a_gateway_takes_the_route_with_its_filters_and_weights_and_loses_nothing() {
    let ns = Namespace::unrestricted("gateway-api");
    ns.define(
        r#""$(go -C cluster/gateway-api mod download -json sigs.k8s.io/gateway-api | jq -r .Dir)/config/crd/standard""#,
        "gatewayclasses,gateways,httproutes",
    );
    let objects = fs::read_to_string(root().join("e2e/tests/suite/gateway_api.yaml")).expect("the file is there");
    let traefik =
        ns.stdout("kubectl -n ingress get daemonset traefik -o jsonpath='{.spec.template.spec.containers[0].image}'");
    let file = root().join("target/e2e/gateway_api.yaml");
    fs::write(&file, objects.replace("NAMESPACE", ns.name()).replace("TRAEFIK", &traefik)).expect("target is writable");
    ns.run(&format!("kubectl apply --server-side -f {}", file.display()));
    with_weights(&ns, 80, 20);
    for condition in ["Accepted", "ResolvedRefs"] {
        ns.run(&format!(
            "kubectl wait httproute/practice --timeout=60s --for=jsonpath='{{.status.parents[0].conditions[?(@.type==\"{condition}\")].status}}'=True"
        ));
    }
    // It takes a route with timeouts, and has none of them: what they do is to be shown here when it says that it has.
    let features = ns.stdout("kubectl get gatewayclass traefik -o jsonpath='{.status.supportedFeatures[*].name}'");
    assert!(features.contains("HTTPRoutePathRewrite") && !features.contains("Timeout"), "{features}");
    let address = eventually("the Gateway's Service has an address", || {
        let address = ns.stdout("kubectl get svc gateways -o jsonpath='{.status.loadBalancer.ingress[0].ip}'");
        if address.is_empty() { Err("none".to_owned()) } else { Ok(address) }
    });
    ns.run(&format!("client wait http://{address}/api/items --timeout 60s"));

    let reply = ns.stdout(&format!("curl -fsS -D - http://{address}/shop/items/1")).to_lowercase();
    assert!(reply.contains("x-way: gateway") && reply.contains("\"item\""), "{reply}");
    ns.run(&format!("client wait http://{address}/ --timeout 10s"));
    let share = share_of_canary(&ns, &address).expect("all are answered");
    assert!((15..=25).contains(&share), "{share} of 100 came to the canary, which was to have 20");

    let load = Load::start(&ns, &format!("http://{address}/api/items --rate 100 --connections 20"));
    with_weights(&ns, 0, 100);
    eventually("the canary has all", || match share_of_canary(&ns, &address)? {
        100 => Ok(()),
        share => Err(format!("{share} of 100")),
    });
    ns.run("kubectl rollout restart deploy/practice-canary");
    ns.run("kubectl rollout status deploy/practice-canary --timeout=90s");
    load.stop().assert_nothing_lost(500);
}
