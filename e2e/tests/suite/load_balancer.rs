//! Services of type `LoadBalancer`, asked at their addresses from outside of the cluster.

use e2e::{Load, Namespace, eventually};

/// How many connections in a row must come the same way.
const IN_A_ROW: u64 = 10;

/// The address that the Service has been given.
fn address_of(ns: &Namespace, service: &str) -> String {
    eventually("the Service has an address", || {
        let address =
            ns.stdout(&format!("kubectl get svc {service} -o jsonpath='{{.status.loadBalancer.ingress[0].ip}}'"));
        if address.is_empty() { Err("none".to_owned()) } else { Ok(address) }
    })
}

/// A web server that logs its clients' addresses, on `node`, in the place of the one before.
fn web_server(ns: &Namespace, node: &str) {
    ns.run("kubectl delete pod web --ignore-not-found --grace-period=1 --wait");
    ns.run(&format!(
        r#"kubectl run web --image=busybox --overrides='{{"spec":{{"nodeName":"{node}"}}}}' -- httpd -f -v -p 8080"#
    ));
    ns.run("kubectl wait --for=condition=Ready pod/web --timeout=60s");
}

/// The clients that the web server has seen, of as many new connections as `IN_A_ROW`, all of which were answered.
fn clients(ns: &Namespace, address: &str) -> Result<Vec<String>, String> {
    for _ in 0..IN_A_ROW {
        let asked = ns.attempt(&format!("curl -sS -o /dev/null --max-time 2 http://{address}/"));
        if !asked.succeeded() {
            return Err(asked.to_string());
        }
    }
    // A line as `[::ffff:10.89.0.1]:40000: response:404`, for each of them.
    let seen = ns.stdout(&format!("kubectl logs web --tail={IN_A_ROW} | sed -E 's/^\\[::ffff:([0-9.]+)\\].*/\\1/'"));
    Ok(seen.lines().map(str::to_owned).collect())
}

#[test]
fn a_load_balancer_gives_an_address_and_keeps_the_clients_or_not() {
    let ns = Namespace::unrestricted("load-balancer");
    ns.install("-f values/quick-probes.yaml --set services.frontend.service.type=LoadBalancer");
    let address = address_of(&ns, "practice-frontend");
    ns.run(&format!("client wait http://{address}:8000/proxy/items --timeout 30s"));
    let load = Load::start(&ns, &format!("http://{address}:8000/proxy/items --rate 200 --connections 20"));
    ns.run("kubectl rollout restart deploy/practice-frontend");
    ns.run("kubectl rollout status deploy/practice-frontend --timeout=90s");
    eventually("the pods of before are gone", || {
        let pods = ns.stdout("kubectl get pods -l app.kubernetes.io/component=frontend -o name");
        if pods.lines().count() == 2 { Ok(()) } else { Err(pods) }
    });
    load.stop().assert_nothing_lost(1_000);

    // The machine's address is the network's first.
    let node = ns.node_addresses().remove(0);
    let machine = format!("{}.1", node.rsplit_once('.').expect("an address of four octets").0);
    web_server(&ns, "node2");
    // A pod has its node's zone among its labels, and without a selector the Service would have that in its own.
    ns.run("kubectl expose pod web --selector=run=web --type=LoadBalancer --port=80 --target-port=8080");
    let address = address_of(&ns, "web");
    let seen = eventually("the web server answers", || clients(&ns, &address));
    assert!(!seen.contains(&machine), "without externalTrafficPolicy Local, a node asks in its own name: {seen:?}");

    ns.run(r#"kubectl patch svc web -p '{"spec":{"externalTrafficPolicy":"Local"}}'"#);
    for node in ["node2", "node1"] {
        web_server(&ns, node);
        eventually("each connection comes to the pod's node, with the client's own address", || {
            let seen = clients(&ns, &address)?;
            if seen.iter().all(|client| *client == machine) { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    }

    ns.run(&format!(r#"kubectl patch svc web -p '{{"spec":{{"loadBalancerIP":"{node}"}}}}'"#));
    eventually("it is told that the address of a node is not to be had", || {
        let events =
            ns.stdout("kubectl get events --field-selector reason=NoAddress -o jsonpath='{.items[*].message}'");
        if events.contains(&node) { Ok(()) } else { Err(events) }
    });
    let left = ns.stdout("kubectl get svc web -o jsonpath='{.status.loadBalancer}'");
    assert_eq!(left, "{}", "an address that is not asked for is taken back");
}
