//! Values that change one thing about a system do what their first lines say.

use std::collections::BTreeSet;

use e2e::Namespace;

#[test]
fn two_containers_of_a_pod_share_its_address() {
    let ns = Namespace::restricted("ambassador");
    ns.install("-f values/ambassador.yaml");
    // On standard error, the headers: who has answered, the last hop last.
    let reply = ns.stdout(
        "kubectl exec deploy/practice-debug -- /client get http://practice-backend:8080/proxy/items/1 2>&1 >/dev/null",
    );
    let hops = reply.lines().find_map(|line| line.to_lowercase().strip_prefix("x-served-by: ").map(str::to_owned));
    let hops = hops.unwrap_or_else(|| panic!("no x-served-by in {reply}"));
    let pods: BTreeSet<&str> = hops.split(", ").filter_map(|hop| hop.rsplit('/').next()).collect();
    assert!(hops.contains("backend/") && hops.contains("ambassador/"), "{hops}");
    assert_eq!(pods.len(), 1, "two pods have answered: {hops}");
}

#[test]
fn one_address_stays_with_one_pod() {
    let ns = Namespace::restricted("sticky");
    ns.install("-f values/sticky.yaml");
    let node = ns.node_addresses().remove(0);
    // A connection each, so that each could go to another pod.
    let gateways = ns.stdout(&format!(
        "for i in $(seq 20); do curl -fsS -D - -o /dev/null http://{node}:30080/proxy/items; done |
         grep -io 'frontend/v1/[a-z0-9-]*' | sort -u"
    ));
    assert_eq!(gateways.lines().count(), 1, "{gateways}");
}

#[test]
fn pods_have_addresses_of_their_own_behind_a_headless_service() {
    let ns = Namespace::restricted("headless");
    ns.install("-f values/headless.yaml");
    let slices = "kubectl get endpointslices -l kubernetes.io/service-name=practice-backend-headless";
    let behind = ns.stdout(&format!("{slices} -o jsonpath='{{.items[*].endpoints[*].addresses[0]}}'"));
    let pods =
        ns.stdout("kubectl get pods -l app.kubernetes.io/component=backend -o jsonpath='{.items[*].status.podIP}'");
    let sorted = |addresses: &str| addresses.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&behind), sorted(&pods));
}
