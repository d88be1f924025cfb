//! The README and the labs do what they say.

use e2e::shell::root;
use e2e::{Namespace, Shell, page};

/// One lab on a release of its own.
fn lab(name: &str) {
    let ns = Namespace::unrestricted(&format!("lab-{}", name.trim_end_matches(".md")));
    ns.install("");
    page::run(&ns, &root().join("labs").join(name));
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
fn lab_3_cpu_limits() {
    lab("3-cpu-limits.md");
}

#[test]
fn lab_4_https() {
    lab("4-https.md");
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
    let user = ns.clone().with("KUBECONFIG", std::env::var("KUBECONFIG").expect("a namespace was opened with it"));
    let installed = Installed { user };
    page::run(&installed.user, &root().join("README.md"));
}

#[test]
fn every_lab_is_listed_and_tested() {
    let index = std::fs::read_to_string(root().join("labs/README.md")).expect("the labs have an index");
    for entry in std::fs::read_dir(root().join("labs")).expect("there are labs") {
        let name = entry.expect("it can be read").file_name().into_string().expect("a name");
        if name != "README.md" {
            assert!(index.contains(&format!("({name})")), "labs/README.md does not list {name}");
            assert!(include_str!("pages.rs").contains(&format!("lab({name:?})")), "no test runs {name}");
        }
    }
}
