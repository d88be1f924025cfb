//! The exercises as a learner meets them: blanks and a mistake get a word that helps, the solutions hold.

use std::time::Duration;

use e2e::Namespace;
use e2e::shell::Output;

const LIMIT: Duration = Duration::from_secs(480);

/// A learner with a folder, and a namespace to go with it.
fn folder(ns: &Namespace) -> String {
    format!("target/e2e/learner-{}", ns.name())
}

/// Builds the program, and begins anew.
fn learner(name: &str) -> Namespace {
    let ns = Namespace::unrestricted(name);
    ns.run(&format!("cargo build --quiet --locked -p exercises; rm -rf {}", folder(&ns)));
    ns
}

/// What `exercises ARGUMENTS` says in this namespace.
fn exercises(ns: &Namespace, arguments: &str) -> Output {
    let command = format!("target/debug/exercises --folder {} --namespace {} {arguments}", folder(ns), ns.name());
    let output = ns.attempt_within(LIMIT, &command);
    println!("{output}");
    output
}

#[track_caller]
fn assert_says(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.code, Some(code), "{output}");
    for word in words {
        assert!(output.stdout.contains(word), "no {word:?} in {output}");
    }
}

#[test]
fn the_exercises_hold_with_their_solutions_and_not_before() {
    let ns = learner("exercises");
    let folder = folder(&ns);
    let check = |name: &str| exercises(&ns, &format!("check {name}"));
    assert_says(&check("images"), 0, &["holds    a pod starts from the image backend:v2", "images: all of it holds"]);

    // The blanks.
    let asked = ["readiness probe in the container: asked; found none", "4 lines with TODO(human) are left"];
    assert_says(&check("deployments"), 1, &asked);
    let refused = ["without a selector it leads to no pod", "the cluster takes k8s/backend-service.yaml: The Service"];
    assert_says(&check("services"), 1, &refused);

    // The solutions of two phases, one of them with a mistake at first.
    ns.run(&format!("cp exercises/manifests/*-{{deployment,service}}.yaml {folder}/k8s"));
    ns.run(&format!("sed -i 's/app: backend/app: backend-svc/' {folder}/k8s/backend-service.yaml"));
    assert_says(&check("deployments"), 0, &["holds    all pods of frontend are ready", "deployments: all of it holds"]);
    assert_says(&check("services"), 1, &["app=backend-svc, which no pod of backend carries"]);
    ns.run(&format!("cp exercises/manifests/backend-service.yaml {folder}/k8s"));
    let replaced =
        ["the backend answers by its Service's name", "a pod is replaced, and none of", "services: all of it holds"];
    assert_says(&check("services"), 0, &replaced);

    // The next open one is the Ingress: it is saved while the program watches.
    let session = ns.attempt_within(
        LIMIT,
        &format!(
            "out={folder}/session; touch $out
             {{ until grep -q 'k8s/ingress.yaml' $out; do sleep 0.2; done
               cp exercises/manifests/ingress.yaml {folder}/k8s
               until grep -q '^ingress: ' $out; do sleep 0.2; done
               printf 'question\\nlayer 4 and layer 7, which reads the path\\nlist\\nquit\\n'
             }} | target/debug/exercises --folder {folder} --namespace {} | tee $out",
            ns.name()
        ),
    );
    println!("{session}");
    let measured =
        "/api/items/1 by the node port: 404 from frontend; by the Ingress, which reads the path: 200 from backend";
    let told =
        ["holds    /api/items is answered by the backend", "ingress: all of it holds", measured, "done  ingress"];
    assert!(!session.stdout.contains('\x1b'), "colours without a terminal");
    assert_says(&session, 0, &told);

    ns.run(&format!("cp exercises/manifests/backend-hpa.yaml {folder}/k8s"));
    assert_says(&check("autoscaler"), 0, &["holds    it wants more than 2 pods", "ceil("]);
    // The answer takes an autoscaler's rounds: a learner with another folder asks meanwhile.
    let asks = format!("--folder {folder}-asks --namespace {} question autoscaler", ns.name());
    let without_request =
        ns.start(&format!("target/debug/exercises {asks} 'a % of the request, unknown without, so nothing scales'"));
    assert_says(&check("rollout"), 1, &["the image is backend:v2: asked; found backend:v1"]);
    ns.run(&format!("sed -i 's/backend:v1/backend:v2/' {folder}/k8s/backend-deployment.yaml"));
    assert_says(&check("rollout"), 0, &["v1 becomes v2 and v1 again, and none of", "2 pods were ready at the least"]);

    // What is measured for the key questions.
    let question = |name: &str, answer: &str| exercises(&ns, &format!("question {name} '{answer}'"));
    let not_ready = "was restarted 0 times, and its endpoint is ready: false";
    assert_says(
        &question("deployments", "it gets no traffic"),
        1,
        &["it leaves out:         it is not restarted", not_ready],
    );
    let by_name = "svc.cluster.local: connected to ";
    assert_says(&question("services", "DNS: an A record with the ClusterIP"), 0, &[by_name]);
    assert_says(&question("rollout", "two"), 0, &["measured:              2 pods were ready at the least"]);
    assert_says(&without_request.finish(), 0, &["missing request for cpu in container backend"]);
    for (answer, shown) in [
        ("ClusterIP inside, NodePort for tests, LoadBalancer at a cloud, Ingress for HTTP", "frontend-svc NodePort"),
        ("a rollout waits for readiness, liveness restarts", "labs/2-probes-and-rollouts.md"),
        ("throttled; a noisy neighbour", "container_cpu_throttled_periods_total"),
        ("tls with a certificate in a Secret", "app-ingress has the tls"),
    ] {
        assert_says(&question("discussion", answer), 0, &[shown]);
    }
    assert_says(&check("discussion"), 0, &["holds    the questions are answered"]);
    assert_says(&exercises(&ns, "list"), 0, &["done  rollout", "done  discussion", "open  drain"]);
}

#[test]
fn what_loses_requests_is_mended_until_the_ledger_says_none() {
    let ns = learner("mending");
    for name in ["drain", "grace"] {
        let broken = exercises(&ns, &format!("check {name}"));
        let why = "a pod that ended while the request was on its way or in its hands";
        let refused = "a pod that had shut its port while rules still led to it";
        assert_says(&broken, 1, &["pods are replaced, and none of", if name == "drain" { refused } else { why }]);
        ns.run(&format!("sed '/^ *#- /d' exercises/manifests/{name}.yaml >{}/k8s/{name}.yaml", folder(&ns)));
        assert_says(&exercises(&ns, &format!("check {name}")), 0, &[&format!("{name}: all of it holds")]);
    }
}
