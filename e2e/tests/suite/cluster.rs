//! The cluster itself: what a user can meet when it starts, and that it mends what is half up.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use e2e::{Load, Namespace, Output, Shell, eventually, eventually_within, json};

/// Types a command that has to end with one message that says what is wrong, and how to mend it.
fn refused(command: &str, wrong: &str, mend: &str) {
    let output: Output = Shell::default().attempt(command);
    assert!(!output.succeeded(), "{output}");
    assert!(output.stderr.contains(wrong), "no {wrong:?}: {output}");
    assert!(output.stderr.contains(mend), "no mend {mend:?}: {output}");
}

#[test]
fn without_root_it_says_so() {
    // A copy that anybody may read, wherever this repository lies.
    refused(
        "folder=$(mktemp -d) && trap 'rm -rf \"$folder\"' EXIT && chmod 755 \"$folder\" && cp -r cluster \"$folder\"/ &&
         setpriv --reuid=65534 --regid=65534 --clear-groups \"$folder\"/cluster/prepare up",
        "needs root",
        "make run",
    );
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
fn all_that_is_missing_is_said_at_once() {
    let output = Shell::default().attempt(
        "mkdir -p target/e2e/bare &&
         unshare --mount --net bash -c '
           mount -t tmpfs -o size=64m tmpfs target/e2e/bare
           mkdir target/e2e/bare/.cluster && cp -r cluster Cargo.toml target/e2e/bare/
           printf \"MemTotal: 2000000 kB\\nMemAvailable: 1000000 kB\\n\" >target/e2e/bare/meminfo
           echo 3 >target/e2e/bare/instances
           mount --bind target/e2e/bare/meminfo /proc/meminfo
           mount --bind target/e2e/bare/instances /proc/sys/fs/inotify/max_user_instances
           ip link add practice0 type veth peer name other && ip link set practice0 alias /of/somebody/else/.cluster/run/practice
           PATH=/usr/sbin:/usr/bin:/sbin:/bin CLUSTER=practice exec target/e2e/bare/cluster/cluster check test'",
    );
    assert!(!output.succeeded(), "{output}");
    for (wrong, mend) in [
        ("Rust is missing", "https://rustup.rs"),
        ("Go is missing", "https://go.dev/dl"),
        ("only 976 MiB of memory are available: the cluster and its pods need 2048 MiB", "make run"),
        ("MiB of disk are free for", "all that the tests make for the first time needs 28672 MiB"),
        ("inotify instances are left", "sysctl fs.inotify.max_user_instances=512"),
        ("belongs to the cluster in /of/somebody/else/.cluster/run/practice", "CLUSTER=other make up"),
    ] {
        assert!(output.stderr.contains(wrong), "no {wrong:?}: {output}");
        assert!(output.stderr.contains(mend), "no mend {mend:?}: {output}");
    }
    Shell::default().run("rm -rf target/e2e/bare");
}

#[test]
fn a_path_that_no_overlay_can_be_mounted_from_is_named() {
    let folder = "target/e2e/with, comma";
    refused(
        &format!("mkdir -p '{folder}' && cp -r cluster '{folder}/' && '{folder}/cluster/cluster' check"),
        "the path of this repository has a comma",
        "move it",
    );
    Shell::default().run(&format!("rm -rf '{folder}'"));
}

#[test]
fn a_link_that_the_kernel_takes_away_meanwhile_is_gone_and_no_failure() {
    // Each `ip` finds the link gone that was there a moment before.
    let gone = Shell::default().stdout(
        "unshare --net bash -euo pipefail -c '
           link=practice9 run=any
           . cluster/network.sh
           ip link add practice9 type veth peer name other
           ip() { command ip link delete practice9 2>/dev/null || true; command ip \"$@\"; }
           unplug_machine
           ! link_exists practice9
           echo gone'",
    );
    assert_eq!(gone, "gone\n");
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
fn the_parts_of_make_test_add_up_to_the_whole() {
    // Each part is a second of sleep here.
    let start = Instant::now();
    let laps = Shell::default().stdout(
        r#"logs=$(mktemp -d); trap 'rm -rf "$logs"' EXIT
           printf '#!/bin/sh\nsleep 1\n' >"$logs/make" && chmod +x "$logs/make"
           touch "$logs"/{e2e-together,e2e-alone}.log
           # More than a pipe holds: who takes the ten slowest must not leave before who lists all has written them.
           seq 5000 | sed 's/.*/test a_test_with_a_name_of_some_length::&_holds ... ok <&.000s>/' >"$logs/unit.log"
           make --old-file ready-to-test test MAKE="$logs/make" LOGS="$logs" >&2
           sort --field-separator=$'\t' --key=3 "$logs/laps""#,
    );
    let whole = start.elapsed().as_secs_f64();
    let laps: Vec<(f64, f64, &str)> = laps
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|lap| (lap[0].parse().unwrap(), lap[1].parse().unwrap(), lap[2]))
        .collect();
    let names: Vec<&str> = laps.iter().map(|(.., name)| *name).collect();
    let parts = ["check", "e2e", "side by side"];
    assert_eq!(names, [&parts[..], &["side by side: chart", "side by side: first", "side by side: unit"]].concat());
    assert!(laps.iter().all(|(time, ..)| *time >= 1.0), "{laps:?}");
    let processors = std::thread::available_parallelism().unwrap().get() as f64;
    // A tick of each more or less.
    assert!(laps.iter().all(|(time, busy, _)| (0.0..(time + 0.1) * processors).contains(busy)), "{laps:?}");
    let sum: f64 = laps.iter().filter(|(.., name)| parts.contains(name)).map(|(time, ..)| time).sum();
    assert!(sum <= whole, "{sum:.1} s of {whole:.1} s: {laps:?}");
}

#[test]
fn what_is_ended_leaves_no_process_and_a_server_that_ends_is_started_again() {
    Shell::default().run(
        r#"here=$PWD/cluster run=$(mktemp -d) log=$run
           . cluster/progress.sh; . cluster/processes.sh
           trap 'for name in one tree; do stop $name; done; rm -rf "$run"' EXIT
           not() { if "$@"; then echo "but: $*"; exit 1; fi }
           processes() { cluster/footprint | grep -F "process of $run"; }

           spawn_plain one sleep 1000
           alive one
           # A record of an earlier process that had the same number.
           echo "$(pid_of one) 1" >"$run/earlier.pid"
           not alive earlier
           stop earlier
           alive one
           stop one
           not alive one

           # The server leaves something behind each time, as containerd leaves its shims.
           server='echo started; setsid sleep 1000 & exit 3'
           spawn tree "$PWD/.cluster/bin/keep" "$run" -- server sh -c "$server"
           until_true 20 grep -z 'started.*ended with exit code 3.*started' "$run/server.log"
           processes
           stop tree
           not processes"#,
    );
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

    // And where nothing is wrong, nothing is started.
    let processes = || ns.stdout("head .cluster/run/$CLUSTER/*.pid 2>&1");
    let before = processes();
    ns.run("cluster/cluster up");
    assert_eq!(processes(), before, "process ids and times of start");
}

/// Pods of each service on both nodes; a node that has gone does not count. They leave a node 5 s after it is given up, not 300.
/// A gateway is asked on its own node alone, and asks the backends one by one.
const ON_BOTH_NODES: &str = r#"-f values/quick-probes.yaml -f values/gateway.yaml \
    --set services.backend.autoscaling.enabled=false --set services.frontend.service.externalTrafficPolicy=Local \
    --set-json 'defaults.topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"kubernetes.io/hostname","whenUnsatisfiable":"DoNotSchedule","nodeTaintsPolicy":"Honor","matchLabelKeys":["pod-template-hash"]}]' \
    --set-json 'defaults.tolerations=[{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":5}]'"#;

/// Brings all nodes of a cluster back, whatever became of the test that took one.
struct NodesBack(Shell);

impl Drop for NodesBack {
    fn drop(&mut self) {
        println!("{}", self.0.attempt("cluster/cluster up"));
    }
}

#[test]
fn a_node_that_dies_is_given_up_and_its_pods_start_elsewhere() {
    let ns = Namespace::restricted("node-dies");
    ns.install(ON_BOTH_NODES);
    let pods = |node: &str| {
        let pods = ns.json(&format!("kubectl get pods --field-selector spec.nodeName={node} -o json"));
        let serving =
            json::list(&pods, "/items").iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
        serving.filter(|pod| pod.pointer("/status/containerStatuses/0/ready") == Some(&true.into())).count()
    };
    assert_eq!((pods("node1"), pods("node2")), (2, 2));

    let _back = NodesBack(ns.cluster().clone());
    let first = &ns.node_addresses()[0];
    let load = Load::start(&ns, &format!("http://{first}:30080/proxy/items --rate 100 --connections 20"));
    ns.run("kill -KILL $(head -n 1 .cluster/run/$CLUSTER/node2.pid | cut -d' ' -f1)");
    let died = Instant::now();
    eventually_within(Duration::from_secs(150), "all pods are ready on the node that is left", || {
        match pods("node1") {
            4 => Ok(()),
            ready => Err(format!("{ready} are, {} s after the other died", died.elapsed().as_secs())),
        }
    });
    println!("node2's pods were ready on node1 after {} s", died.elapsed().as_secs());
    let ledger = load.stop();
    println!("of {} requests {} were lost: {}", ledger.requests.due, ledger.requests.lost, ledger.losses_by_kind());
    // Until it is given up it gets its share; what it had taken is asked for again elsewhere, as long as there is time for that.
    assert!(
        ledger.requests.due > 2_000 && ledger.requests.lost * 100 < ledger.requests.due,
        "{}",
        ledger.losses_by_kind()
    );
    let load = Load::start(&ns, &format!("http://{first}:30080/proxy/items --rate 100 --connections 20"));
    ns.hold(Duration::from_secs(10)).expect("nothing interrupts it");
    load.stop().assert_nothing_lost(500);
    let gone = ns.stdout(
        "kubectl get node node2 -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].status} {.spec.taints[*].key}'",
    );
    assert!(gone.contains("Unknown") && gone.contains("node.kubernetes.io/unreachable"), "{gone}");
    let leaving = ns.stdout(
        "kubectl get pods --field-selector spec.nodeName=node2 -o jsonpath='{.items[*].metadata.deletionTimestamp}'",
    );
    assert_eq!(
        leaving.split_whitespace().count(),
        2,
        "its pods are told to go, and nobody is there to end them: {leaving}"
    );
}

/// A command line for the second cluster, in its own network namespace.
/// Where the tests were started in a shell's background they ignore Ctrl-C, and what they start cannot hear it either.
fn side(command: &str) -> String {
    format!("CLUSTER=side NODES=2 env --default-signal=INT nsenter --net=target/e2e/side.net cluster/cluster {command}")
}

/// The second cluster and its namespace go with the test, whatever its end.
struct SideGone;

impl Drop for SideGone {
    fn drop(&mut self) {
        let shell = Shell::default();
        if !shell.attempt("grep -q target/e2e/side.net /proc/self/mountinfo").succeeded() {
            return;
        }
        for command in [side("down").as_str(), "umount target/e2e/side.net && rm target/e2e/side.net"] {
            let gone = shell.attempt(command);
            if !gone.succeeded() {
                eprintln!("{gone}");
            }
        }
    }
}

#[test]
#[ignore = "alone: it compares what is on the machine before and after"]
fn two_clusters_run_side_by_side_and_one_leaves_nothing() {
    let ns = Namespace::restricted("side-by-side");
    let before = ns.stdout("cluster/footprint");
    // The second one meets a machine that forwards nothing, as one with Docker or a firewall does.
    ns.run(
        "mkdir -p target/e2e && touch target/e2e/side.net && unshare --net=target/e2e/side.net \
           sh -c 'ip link set lo up && iptables -P FORWARD DROP && ip6tables -P FORWARD DROP'",
    );
    let _gone = SideGone;
    // Ctrl-C at one moment and another, once it listens (what it does is in a process group of its own): it ends with all that it had
    // begun, and the next `up` goes on from there.
    for tenths in 0..6 {
        ns.run(&format!(
            "set -m
             {} &
             until [ -e .cluster/run/side/control-plane.pid ]; do sleep 0.1; done
             until ps -o pid=,pgid= --ppid $! | awk '$1 == $2 {{ found = 1 }} END {{ exit !found }}'; do sleep 0.1; done
             sleep 0.{tenths}
             kill -INT -- -$!
             status=0; wait $! || status=$?
             [ $status = 130 ]",
            side("up")
        ));
    }
    ns.run(&side("up"));
    let kubectl = |command: &str| {
        let inside = format!("nsenter --net=target/e2e/side.net kubectl {command}");
        ns.stdout(&format!("eval \"$(CLUSTER=side cluster/cluster env)\"; {inside}"))
    };
    assert_eq!(kubectl("get nodes --no-headers").lines().count(), 2);
    // Traffic between its nodes: the pods of the DNS are on both, and each node asks them by the Service.
    assert!(
        kubectl("-n kube-system get pods -l k8s-app=kube-dns -o jsonpath='{.items[*].spec.nodeName}'").contains(' ')
    );
    assert_eq!(ns.stdout("kubectl get nodes --no-headers | wc -l").trim(), "2", "the first cluster is as it was");
    assert!(ns.stdout("kubectl version").contains("Server Version: v1."), "the version is to be seen");

    ns.run(&side("down"));
    ns.run("umount target/e2e/side.net && rm target/e2e/side.net");
    assert_eq!(ns.stdout("cluster/footprint"), before, "what the second cluster left on the machine");
    ns.run("test ! -e .cluster/run/side");
}
