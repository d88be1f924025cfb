//! The README and the labs do what they say.

use e2e::shell::root;
use e2e::{Namespace, Shell, page};

/// One lab on a release of its own.
fn lab(name: &str) {
    lab_in(&namespace(name), name);
}

fn namespace(name: &str) -> Namespace {
    Namespace::unrestricted(&format!("lab-{}", name.trim_end_matches(".md")))
}

fn lab_in(ns: &Namespace, name: &str) {
    ns.install("");
    page::run(ns, &root().join("labs").join(name));
}

#[test]
fn lab_1_ways_in() {
    lab("1-ways-in.md");
}

#[test]
fn lab_2_probes_and_rollouts() {
    lab("2-probes-and-rollouts.md");
}

#[test]
#[ignore = "alone: it compares how much work a CPU limit lets through"]
fn lab_3_cpu_limits() {
    lab("3-cpu-limits.md");
}

#[test]
fn lab_4_https() {
    lab("4-https.md");
}

#[test]
#[ignore = "alone: it counts what 300 new connections a second lose"]
fn lab_5_prestop_sleep() {
    lab("5-prestop-sleep.md");
}

#[test]
#[ignore = "alone: it counts what 2,000 connections lose"]
fn lab_6_drain() {
    lab("6-drain.md");
}

#[test]
#[ignore = "alone: it counts what 2,000 connections lose"]
fn lab_7_connection_close() {
    lab("7-connection-close.md");
}

#[test]
fn lab_8_grace() {
    lab("8-grace.md");
}

#[test]
fn lab_9_surge() {
    lab("9-surge.md");
}

#[test]
fn lab_10_min_ready_seconds() {
    lab("10-min-ready-seconds.md");
}

#[test]
fn lab_11_startup_probe() {
    lab("11-startup-probe.md");
}

#[test]
fn lab_12_liveness() {
    lab("12-liveness.md");
}

#[test]
fn lab_13_readiness_cascade() {
    lab("13-readiness-cascade.md");
}

#[test]
fn lab_14_memory() {
    lab("14-memory.md");
}

/// Every node takes pods again when it is dropped: a page that drains one may fail in between.
struct Uncordoned {
    cluster: Shell,
}

impl Drop for Uncordoned {
    fn drop(&mut self) {
        let uncordoned = self.cluster.attempt("kubectl uncordon --selector=kubernetes.io/os=linux");
        println!("{uncordoned}");
    }
}

#[test]
fn lab_15_disruption_budget() {
    let ns = namespace("15-disruption-budget.md");
    let _uncordoned = Uncordoned { cluster: ns.cluster().clone() };
    lab_in(&ns, "15-disruption-budget.md");
}

#[test]
fn lab_16_hpa_without_requests() {
    lab("16-hpa-without-requests.md");
}

#[test]
fn labs_questions() {
    lab("questions.md");
}

#[test]
fn lab_17_pinned_connections() {
    lab("17-pinned-connections.md");
}

#[test]
fn lab_18_autoscaler() {
    lab("18-autoscaler.md");
}

#[test]
fn lab_19_canary() {
    lab("19-canary.md");
}

#[test]
fn lab_20_shop() {
    lab("20-shop.md");
}

#[test]
fn lab_21_two_services() {
    lab("21-two-services.md");
}

#[test]
fn lab_22_hello() {
    lab("22-hello.md");
}

#[test]
fn lab_23_jobs() {
    lab("23-jobs.md");
}

#[test]
fn lab_24_voting() {
    lab("24-voting.md");
}

#[test]
fn lab_25_settings_and_secrets() {
    lab("25-settings-and-secrets.md");
}

/// The release that `make up` installs into the namespace that a new user is in; it goes with the test, whatever its end.
struct Installed {
    user: Shell,
}

impl Drop for Installed {
    fn drop(&mut self) {
        let uninstalled = self.user.attempt("helm uninstall practice --wait --timeout 120s");
        println!("{uninstalled}");
    }
}

#[test]
fn readme() {
    let ns = Namespace::unrestricted("readme");
    let installed = Installed { user: ns.cluster().clone() };
    page::run(&installed.user, &root().join("README.md"));
}

#[test]
fn every_lab_is_listed_and_tested() {
    let index = std::fs::read_to_string(root().join("labs/README.md")).expect("the labs have an index");
    let tests = concat!(include_str!("pages.rs"), include_str!("docker.rs"));
    for entry in std::fs::read_dir(root().join("labs")).expect("there are labs") {
        let name = entry.expect("it can be read").file_name().into_string().expect("a name");
        if name != "README.md" {
            assert!(index.contains(&format!("({name})")), "labs/README.md does not list {name}");
            let calls =
                [format!("lab({name:?})"), format!("lab_in(&ns, {name:?})"), format!("on_docker(\"labs/{name}\")")];
            assert!(calls.iter().any(|call| tests.contains(call)), "no test runs {name}");
        }
    }
}
