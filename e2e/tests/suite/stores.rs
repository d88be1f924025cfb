//! What is kept: a database over the end of its pod and of its tables, and a store of three pods without its first one.

use std::collections::BTreeSet;

use e2e::{Namespace, eventually};
use serde_json::Value;

/// Types `command` until it succeeds, and returns what it prints.
fn answer(ns: &Namespace, condition: &str, command: &str) -> String {
    eventually(condition, || {
        let output = ns.attempt(command);
        if output.succeeded() { Ok(output.stdout.trim().to_owned()) } else { Err(output.to_string()) }
    })
}

/// Runs the Job of the store's `CronJob`, as chart/README.md has it, and returns the last line of its log. `restore` is the copy
/// that it brings back; without one it makes another.
fn run_backup_job(ns: &Namespace, store: &str, restore: Option<&str>) -> String {
    let job = if restore.is_some() { "back" } else { "now" };
    let create = format!("kubectl create job {job} --from=cronjob/practice-{store}-backup");
    ns.run(&match restore {
        None => create,
        Some(copy) => format!(
            "{create} --dry-run=client -o yaml | kubectl set env --local -f - -o yaml RESTORE={copy} | kubectl create -f -"
        ),
    });
    ns.run(&format!("kubectl wait --for=condition=Complete job/{job} --timeout=90s"));
    let log = ns.stdout(&format!("kubectl logs job/{job}"));
    log.lines()
        .rev()
        .find(|line| line.contains("copies: ") || line.contains("restored "))
        .expect("it says so")
        .to_owned()
}

#[test]
fn a_database_outlives_its_pod_and_comes_back_from_a_copy() {
    let ns = Namespace::restricted("database");
    ns.run("helm install practice chart/ -f values/stores.yaml --set stores.cache=null");
    let sql =
        |statement: &str| format!("kubectl exec practice-orders-0 -- psql -v ON_ERROR_STOP=1 -qAtc \"{statement}\"");
    let make = "create table if not exists orders (id int primary key, item text);
                insert into orders values (1, 'rope'), (2, 'lantern')";
    answer(&ns, "the database takes rows", &sql(make));
    let items = sql("select string_agg(item, ' ' order by id) from orders");
    // The copy that is made at once.
    ns.run("kubectl wait --for=condition=Complete job -l app.kubernetes.io/component=orders-backup --timeout=90s");

    let before = ns.stdout("kubectl get pod practice-orders-0 -o jsonpath='{.metadata.uid}'");
    ns.run("kubectl delete pod practice-orders-0");
    assert_eq!(answer(&ns, "the database is back", &items), "rope lantern");
    assert_ne!(ns.stdout("kubectl get pod practice-orders-0 -o jsonpath='{.metadata.uid}'"), before);

    let copies = run_backup_job(&ns, "orders", None);
    let copies: Vec<&str> = copies.trim_start_matches("copies: ").split(' ').collect();
    assert_eq!(copies.len(), 2, "that of the start and this one: {copies:?}");
    ns.run(&sql("drop table orders"));
    assert!(!ns.attempt(&items).succeeded(), "the table is gone");
    let restored = run_backup_job(&ns, "orders", Some(copies[1]));
    assert_eq!(restored, format!("restored {}", copies[1]));
    assert_eq!(ns.stdout(&items).trim(), "rope lantern");
}

#[test]
fn three_pods_start_in_order_and_are_read_while_the_first_is_away() {
    let ns = Namespace::restricted("three");
    let values = "-f values/stores.yaml --set stores.orders=null";
    ns.run(&format!("helm install practice chart/ {values}"));
    ns.run("kubectl rollout status statefulset/practice-cache --timeout=180s");
    let redis = |pod: u8, command: &str| format!("kubectl exec practice-cache-{pod} -- redis-cli -e {command}");

    let pods = ns.json("kubectl get pods -l app.kubernetes.io/component=cache --sort-by=.metadata.name -o json");
    let pods: Vec<&Value> = pods["items"].as_array().expect("pods").iter().collect();
    assert_eq!(pods.len(), 3);
    for pair in pods.windows(2) {
        let conditions = pair[0]["status"]["conditions"].as_array().expect("conditions");
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready").expect("it is ready");
        let (ready, next) = (&ready["lastTransitionTime"], &pair[1]["metadata"]["creationTimestamp"]);
        // Times of RFC 3339 in UTC are in the order of their texts.
        assert!(ready.as_str() <= next.as_str(), "ready at {ready}, and the next was made at {next}");
    }
    let claims = ns.stdout("kubectl get pvc -l app.kubernetes.io/component=cache -o jsonpath='{range .items[*]}{.metadata.name}={.spec.volumeName} {end}'");
    let volumes: BTreeSet<&str> =
        claims.split_whitespace().filter_map(|claim| claim.split_once('=')).map(|(_, volume)| volume).collect();
    assert!((0..3).all(|pod| claims.contains(&format!("data-practice-cache-{pod}="))), "{claims}");
    assert_eq!(volumes.len(), 3, "a volume each: {claims}");

    // Each by the name that it keeps, asked from another pod.
    for (pod, role) in [(0, "role:master"), (1, "role:slave"), (2, "role:slave")] {
        let name = format!("practice-cache-{pod}.practice-cache-headless");
        let info = ns.stdout(&redis((pod + 1) % 3, &format!("-h {name} info replication")));
        assert!(info.contains(role), "{name}: {info}");
        assert!(pod == 0 || info.contains("master_host:practice-cache-0.practice-cache-headless"), "{info}");
    }

    let write = |value: &str| redis(1, &format!("-h practice-cache set greeting {value}"));
    let read = redis(2, "-h practice-cache-read get greeting");
    ns.run(&write("hello"));
    assert_eq!(ns.stdout(&redis(0, "wait 2 5000")).trim(), "2", "both have it");
    let refused = ns.attempt(&redis(1, "set greeting nobody"));
    assert!(!refused.succeeded() && refused.text().contains("READONLY"), "{refused}");

    // Nobody is there to make it anew, so it stays away for as long as this looks.
    ns.run("kubectl delete statefulset practice-cache --cascade=orphan && kubectl delete pod practice-cache-0");
    eventually("nothing can be written", || {
        let output = ns.attempt(&write("nothing"));
        if output.succeeded() { Err(output.to_string()) } else { Ok(()) }
    });
    answer(&ns, "its Service leads to none but the others", &read);
    let reads = "sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do redis-cli -e -h practice-cache-read get greeting; done'";
    assert_eq!(ns.stdout(&format!("kubectl exec practice-cache-2 -- {reads}")), "hello\n".repeat(10));

    ns.run(&format!("helm upgrade practice chart/ {values}"));
    answer(&ns, "it takes what is written again", &write("again"));
    assert_eq!(
        answer(
            &ns,
            "both copy it again",
            &format!("[ $({}) = 2 ] && {}", redis(0, "wait 2 5000"), redis(2, "get greeting"))
        ),
        "again"
    );

    // A copy of all, brought back.
    assert!(run_backup_job(&ns, "cache", None).contains(".rdb"));
    ns.run(&write("wrong"));
    assert!(run_backup_job(&ns, "cache", Some("newest")).starts_with("restored cache-"));
    for pod in 0..3 {
        let has = redis(pod, "get greeting");
        answer(&ns, "the copy is in every pod", &format!("[ $({has}) = again ]"));
    }
    ns.run(&write("last"));
}
