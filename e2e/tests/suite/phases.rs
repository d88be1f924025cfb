//! Phases 2 to 4 of the practice: Deployments with probes and resources, Services, Ingress.

use e2e::{Namespace, eventually, json};
use serde_json::{Value, json};

#[test]
fn phase_2_pods_are_ready_with_exactly_the_requests_limits_and_probes_asked() {
    let ns = Namespace::restricted("phase2");
    ns.install("");

    let pods = ns.json("kubectl get pods -l app.kubernetes.io/instance=practice -o json");
    assert_eq!(json::list(&pods, "/items").len(), 4, "two pods of each service");
    for pod in json::list(&pods, "/items") {
        let container = json::at(pod, "/spec/containers/0");
        assert_eq!(json::at(pod, "/status/containerStatuses/0/ready"), true);
        assert_eq!(json::at(container, "/resources/requests/cpu"), "100m");
        assert_eq!(json::at(container, "/resources/requests/memory"), "128Mi");
        assert_eq!(json::at(container, "/resources/limits/cpu"), "250m");
        assert_eq!(json::at(container, "/resources/limits/memory"), "256Mi");
        assert_probe(container, "liveness", "/health", &json!({"periodSeconds": 10, "failureThreshold": 3}));
        assert_probe(container, "readiness", "/ready", &json!({"periodSeconds": 5, "initialDelaySeconds": 5}));
    }

    for deployment in ["practice-backend", "practice-frontend"] {
        let strategy = ns.json(&format!("kubectl get deploy {deployment} -o jsonpath='{{.spec.strategy}}'"));
        let asked = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
        assert_eq!(strategy, asked);
    }
    ns.run("kubectl describe deployment practice-backend");
}

#[track_caller]
fn assert_probe(container: &Value, name: &str, path: &str, fields: &Value) {
    let probe = json::at(container, &format!("/{name}Probe"));
    assert_eq!(json::text(probe, "/httpGet/path"), path);
    for (field, value) in fields.as_object().expect("an object") {
        assert_eq!(json::at(probe, &format!("/{field}")), value, "{name} probe, {field}");
    }
}

#[test]
fn phase_3_services_have_names_addresses_and_node_ports() {
    let ns = Namespace::restricted("phase3");
    ns.install("--set debug.enabled=true");
    let inside = |url: &str| ns.stdout(&format!("kubectl exec deploy/practice-debug -- /client get -q {url}"));

    // By name, short and full; CoreDNS answers with the ClusterIP.
    for host in ["practice-backend", "practice-backend.phase3", "practice-backend.phase3.svc.cluster.local"] {
        assert!(inside(&format!("http://{host}:8000/api/items")).contains("served_by"), "{host}");
    }
    let address = ns.stdout("kubectl get svc practice-backend -o jsonpath='{.spec.clusterIP}'");
    assert!(inside(&format!("http://{address}:8000/api/items")).contains("served_by"));
    let kind = ns.stdout("kubectl get svc practice-backend practice-frontend -o jsonpath='{.items[*].spec.type}'");
    assert_eq!(kind, "ClusterIP NodePort");

    // The ClusterIP is for the cluster: this machine has no route to it.
    assert!(!ns.stdout("ip route show table all").contains("10.96."));

    // From outside, the node port of every node.
    let nodes = ns.node_addresses();
    assert_eq!(nodes.len(), 2);
    for node in &nodes {
        assert!(ns.stdout(&format!("curl -fsS http://{node}:30080/proxy/items")).contains("\"service\":\"backend\""));
    }
}

#[test]
fn phase_4_the_ingress_routes_by_path_and_by_host() {
    let ns = Namespace::restricted("phase4");
    ns.install("");
    let ingress = ns.ingress_url();

    // /api goes to the backend itself, / to the gateway. Names of headers have no case (RFC 9110, section 5.1).
    let api = ns.stdout(&format!("curl -fsS -D - {ingress}/api/items")).to_lowercase();
    assert!(api.contains("x-served-by: backend/v1/") && !api.contains("frontend/"), "{api}");
    let page = ns.stdout(&format!("curl -fsS -D - {ingress}/")).to_lowercase();
    assert!(page.contains("x-served-by: frontend/v1/") && page.contains("<html"), "{page}");
    let nothing = ns.stdout(&format!("curl -sS -o /dev/null -w '%{{http_code}}' {ingress}/api/nothing"));
    assert_eq!(nothing, "404");
    eventually("the ingress shows an address", || {
        let address = ns.stdout("kubectl get ingress practice -o jsonpath='{.status.loadBalancer.ingress[0].ip}'");
        if address.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    });

    // Who asks for a name without a certificate is shown the same one after every change: a controller that makes one anew each time takes
    // its processor from the pods.
    let node = ns.node_addresses().remove(0);
    let shown = || {
        ns.stdout(&format!(
            "openssl s_client -connect {node}:443 -servername other.example </dev/null 2>/dev/null | openssl x509 -noout -subject -fingerprint"
        ))
    };
    let before = shown();
    assert!(before.contains("no Ingress has a certificate for this name"), "{before}");

    // With a host rule, other hosts get the controller's 404.
    ns.run("helm upgrade practice chart/ --set ingress.hosts='{practice.example}' --wait --timeout 120s");
    let status = |host: &str| {
        ns.stdout(&format!("curl -sS -o /dev/null -w '%{{http_code}}' -H 'Host: {host}' {ingress}/api/items"))
    };
    eventually("only the named host is served", || {
        let seen = (status("practice.example"), status("other.example"));
        if seen == ("200".to_owned(), "404".to_owned()) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    assert_eq!(shown(), before);
}
