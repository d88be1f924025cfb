//! The proof in its short form, with the rows that matter most; `make proof` has all of them.

use std::time::Duration;

use e2e::Shell;

/// An upgrade and a rollback of both services (phase 6 of the practice), pods deleted (phase 3), a node drained, an upgrade
/// that fails and is healed, and a backend killed and frozen behind a gateway that makes up for it.
const ROWS: &str = "upgrade delete-each drain wrong-tag sigkill-gateway frozen-gateway";

#[test]
#[ignore = "alone: it counts what a load loses while pods and nodes are killed"]
fn the_short_proof_of_six_rows_holds() {
    let command = format!("make --no-print-directory proof SHORT=1 ROW='{ROWS}' OUTPUT=target/e2e/proof");
    let output = Shell::default().attempt_within(Duration::from_secs(480), &command);
    println!("{}", output.stdout);
    assert!(output.succeeded(), "{output}");
    // Else the drains had nothing to wait for.
    assert!(output.stdout.contains("1 % of the requests take 1 s"), "{output}");
}
