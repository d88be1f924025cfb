//! Phase 6 of the practice by kubectl alone: new images and back under load, nothing lost. By helm it is a row of the proof.

use e2e::{Ledger, Load, Namespace};

/// Loads the gateway on reused and on new connections while `act` does something to the release.
fn under_load(ns: &Namespace, act: impl FnOnce()) -> [Ledger; 2] {
    let nodes = ns.node_addresses();
    let urls = nodes.iter().map(|node| format!("http://{node}:30080/proxy/items")).collect::<Vec<_>>().join(" ");
    let reused = Load::start(ns, &format!("{urls} --rate 300 --connections 100"));
    let fresh = Load::start(ns, &format!("{urls} --rate 100 --connections 50 --new-connections"));
    act();
    [reused.stop(), fresh.stop()]
}

#[test]
fn phase_6_set_image_and_rollout_undo_lose_nothing() {
    let ns = Namespace::unrestricted("phase6-kubectl");
    ns.install("-f values/classroom.yaml");

    let ledgers = under_load(&ns, || {
        ns.run("kubectl set image deploy/backend backend=backend:v2");
        ns.run("kubectl rollout status deploy/backend --timeout=180s");
        ns.run("kubectl set image deploy/frontend frontend=frontend:v2");
        ns.run("kubectl rollout status deploy/frontend --timeout=180s");
        ns.run("kubectl rollout undo deploy/backend");
        ns.run("kubectl rollout status deploy/backend --timeout=180s");
    });
    for ledger in ledgers {
        ledger.assert_nothing_lost(1_000);
        assert!(ledger.saw("backend", "v1") && ledger.saw("backend", "v2"), "{ledger:?}");
    }
    let history = ns.stdout("kubectl rollout history deploy/backend");
    assert!(history.contains('3'), "{history}");
}
