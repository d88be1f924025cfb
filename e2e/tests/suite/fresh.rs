//! The first of the README's two commands on a machine that nobody has touched.

use std::time::Duration;

use e2e::Shell;

#[test]
#[ignore = "alone: it compiles the services, and compares what is on the machine before and after"]
fn make_up_holds_on_an_empty_debian_in_a_folder_with_a_long_name() {
    let output = Shell::default().attempt_within(Duration::from_secs(900), "SHORT=1 CACHES=1 cluster/fresh");
    assert!(output.succeeded(), "{output}");
    assert_eq!(output.stdout.matches("   Ready ").count(), 2, "{output}");
    assert!(output.stdout.contains("/api/items answers"), "{output}");
}
