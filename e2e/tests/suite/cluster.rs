//! The cluster itself: what a user can meet when it starts, and that it mends what is half up.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use e2e::{Namespace, Output, Shell, eventually};

/// Types a command that has to end with one message that says what is wrong, and how to mend it.
fn refused(command: &str, wrong: &str, mend: &str) {
    let output: Output = Shell::default().attempt(command);
    assert!(!output.succeeded(), "{output}");
    assert!(output.stderr.contains(wrong), "no {wrong:?}: {output}");
    assert!(output.stderr.contains(mend), "no mend {mend:?}: {output}");
}

#[test]
fn without_root_it_says_so() {
    refused("setpriv --reuid=65534 --regid=65534 --clear-groups cluster/prepare up", "needs root", "make run");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    refused(
        &format!("CLUSTER=port-taken INGRESS_PORT={port} cluster/cluster up"),
        &format!("port {port} of this machine is taken"),
        "INGRESS_PORT=",
    );
    Shell::default().run("CLUSTER=port-taken cluster/cluster down");
}

#[test]
fn a_machine_without_memory_is_told_how_much_is_needed() {
    refused(
        "mkdir -p target/e2e && printf 'MemTotal: 2000000 kB\nMemAvailable: 1000000 kB\n' >target/e2e/meminfo
         CLUSTER=no-memory unshare --mount bash -c \
           'mount --bind target/e2e/meminfo /proc/meminfo && exec cluster/cluster up'",
        "only 976 MiB of memory are available",
        "make run",
    );
    Shell::default().run("CLUSTER=no-memory cluster/cluster down");
}

#[test]
fn without_a_network_it_names_what_could_not_be_fetched() {
    // A copy that has nothing built, in a network namespace that has nothing but its own loopback device.
    refused(
        "rm -rf target/e2e/no-network && mkdir -p target/e2e/no-network && cp -r cluster target/e2e/no-network/ &&
         unshare --net env GOMODCACHE=$PWD/target/e2e/no-network/modules XDG_CACHE_HOME=$PWD/target/e2e/no-network/cache \
           GOCACHE=$(go env GOCACHE) target/e2e/no-network/cluster/prepare up",
        "could not be downloaded",
        "network",
    );
    Shell::default().run("rm -rf target/e2e/no-network");
}

#[test]
fn every_wait_has_patience_with_a_slow_machine() {
    refused("PATIENCE=long cluster/cluster up", "PATIENCE=long is not accepted", "from 1 to 99");
    let start = Instant::now();
    refused("PATIENCE=3 bash -c '. cluster/progress.sh; until_true 1 false'", "not so in time: false", "");
    assert!(start.elapsed() >= Duration::from_secs(2), "it gave up after {:?}", start.elapsed());
}

#[test]
fn a_second_checkout_takes_the_programs_that_another_has_made() {
    // Without a network and without modules nothing can be made.
    let shell = Shell::default();
    let copy = "target/e2e/second-checkout";
    shell.run(&format!("rm -rf {copy} && mkdir -p {copy} && cp -r cluster {copy}/"));
    let prepared =
        shell.attempt(&format!("unshare --net env GOMODCACHE=$PWD/{copy}/modules {copy}/cluster/prepare test"));
    assert!(prepared.succeeded(), "{prepared}");
    for program in
        ["kubectl version --client", "hyperkube", "helm version", "hadolint --version", "cargo-deny --version"]
    {
        let ran = shell.attempt(&format!("{copy}/.cluster/bin/{program}"));
        assert!(ran.code.is_some_and(|code| code < 126), "it is no program: {ran}");
    }
    shell.run(&format!("rm -rf {copy}"));
}

#[test]
fn a_cluster_that_is_half_up_is_mended() {
    // Holds a cluster, so that no other test misses the node.
    let ns = Namespace::restricted("half-up");
    ns.install("");
    let all_ready = || {
        let nodes = ns.stdout("kubectl get nodes --no-headers");
        nodes.lines().filter(|line| line.contains(" Ready")).count() == 2
    };
    assert!(all_ready());

    // A node is a tree of processes under one: its end takes containerd, kubelet and all pods.
    ns.run("kill -KILL $(head -n 1 .cluster/run/$CLUSTER/node2.pid | cut -d' ' -f1)");
    ns.run("cluster/cluster up");
    assert!(all_ready());
    eventually("the pods of both services are ready again", || {
        let output =
            ns.attempt("kubectl rollout status deploy/practice-backend deploy/practice-frontend --timeout=60s");
        if output.succeeded() { Ok(()) } else { Err(output.text()) }
    });

    // And where nothing is wrong, nothing is done.
    let start = Instant::now();
    ns.run("cluster/cluster up");
    assert!(start.elapsed() < Duration::from_secs(60), "a second up took {:?}", start.elapsed());
}

#[test]
#[ignore = "alone: it compares what is on the machine before and after"]
fn two_clusters_run_side_by_side_and_one_leaves_nothing() {
    let ns = Namespace::restricted("side-by-side");
    let before = ns.stdout("cluster/footprint");
    // Ctrl-C in the middle: the next `up` goes on from there.
    ns.run(
        "set -m
         CLUSTER=side NODES=1 cluster/cluster up &
         until [ -e .cluster/run/side/control-plane.pid ]; do sleep 0.1; done
         kill -INT -- -$!
         ! wait $!",
    );
    ns.run("CLUSTER=side NODES=1 cluster/cluster up");
    let other = ns.stdout("eval \"$(CLUSTER=side cluster/cluster env)\"; kubectl get nodes --no-headers | wc -l");
    assert_eq!(other.trim(), "1");
    assert_eq!(ns.stdout("kubectl get nodes --no-headers | wc -l").trim(), "2", "the first cluster is as it was");
    assert!(ns.stdout("kubectl version").contains("Server Version: v1."), "the version is to be seen");

    ns.run("CLUSTER=side cluster/cluster down");
    assert_eq!(ns.stdout("cluster/footprint"), before, "what the second cluster left on the machine");
    ns.run("test ! -e .cluster/run/side");
}
