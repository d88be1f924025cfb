//! The practice's own commands, under its own names: docs/handout.md says which run as printed, and what to type instead of the others.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::shell::root;
use e2e::{Namespace, Shell, eventually, eventually_within};

#[test]
fn every_command_of_the_handout_does_what_its_table_says() {
    Shell::default().run("make k8s");
    let ns = Namespace::unrestricted("classroom");
    let handout = Handout::of(&ns);

    // Phase 2: Deployments.
    handout.run("kubectl apply -f k8s/backend-deployment.yaml -f k8s/frontend-deployment.yaml");
    handout.watch("kubectl get pods -w", "1/1");
    ns.run("kubectl rollout status deploy/backend --timeout=120s");
    ns.run("kubectl rollout status deploy/frontend --timeout=120s");
    assert!(handout.run("kubectl get deployments").contains("backend"));
    let backend = handout.run("kubectl describe deployment backend");
    for line in ["1 max surge", "0 max unavailable", "delay=5s", "period=10s", "cpu:     100m", "memory:  256Mi"] {
        assert!(squeezed(&backend).contains(&squeezed(line)), "no {line:?} in\n{backend}");
    }
    handout.run("kubectl describe deployment frontend");

    // Phase 3: Services. Beside a release that has the node port, only one of the two is made.
    ns.run("kubectl create service nodeport practice-frontend --tcp=8000 --node-port=30080");
    let beside = ns.attempt("kubectl apply -f k8s/backend-service.yaml -f k8s/frontend-service.yaml");
    assert!(beside.stderr.contains("provided port is already allocated"), "{beside}");
    ns.run("kubectl delete service practice-frontend");
    handout.run("kubectl apply -f k8s/backend-service.yaml -f k8s/frontend-service.yaml");
    let services = handout.run("kubectl get svc");
    assert!(services.contains("backend-svc") && services.contains("frontend-svc"), "{services}");
    assert!(squeezed(&handout.run("kubectl describe svc backend-svc")).contains("Type: ClusterIP"));
    assert!(handout.run("kubectl describe svc frontend-svc").contains("NodePort"));
    eventually("the endpoints of both Services are there", || {
        let both = ["kubectl get endpoints backend-svc", "kubectl get endpoints frontend-svc"]
            .map(|printed| handout.run(printed));
        if both.iter().all(|endpoints| endpoints.contains(":8000")) { Ok(()) } else { Err(both.concat()) }
    });
    let python = r#"kubectl exec deploy/frontend -- python -c "import httpx; print(httpx.get('http://backend-svc:8000/api/items').json())""#;
    assert!(ns.attempt(python).stderr.contains("executable file not found"), "there is no Python");
    let ask = "kubectl run ask --image=busybox --restart=Never --rm -i --quiet -- wget -q -O- http://backend-svc:8000/api/items";
    handout.says(python, ask);
    eventually("the Service's name leads to the backend", || printed_by(&ns, ask, "\"service\":\"backend\""));
    let url = handout.instead("minikube service frontend-svc --url", "echo \"$NODEPORT_URL\"");
    handout.name("<URL>", url.trim());
    handout.until("curl <URL>/proxy/items", "\"items\"");

    // Phase 4: Ingress.
    handout.run("kubectl apply -f k8s/ingress.yaml");
    assert!(handout.run("kubectl get ingress").contains("app-ingress"));
    let rules = squeezed(&handout.run("kubectl describe ingress app-ingress"));
    assert!(rules.contains("/api backend-svc:8000") && rules.contains("/ frontend-svc:8000"), "{rules}");
    for (printed, here, answer) in [
        ("curl http://$(minikube ip)/api/items", "curl \"$INGRESS_URL/api/items\"", "\"service\":\"backend\""),
        ("curl http://$(minikube ip)/", "curl \"$INGRESS_URL/\"", "<!doctype html>"),
    ] {
        handout.says(printed, here);
        eventually("the ingress answers", || printed_by(handout.shell, here, answer));
    }

    // Phase 5: HorizontalPodAutoscaler.
    handout.run("kubectl apply -f k8s/backend-hpa.yaml");
    assert!(handout.run("kubectl get hpa").contains("backend-hpa"));
    handout.watch("kubectl get hpa -w", "/50%");
    handout.run(
        "kubectl run load-gen --image=busybox --restart=Never -- /bin/sh -c \"while true; do wget -q -O- http://backend-svc:8000/api/cpu-burn; done\"",
    );
    eventually_within(Duration::from_secs(150), "more than two pods", || {
        let hpa = ns.stdout("kubectl get hpa backend-hpa -o jsonpath='{.status.desiredReplicas}'");
        if hpa.parse().is_ok_and(|pods: u32| pods > 2) { Ok(()) } else { Err(hpa) }
    });
    // A shell that is process 1 does not hear SIGTERM: this takes the whole grace period.
    let deleted = ns.start(&handout.as_printed("kubectl delete pod load-gen"));
    handout.until("kubectl describe hpa backend-hpa", "SuccessfulRescale");

    // Phase 6: rolling update.
    handout.run("kubectl set image deploy/backend backend=backend:v2");
    handout.run("kubectl rollout status deploy/backend");
    // The gateway may still have a connection to a pod of v1, which serves while it leaves.
    handout.until("curl <URL>/proxy/items", "\"version\":\"v2\"");
    handout.run("kubectl rollout undo deploy/backend");
    handout.run("kubectl rollout history deploy/backend");
    handout.run("kubectl set image deploy/frontend frontend=frontend:v2");
    ns.run("kubectl rollout status deploy/frontend --timeout=180s");
    ns.run("kubectl rollout status deploy/backend --timeout=180s");

    let deleted = deleted.finish();
    assert!(deleted.stdout.contains("deleted"), "{deleted}");

    // Debugging. Not a pod of the autoscaler's, which is taking some away.
    let pod = ns.stdout("kubectl get pods -l app.kubernetes.io/component=frontend --sort-by=.metadata.creationTimestamp -o name | tail -n 1");
    handout.name("<pod-name>", pod.trim().trim_start_matches("pod/"));
    let shell = ns.attempt(&handout.named("kubectl exec -it <pod-name> -- sh"));
    assert!(shell.stderr.contains("executable file not found"), "{shell}");
    // The shell that is lent (here without a terminal) ends the container's own process 1, so that there is a log of the one before.
    let lent = "kubectl debug -it <pod-name> --image=busybox --target=frontend -- sh";
    handout.says("kubectl exec -it <pod-name> -- sh", lent);
    let kill = format!("printf 'kill 1\\nexit\\n' | {}", handout.named(lent).replace("-it", "-i"));
    ns.run(&kill);
    assert!(handout.run("kubectl get events --sort-by='.lastTimestamp'").contains("Scaled"));
    handout.run("kubectl get pods -o wide");
    handout.run("kubectl describe pod <pod-name>");
    handout.until("kubectl top pods", "Mi");
    handout.until("kubectl top nodes", "Mi");
    let before = handout.as_printed("kubectl logs <pod-name> --previous");
    eventually("the container was restarted, and the one before has a log", || {
        let seen = printed_by(&ns, &before, "draining");
        // Once a minute the kubelet keeps one container that does not run: where that is the next one, which does not run yet, the one
        // before is gone with its log (evictableContainers in pkg/kubelet/kuberuntime/kuberuntime_gc.go).
        if seen.as_ref().is_err_and(|seen| seen.contains("unable to retrieve container logs")) {
            ns.run(&kill);
        }
        seen
    });
    handout.watch("kubectl logs <pod-name> -f", "ready");
    handout.run("kubectl logs <pod-name>");

    // Cleanup.
    handout.run("kubectl delete -f k8s/");
    eventually("no pod is left", || {
        let pods = ns.stdout("kubectl get pods -o name");
        if pods.is_empty() { Ok(()) } else { Err(pods) }
    });

    handout.instead_of_the_rest();
}

/// The table of docs/handout.md.
struct Handout<'a> {
    shell: &'a Shell,
    /// Each printed command, and what the table says of it.
    rows: BTreeMap<String, String>,
    /// What `<pod-name>` and `<URL>` stand for.
    names: RefCell<Vec<(&'static str, String)>>,
    typed: RefCell<BTreeSet<String>>,
}

impl<'a> Handout<'a> {
    fn of(shell: &'a Shell) -> Self {
        let page = std::fs::read_to_string(root().join("docs/handout.md")).expect("the handout has a table");
        let rows = page.lines().filter_map(|line| {
            let (printed, here) = line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")?;
            Some((printed.replace("\\|", "|"), here.replace("\\|", "|")))
        });
        Self { shell, rows: rows.collect(), names: RefCell::default(), typed: RefCell::default() }
    }

    fn name(&self, placeholder: &'static str, name: &str) {
        self.names.borrow_mut().push((placeholder, name.to_owned()));
    }

    fn named(&self, command: &str) -> String {
        self.names.borrow().iter().fold(command.to_owned(), |text, (placeholder, name)| text.replace(placeholder, name))
    }

    /// What the table says of a printed command, which counts as typed then.
    fn row(&self, printed: &str) -> &str {
        self.typed.borrow_mut().insert(printed.to_owned());
        self.rows.get(printed).unwrap_or_else(|| panic!("docs/handout.md has no row for {printed}"))
    }

    fn as_printed(&self, printed: &str) -> String {
        let row = self.row(printed);
        assert!(row.starts_with("as printed"), "{printed} runs as printed, and docs/handout.md says: {row}");
        self.named(printed)
    }

    fn run(&self, printed: &str) -> String {
        self.shell.stdout(&self.as_printed(printed))
    }

    /// Runs a command again and again until it prints `text`.
    fn until(&self, printed: &str, text: &str) {
        let command = self.as_printed(printed);
        eventually(&format!("{printed} prints {text}"), || printed_by(self.shell, &command, text));
    }

    /// Runs a command that does not end by itself until it has printed `text`.
    fn watch(&self, printed: &str, text: &str) {
        let command = self.as_printed(printed);
        let seen = self.shell.attempt(&format!("timeout 120 {command} | grep -m 1 -F -- '{text}'"));
        assert!(seen.stdout.contains(text), "no {text:?}: {seen}");
    }

    /// The table says to type `here`.
    fn says(&self, printed: &str, here: &str) {
        let row = self.row(printed);
        assert!(row.contains(&format!("`{here}`")), "instead of {printed} docs/handout.md says: {row}");
    }

    fn instead(&self, printed: &str, here: &str) -> String {
        self.says(printed, here);
        self.shell.stdout(here)
    }

    /// What was not typed yet is of another tool, or of Windows. What the table has instead is typed; of make it is a target, which
    /// others of these tests type.
    fn instead_of_the_rest(&self) {
        let makefile = std::fs::read_to_string(root().join("Makefile")).expect("there is a Makefile");
        for (printed, here) in &self.rows {
            if self.typed.borrow().contains(printed) {
                continue;
            }
            assert!(printed.contains("minikube") || printed.starts_with("docker "), "nobody typed {printed}");
            for command in here.split('`').skip(1).step_by(2) {
                if let Some(target) = command.strip_prefix("make ") {
                    assert!(makefile.contains(&format!("\n{target}: ")), "make has no target {target}");
                } else {
                    assert!(
                        !self.shell.stdout(command).is_empty() || command.starts_with("eval "),
                        "{command} prints nothing"
                    );
                }
            }
        }
    }
}

/// That a command prints `text`. It may fail where what it asks is not there yet.
fn printed_by(shell: &Shell, command: &str, text: &str) -> Result<(), String> {
    let printed = shell.attempt(command);
    if printed.succeeded() && printed.stdout.contains(text) { Ok(()) } else { Err(printed.to_string()) }
}

/// The text with every run of blanks as one.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
