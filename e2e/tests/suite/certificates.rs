//! The certificate of the chart's Ingress, from cert-manager and a CA of one's own: issued, and renewed under load.

use std::collections::BTreeSet;
use std::fs;

use e2e::shell::root;
use e2e::{Namespace, eventually};

/// One request over a connection of its own, to a certificate that the CA has signed for this name.
const ASK: &str = r#"curl -sS --noproxy "*" --max-time 30 --cacert $FOLDER/ca.crt --resolve practice.example:443:$NODE -o /dev/null https://practice.example/api/items"#;

/// The least number of requests while the certificate is renewed that says something.
const AT_LEAST: usize = 50;

#[test]
fn cert_manager_issues_the_certificate_of_the_ingress_and_renews_it_without_a_loss() {
    let ns = Namespace::restricted("certificates");
    let folder = root().join("target/e2e/certificates");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("target is writable");
    let shell = (*ns).clone().with("FOLDER", folder.to_string_lossy()).with("NODE", ns.node_addresses().remove(0));
    ns.define(
        r#""$(go -C cluster/cert-manager mod download -json github.com/cert-manager/cert-manager | jq -r .Dir)/deploy/crds""#,
        "issuers,certificates,certificaterequests",
    );
    let _controller = shell.start("cert-manager");
    shell.run(
        r"openssl req -x509 -newkey rsa:2048 -nodes -days 7 -subj /CN=practice-ca -keyout $FOLDER/ca.key -out $FOLDER/ca.crt &&
          kubectl create secret tls ca --cert=$FOLDER/ca.crt --key=$FOLDER/ca.key &&
          kubectl apply -f - <<<'{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: ca}, spec: {ca: {secretName: ca}}}'",
    );
    // Good for an hour, the least that there is, and renewed ten seconds after it was issued.
    shell.run(
        r#"helm install practice chart/ -f values/quick-probes.yaml --wait --timeout 120s --set-json 'ingress={"hosts": ["practice.example"],
             "annotations": {"cert-manager.io/issuer": "ca", "cert-manager.io/duration": "1h", "cert-manager.io/renew-before": "59m50s"},
             "tls": [{"secretName": "practice-tls", "hosts": ["practice.example"]}]}'"#,
    );
    eventually("it is issued", || {
        let issued = shell.attempt("kubectl wait --for=condition=Ready certificate/practice-tls --timeout=5s");
        if issued.succeeded() { Ok(()) } else { Err(issued.to_string()) }
    });
    eventually("a client trusts what it is shown", || {
        let asked = shell.attempt(&format!("{ASK} --fail"));
        if asked.succeeded() { Ok(()) } else { Err(asked.to_string()) }
    });

    let load =
        shell.start(&format!("bash -c 'while :; do {ASK} -w \"%{{http_code}}\\n\" || echo lost; sleep 0.05; done'"));
    let mut shown = BTreeSet::new();
    eventually("three certificates were shown, one after the other", || {
        let serial = "openssl s_client -connect $NODE:443 -servername practice.example </dev/null 2>/dev/null | openssl x509 -noout -serial";
        shown.insert(shell.attempt(serial).stdout);
        if shown.len() >= 3 { Ok(()) } else { Err(format!("{shown:?}")) }
    });
    let load = load.terminate();
    let answers: Vec<_> = load.stdout.lines().collect();
    assert!(answers.len() >= AT_LEAST && answers.iter().all(|answer| *answer == "200"), "{load}");
}
