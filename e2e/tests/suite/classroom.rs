//! The practice's own commands, under its own names, as printed there.
//!
//! Left out are those of minikube and Docker. The containers have neither Python nor a shell to `exec` into: `kubectl debug` brings one.

use std::time::Duration;

use e2e::{Namespace, Shell, eventually, eventually_within};

#[test]
fn every_command_of_the_handout_runs_as_printed() {
    Shell::default().run("make k8s");
    let ns = Namespace::unrestricted("classroom");

    // Phase 2: Deployments.
    ns.run("kubectl apply -f k8s/backend-deployment.yaml -f k8s/frontend-deployment.yaml");
    watch(&ns, "kubectl get pods -w", "1/1");
    ns.run("kubectl rollout status deploy/backend --timeout=120s");
    ns.run("kubectl rollout status deploy/frontend --timeout=120s");
    assert!(ns.stdout("kubectl get deployments").contains("backend"));
    let backend = ns.stdout("kubectl describe deployment backend");
    for line in ["1 max surge", "0 max unavailable", "delay=5s", "period=10s", "cpu:     100m", "memory:  256Mi"] {
        assert!(squeezed(&backend).contains(&squeezed(line)), "no {line:?} in\n{backend}");
    }
    ns.run("kubectl describe deployment frontend");

    // Phase 3: Services.
    ns.run("kubectl apply -f k8s/backend-service.yaml -f k8s/frontend-service.yaml");
    let services = ns.stdout("kubectl get svc");
    assert!(services.contains("backend-svc") && services.contains("frontend-svc"), "{services}");
    assert!(squeezed(&ns.stdout("kubectl describe svc backend-svc")).contains("Type: ClusterIP"));
    assert!(ns.stdout("kubectl describe svc frontend-svc").contains("NodePort"));
    eventually("the endpoints of both Services are there", || {
        let endpoints =
            ns.stdout("kubectl get endpoints backend-svc") + &ns.stdout("kubectl get endpoints frontend-svc");
        if endpoints.matches(":8000").count() >= 2 { Ok(()) } else { Err(endpoints) }
    });
    let url = format!("http://{}:30080", ns.node_addresses()[0]);
    assert!(ns.stdout(&format!("curl -fsS {url}/proxy/items")).contains("items"));
    let python = "kubectl exec deploy/frontend -- python -c 'print()'";
    assert!(ns.attempt(python).stderr.contains("executable file not found"), "there is no Python");
    let gateway =
        ns.stdout("kubectl get pods -l app.kubernetes.io/component=frontend -o jsonpath='{.items[0].metadata.name}'");
    ns.run(&format!(
        "kubectl debug {gateway} --image=busybox --container=lent -- sh -c 'wget -q -O- http://backend-svc:8000/api/items'"
    ));
    watch(&ns, &format!("kubectl logs {gateway} -c lent -f"), "\"service\":\"backend\"");

    // Phase 4: Ingress.
    ns.run("kubectl apply -f k8s/ingress.yaml");
    assert!(ns.stdout("kubectl get ingress").contains("app-ingress"));
    let rules = squeezed(&ns.stdout("kubectl describe ingress app-ingress"));
    assert!(rules.contains("/api backend-svc:8000") && rules.contains("/ frontend-svc:8000"), "{rules}");
    let ingress = ns.ingress_url();
    for path in ["/api/items", "/"] {
        eventually("the ingress answers", || {
            let reply = ns.attempt(&format!("curl -fsS {ingress}{path}"));
            if reply.succeeded() { Ok(()) } else { Err(reply.text()) }
        });
    }

    // Phase 5: HorizontalPodAutoscaler.
    ns.run("kubectl apply -f k8s/backend-hpa.yaml");
    watch(&ns, "kubectl get hpa -w", "/50%");
    ns.run(
        "kubectl run load-gen --image=busybox --restart=Never -- /bin/sh -c \"while true; do wget -q -O- http://backend-svc:8000/api/cpu-burn; done\"",
    );
    eventually_within(Duration::from_secs(150), "more than two pods", || {
        let hpa = ns.stdout("kubectl get hpa backend-hpa -o jsonpath='{.status.desiredReplicas}'");
        if hpa.parse().is_ok_and(|pods: u32| pods > 2) { Ok(()) } else { Err(hpa) }
    });
    // A shell that is process 1 does not hear SIGTERM: this takes the whole grace period.
    let deleted = ns.start("kubectl delete pod load-gen");
    assert!(ns.stdout("kubectl describe hpa backend-hpa").contains("SuccessfulRescale"));

    // Phase 6: rolling update.
    ns.run("kubectl set image deploy/backend backend=backend:v2");
    ns.run("kubectl rollout status deploy/backend --timeout=180s");
    assert!(ns.stdout(&format!("curl -fsS {url}/proxy/items")).contains("\"version\":\"v2\""));
    ns.run("kubectl rollout undo deploy/backend");
    ns.run("kubectl rollout history deploy/backend");
    ns.run("kubectl set image deploy/frontend frontend=frontend:v2");
    ns.run("kubectl rollout status deploy/frontend --timeout=180s");
    ns.run("kubectl rollout status deploy/backend --timeout=180s");

    let deleted = deleted.finish();
    assert!(deleted.stdout.contains("deleted"), "{deleted}");

    // Debugging.
    ns.run("kubectl get events --sort-by='.lastTimestamp'");
    // Not the autoscaler's, which is taking some away.
    let pod = ns.stdout("kubectl get pods -l app.kubernetes.io/component=frontend --sort-by=.metadata.creationTimestamp -o name | tail -n 1");
    let pod = pod.trim().trim_start_matches("pod/");
    let shell = ns.attempt(&format!("kubectl exec {pod} -- sh"));
    assert!(shell.stderr.contains("executable file not found"), "{shell}");
    ns.run(&format!("kubectl logs {pod}"));
    watch(&ns, &format!("kubectl logs {pod} -f"), "ready");
    // No container has crashed, which is what this command says.
    assert!(ns.attempt(&format!("kubectl logs {pod} --previous")).stderr.contains("not found"));
    ns.run("kubectl get pods -o wide");
    ns.run(&format!("kubectl describe pod {pod}"));
    ns.run("kubectl top pods");
    ns.run("kubectl top nodes");

    // Cleanup.
    ns.run("kubectl delete -f k8s/");
    eventually("no pod is left", || {
        let pods = ns.stdout("kubectl get pods -o name");
        if pods.is_empty() { Ok(()) } else { Err(pods) }
    });
}

/// Runs a command that does not end by itself until it has printed `text`.
fn watch(shell: &Shell, command: &str, text: &str) {
    let seen = shell.attempt(&format!("timeout 120 {command} | grep -m 1 -F -- '{text}'"));
    assert!(seen.stdout.contains(text), "no {text:?}: {seen}");
}

/// The text with every run of blanks as one.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
