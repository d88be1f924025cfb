//! The exercises as a learner meets them: blanks and a mistake get a word that helps, the solutions hold.

use std::time::Duration;

use e2e::shell::Output;
use e2e::{Namespace, Shell};

const LIMIT: Duration = Duration::from_secs(480);

/// The learner's folder.
const FOLDER: &str = "target/e2e/exercises";

/// What `exercises ARGUMENTS` says in this namespace.
fn exercises(ns: &Namespace, arguments: &str) -> Output {
    let command = format!("target/debug/exercises --folder {FOLDER} --namespace {} {arguments}", ns.name());
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
    let ns = Namespace::unrestricted("exercises");
    ns.run(&format!("cargo build --quiet --locked -p exercises; rm -rf {FOLDER}"));
    let check = |name: &str| exercises(&ns, &format!("check {name}"));
    assert_says(&check("images"), 0, &["holds    a pod starts from the image backend:v2", "images: all of it holds"]);

    // The blanks.
    let asked = ["readiness probe in the container: asked; found none", "4 lines with TODO(human) are left"];
    assert_says(&check("deployments"), 1, &asked);
    let refused = ["without a selector it leads to no pod", "the cluster takes k8s/backend-service.yaml: The Service"];
    assert_says(&check("services"), 1, &refused);

    // The solutions of two phases, one of them with a mistake at first.
    ns.run(&format!("cp exercises/manifests/*-{{deployment,service}}.yaml {FOLDER}/k8s"));
    ns.run(&format!("sed -i 's/app: backend/app: backend-svc/' {FOLDER}/k8s/backend-service.yaml"));
    assert_says(&check("deployments"), 0, &["holds    all pods of frontend are ready", "deployments: all of it holds"]);
    assert_says(&check("services"), 1, &["app=backend-svc, which no pod of backend carries"]);
    ns.run(&format!("cp exercises/manifests/backend-service.yaml {FOLDER}/k8s"));
    let replaced =
        ["the backend answers by its Service's name", "a pod is replaced, and none of", "services: all of it holds"];
    assert_says(&check("services"), 0, &replaced);

    // The next open one is the Ingress: it is saved while the program watches.
    let session = ns.attempt_within(
        LIMIT,
        &format!(
            "out={FOLDER}/session; touch $out
             {{ until grep -q 'k8s/ingress.yaml' $out; do sleep 0.2; done
               cp exercises/manifests/ingress.yaml {FOLDER}/k8s
               until grep -q '^ingress: ' $out; do sleep 0.2; done
               printf 'question\\nlayer 4 and layer 7, which reads the path\\nlist\\nquit\\n'
             }} | target/debug/exercises --folder {FOLDER} --namespace {} | tee $out",
            ns.name()
        ),
    );
    println!("{session}");
    let measured =
        "/api/items/1 by the node port: 404 from frontend; by the Ingress, which reads the path: 200 from backend";
    let told =
        ["holds    /api/items is answered by the backend", "ingress: all of it holds", measured, "done  ingress"];
    assert_says(&session, 0, &told);

    ns.run(&format!("cp exercises/manifests/backend-hpa.yaml {FOLDER}/k8s"));
    assert_says(&check("autoscaler"), 0, &["holds    it wants more than 2 pods", "ceil("]);
    assert_says(&check("rollout"), 1, &["the image is backend:v2: asked; found backend:v1"]);
    ns.run(&format!("sed -i 's/backend:v1/backend:v2/' {FOLDER}/k8s/backend-deployment.yaml"));
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
    assert_says(&exercises(&ns, "list"), 0, &["done  rollout", "open  discussion"]);
}

#[test]
fn without_a_cluster_the_exercises_say_so() {
    let shell = Shell::default().with("KUBECONFIG", "/nowhere");
    shell.run("cargo build --quiet --locked -p exercises");
    let output = shell.attempt("target/debug/exercises --folder target/e2e/no-cluster check images");
    assert!(output.code == Some(2) && output.stderr.contains("no cluster answers: `make up`"), "{output}");
}
