//! The README and the labs do what they say.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::shell::root;
use e2e::{Namespace, Shell, eventually, page};

fn namespace(name: &str) -> Namespace {
    Namespace::unrestricted(&format!("lab-{}", name.trim_end_matches(".md")))
}

fn lab_in(ns: &Namespace, name: &str) {
    let path = root().join("labs").join(name);
    let text = std::fs::read_to_string(&path).expect("there is the page");
    // One that names what it makes needs nothing else.
    if !text.lines().any(|line| line.starts_with(". labs/begin ")) {
        ns.install("");
    }
    let began = Instant::now();
    page::run(ns, &path, page::SHELL);
    let (took, told) = (began.elapsed(), Duration::from_secs(60 * minutes(name)));
    assert!(took < told * 5, "{name} says {} minutes, and took {} s", told.as_secs() / 60, took.as_secs());
}

/// How long a lab takes on a machine that does nothing else, as it says and as the list of the labs says.
fn minutes(name: &str) -> u64 {
    let labs = root().join("labs");
    let read = |name: &str| std::fs::read_to_string(labs.join(name)).expect("there are labs");
    let (page, index) = (read(name), read("README.md"));
    let told = page.lines().find_map(|line| {
        line.strip_prefix('*')?.strip_suffix(" minutes.*").or_else(|| line.strip_prefix('*')?.strip_suffix(" minute.*"))
    });
    let told: u64 = told.and_then(|minutes| minutes.parse().ok()).unwrap_or_else(|| panic!("{name} says no minutes"));
    let row = index.lines().find(|line| line.contains(&format!("({name})"))).expect("it is listed");
    let same = [format!("| {told} |"), format!("; {told} minute")];
    assert!(same.iter().any(|text| row.contains(text)), "{name} says {told} minutes, and labs/README.md: {row}");
    told
}

/// A test for each lab that needs no more than a release of its own.
macro_rules! labs {
    ($($(#[$attribute:meta])* fn $test:ident() $page:literal)*) => {$(
        #[test]
        $(#[$attribute])*
        fn $test() {
            lab_in(&namespace($page), $page);
        }
    )*};
}

labs! {
    fn lab_1_ways_in() "1-ways-in.md"
    fn lab_2_probes_and_rollouts() "2-probes-and-rollouts.md"
    fn lab_3_cpu_limits() "3-cpu-limits.md"
    fn lab_4_https() "4-https.md"
    #[ignore = "alone: it counts what 300 new connections a second lose"]
    fn lab_5_prestop_sleep() "5-prestop-sleep.md"
    #[ignore = "alone: it counts what 2,000 connections lose"]
    fn lab_6_drain() "6-drain.md"
    #[ignore = "alone: it counts what 2,000 connections lose"]
    fn lab_7_connection_close() "7-connection-close.md"
    fn lab_8_grace() "8-grace.md"
    fn lab_9_surge() "9-surge.md"
    fn lab_10_min_ready_seconds() "10-min-ready-seconds.md"
    fn lab_11_startup_probe() "11-startup-probe.md"
    fn lab_12_liveness() "12-liveness.md"
    fn lab_13_readiness_cascade() "13-readiness-cascade.md"
    fn lab_14_memory() "14-memory.md"
    fn lab_16_hpa_without_requests() "16-hpa-without-requests.md"
    fn labs_questions() "questions.md"
    fn lab_17_pinned_connections() "17-pinned-connections.md"
    fn lab_18_autoscaler() "18-autoscaler.md"
    fn lab_19_canary() "19-canary.md"
    fn lab_20_shop() "20-shop.md"
    fn lab_21_two_services() "21-two-services.md"
    fn lab_22_hello() "22-hello.md"
    fn lab_23_jobs() "23-jobs.md"
    fn lab_24_voting() "24-voting.md"
    fn lab_25_settings_and_secrets() "25-settings-and-secrets.md"
    fn lab_26_pods() "26-pods.md"
    fn lab_27_by_hand() "27-by-hand.md"
    fn lab_28_two_schemas() "28-two-schemas.md"
}

/// A command that is typed when this is dropped: what a page leaves behind where it fails in between, it undoes.
pub(crate) struct AtTheEnd {
    pub(crate) shell: Shell,
    pub(crate) command: &'static str,
}

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        println!("{}", self.shell.attempt(self.command));
    }
}

#[test]
fn lab_15_disruption_budget() {
    let ns = namespace("15-disruption-budget.md");
    // The lab drains a node.
    let command = "kubectl uncordon --selector=kubernetes.io/os=linux";
    let _uncordoned = AtTheEnd { shell: ns.cluster().clone(), command };
    lab_in(&ns, "15-disruption-budget.md");
}

#[test]
fn readme() {
    let ns = Namespace::unrestricted("readme");
    // The releases that `make up` installs into the namespace that a new user is in.
    let command = "helm uninstall practice observer --wait --timeout 120s";
    let user = AtTheEnd { shell: ns.cluster().clone(), command };
    page::run(&user.shell, &root().join("README.md"), page::SHELL);

    // The same without an observer.
    user.shell.run(command);
    user.shell.run("make up OBSERVER=no");
    let releases = user.shell.stdout("helm list --short");
    assert!(releases.contains("practice") && !releases.contains("observer"), "{releases}");
}

#[test]
fn when_it_does_not_work_the_readme_says_why() {
    let page = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    let says = |text: &str| assert!(page.contains(text), "the README does not say {text:?}");
    let ns = Namespace::unrestricted("does-not-work");
    ns.install("");

    // A tag that is not there, and the way back.
    ns.run("helm upgrade practice chart/ --set services.backend.image.tag=v9");
    eventually("the image is not pulled", || {
        let pods = ns.stdout("kubectl get pods");
        if pods.contains("ErrImagePull") || pods.contains("ImagePullBackOff") { Ok(()) } else { Err(pods) }
    });
    says("`ErrImagePull`, `ImagePullBackOff`");
    ns.run("helm rollback practice --wait --timeout 120s");
    says("`helm rollback practice`");

    // The node port of another release.
    let taken = ns.attempt("helm install second chart/");
    assert!(taken.stderr.contains("has the node port 30080"), "{taken}");
    says("`has the node port 30080`");
    ns.run("helm install second chart/ --set services.frontend.service.nodePort=0");
    says("`--set services.frontend.service.nodePort=0`");
    ns.run("helm uninstall second");
    let taken = ns.attempt("kubectl create service nodeport second --tcp=8000 --node-port=30080");
    assert!(taken.stderr.contains("provided port is already allocated"), "{taken}");
    says("`provided port is already allocated`");

    // What kubectl set belongs to kubectl.
    ns.run("kubectl set image deploy/practice-backend backend=backend:v2");
    let conflict = ns.attempt("helm upgrade practice chart/ --set image.tag=v1");
    assert!(conflict.stderr.contains("conflict with \"kubectl-set\""), "{conflict}");
    says("`conflict with \"kubectl-set\"`");
    ns.run("helm upgrade practice chart/ --force-conflicts");
    says("`helm upgrade practice chart/ --force-conflicts`");

    // The last upgrade's --set is not this one's.
    ns.run("helm upgrade practice chart/ --set debug.enabled=true");
    ns.run("helm upgrade practice chart/ --set defaults.replicas=3 --reuse-values");
    assert_eq!(ns.json("helm get values practice -o json")["debug"]["enabled"], true);
    ns.run("helm upgrade practice chart/ --set defaults.replicas=3");
    assert!(ns.json("helm get values practice -o json")["debug"].is_null());
    says("`--reuse-values`");

    let shell = ns.attempt("kubectl exec deploy/practice-frontend -- sh");
    assert!(shell.stderr.contains("exec: \"sh\": executable file not found"), "{shell}");
    says("`exec: \"sh\": executable file not found`");

    // Nobody installed an observer here.
    let page = format!("http://{}:30080", ns.node_addresses()[0]);
    assert!(ns.stdout(&format!("curl -fsS {page}/")).contains("there is no observer of the cluster"));
    assert_eq!(ns.stdout(&format!("curl -fsS -w '%{{http_code}}' {page}/cluster/events")), "204");
    says("`there is no observer of the cluster`");
    says("`helm install observer chart/ -f values/observer.yaml`");
}

/// The functions that a script defines, or the blocks of a page.
fn functions(text: &str) -> BTreeSet<&str> {
    let names = text.lines().filter_map(|line| line.trim_start().split_once("() {").map(|(name, _)| name));
    names.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect()
}

#[test]
fn no_lab_takes_a_name_of_what_the_labs_share() {
    let read = |name: &str| std::fs::read_to_string(root().join("labs").join(name)).expect("it can be read");
    let shared = read("begin") + &read("signs");
    let shared = functions(&shared);
    assert!(shared.contains("await") && shared.contains("undo"), "{shared:?}");
    for entry in std::fs::read_dir(root().join("labs")).expect("there are labs") {
        let name = entry.expect("it can be read").file_name().into_string().expect("a name");
        if !["begin", "signs"].contains(&&*name) {
            let page = read(&name);
            let taken: Vec<_> = functions(&page).intersection(&shared).copied().collect();
            assert!(taken.is_empty(), "labs/{name} has functions of its own with names that labs/begin has: {taken:?}");
        }
    }
}

#[test]
fn every_lab_is_listed_and_tested() {
    let index = std::fs::read_to_string(root().join("labs/README.md")).expect("the labs have an index");
    let tests = concat!(include_str!("pages.rs"), include_str!("docker.rs"));
    for entry in std::fs::read_dir(root().join("labs")).expect("there are labs") {
        let name = entry.expect("it can be read").file_name().into_string().expect("a name");
        if !["README.md", "begin", "signs"].contains(&&*name) {
            assert!(index.contains(&format!("({name})")), "labs/README.md does not list {name}");
            let named = [format!("{name:?}"), format!("on_docker(\"labs/{name}\")")];
            assert!(named.iter().any(|text| tests.contains(text)), "no test runs {name}");
            if name != "compose.md" {
                minutes(&name);
            }
        }
    }
}
