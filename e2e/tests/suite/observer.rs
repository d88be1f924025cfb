//! The page in real Chromium, beside a real cluster: what befalls a pod has its words there, also where no reply tells of it.

use e2e::{Namespace, eventually, json};
use serde_json::Value;
use testing::browser::Browser;

use crate::pages::AtTheEnd;

/// Waits until the page shows each of the texts.
fn shows(page: &Browser, texts: &[&str]) {
    for text in texts {
        page.wait(text, &format!("document.body.textContent.includes({text:?})"));
    }
}

/// Waits until the page says of as many pods of `service` what the regular expression `words` takes.
fn says_of(page: &Browser, service: &str, pods: usize, words: &str) {
    let states = format!("[...document.querySelectorAll('[data-service={service}] .state')]");
    page.wait(words, &format!("{states}.filter((state) => /{words}/.test(state.textContent)).length === {pods}"));
}

/// Waits until the page has a line for none that begins with `text`.
fn says_no_more(page: &Browser, text: &str) {
    let lines = "[...document.querySelectorAll('#cluster li')]";
    page.wait(text, &format!("!{lines}.some((line) => line.textContent.startsWith({text:?}))"));
}

/// How long the observer pauses between two looks at the pods, in seconds.
const PAUSE: f64 = 3.0;
/// What two looks at the memory of a pod may be apart: the kernel counts it in steps of 256 KiB a processor, and the page shows MiB.
const MEBIBYTE: f64 = 1_048_576.0;

/// Says whether the figures that the page is told of a pod are those of its own `/metrics`.
fn agree(figures: &Value, metrics: &str) -> bool {
    let own = |name: &str| -> Option<f64> {
        metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    };
    let near = |told: &str, name: &str, apart: f64| {
        let pair = figures[told].as_f64().zip(own(name));
        pair.is_some_and(|(told, own)| (told - own).abs() <= apart)
    };
    // What it used between two looks is no more than all that it ever has.
    let used = figures["cpu_millis"].as_f64().zip(own("process_cpu_seconds_total"));
    near("in_flight", "http_requests_in_flight", 0.0)
        && near("memory_bytes", "container_memory_usage_bytes", MEBIBYTE)
        && near("memory_limit_bytes", "container_memory_limit_bytes", 0.0)
        && used.is_some_and(|(millis, seconds)| millis * PAUSE <= 1000.0 * seconds)
}

/// What the page is told of as many pods of `service` is what each says itself.
fn figures_are_the_pods_own(ns: &Namespace, service: &str, pods: usize) {
    let page = format!("http://{}:30080", ns.node_addresses()[0]);
    eventually("the figures are the pods' own", || {
        let told = ns.try_json(&format!("curl -fsS {page}/cluster")).map_err(|error| error.to_string())?;
        let mut same = 0;
        for pod in json::list(&told, "/cluster/pods").iter().filter(|pod| pod["service"] == service) {
            let name = json::text(pod, "/name");
            let path = format!("/api/v1/namespaces/{}/pods/{name}:9000/proxy/metrics", ns.name());
            let metrics = ns.try_stdout(&format!("kubectl get --raw {path}")).map_err(|error| error.to_string())?;
            if !agree(&pod["figures"], &metrics) {
                return Err(format!("{pod} where the pod says\n{metrics}"));
            }
            same += 1;
        }
        if same == pods { Ok(()) } else { Err(told.to_string()) }
    });
}

/// A drain and a taint, of all nodes, and what becomes of the one pod of `deaf`.
fn what_keeps_pods_from_nodes(ns: &Namespace, page: &Browser) {
    let drain =
        ns.start("kubectl drain --selector=kubernetes.io/os=linux --pod-selector=app.kubernetes.io/component=deaf");
    says_of(page, "deaf", 1, "terminating, evicted, as a drain of its node does, at most ");
    says_of(page, "deaf", 1, r"pending: 0\/\d nodes are available: \d node\(s\) were unschedulable");
    shows(page, &["node1: cordoned, takes no new pods"]);
    drop(drain);
    ns.run("kubectl uncordon --selector=kubernetes.io/os=linux");
    says_no_more(page, "node1: ");

    ns.run("kubectl taint nodes --all lesson=taints:NoSchedule");
    ns.run("kubectl delete pod -l app.kubernetes.io/component=deaf --wait=false");
    says_of(page, "deaf", 1, r"pending: 0\/\d nodes are available: \d node\(s\) had untolerated taint");
    shows(page, &["node1: taint lesson=taints:NoSchedule"]);
    ns.run("kubectl taint nodes --all lesson-");
    says_no_more(page, "node1: ");
}

/// Probes that act soon, and buttons that have them act.
const RELEASE: &str = "-f values/quick-probes.yaml -f values/faults-on-request.yaml --set services.backend.probes.liveness.periodSeconds=1";

#[test]
fn the_page_has_words_for_what_befalls_pods_that_do_not_answer() {
    let ns = Namespace::restricted("observed");
    let command = "kubectl uncordon --selector=kubernetes.io/os=linux || true; kubectl taint nodes --all lesson- || true; \
                   kubectl delete priorityclass yields --ignore-not-found";
    let _as_before = AtTheEnd { shell: ns.cluster().clone(), command };
    ns.run("helm install observer chart/ -f values/observer.yaml --set services.observer.observeNodes=true");
    // Two pods, one a node, of which each has more than half of it: a third that needs as much takes the place of one.
    ns.run("kubectl delete priorityclass yields --ignore-not-found; kubectl create priorityclass yields --value=-1");
    let processors: u32 =
        ns.stdout("kubectl get nodes -o jsonpath='{.items[0].status.capacity.cpu}'").parse().expect("a number");
    let half = format!("{}m", 500 * processors + 10);
    let half = ["yields", "needs"].map(|name| {
        format!("services.{name}.resources.requests.cpu={half},services.{name}.resources.limits.cpu={half}")
    });
    let values = format!(
        "{RELEASE} --set {},services.yields.priorityClassName=yields,services.needs.replicas=0",
        half.join(",")
    );
    ns.install(&values);
    let page = Browser::open("observed", &format!("http://{}:30080/", ns.node_addresses()[0]));
    shows(&page, &["practice-backend: 2 wanted, 2 there", "autoscaler practice-backend: ", ", rollout complete"]);

    // A button has one pod fail its liveness probe, which restarts it, and that ends the fault.
    page.wait("the buttons", "!document.getElementById('faults').hidden");
    page.run("document.querySelector('#faults [value=not-live]').click();");
    shows(
        &page,
        &["Fail liveness: practice-backend-", "Liveness probe failed: HTTP probe failed with statuscode: 503"],
    );
    shows(&page, &[", ready, 1 restart, last ended with Completed, code 0"]);

    // A rollout that is under way long enough to be seen; three that never answer; one pod more of a service that does.
    ns.run(&format!(
        "helm upgrade practice chart/ {values} --set services.frontend.replicas=3 \
         --set services.backend.image.tag=v2,services.backend.minReadySeconds=10 \
         --set services.picture.replicas=1,services.picture.image.tag=v9 \
         --set services.crash.replicas=1,services.crash.faults.crashAfterSeconds=0 \
         --set services.deaf.replicas=1,services.deaf.faults.neverReady=true"
    ));
    shows(
        &page,
        &[
            "revision 2, rollout under way",
            "practice-frontend: 3 wanted, 3 there, 3 of them new, 3 ready",
            "no image backend:v9, ImagePullBackOff: ",
            "not ready for ",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
        ],
    );

    // Two requests keep a pod at its CPU limit, while another one is preempted.
    let deaf =
        ns.stdout("kubectl get pods -l app.kubernetes.io/component=deaf -o jsonpath='{.items[0].metadata.name}'");
    let burn = format!("/api/v1/namespaces/{}/pods/{deaf}:8000/proxy/api/cpu-burn?ms=10000", ns.name());
    let busy = ns.start(&format!("xargs -n 1 -P 2 kubectl get --raw <<<'{}'", [&*burn; 30].join(" ")));
    ns.run("kubectl scale deploy/practice-needs --replicas=1");
    says_of(&page, "yields", 1, "terminating, makes room for a pod of higher priority, at most ");
    let cpu = |millis: &str, percent: &str| {
        format!(
            r"CPU {millis}m \(request 100m, limit 250m\), throttled in {percent} % of the periods, memory \d+ of 256 MiB$"
        )
    };
    says_of(
        &page,
        "deaf",
        1,
        &format!("not ready .*, 2 in flight, {}", cpu(r"(?:[1-9]\d|1\d\d|2[0-7]\d)", r"[1-9]\d*")),
    );
    figures_are_the_pods_own(&ns, "deaf", 1);
    drop(busy);
    shows(
        &page,
        &[
            "crash loop, ",
            "last ended with Error, code 1",
            "practice-backend: 2 wanted, 2 there, 2 of them new, 2 ready, revision 2, rollout complete",
        ],
    );
    says_of(&page, "backend", 2, &format!(r"^, ready, \d+ in flight, {}", cpu(r"\d+", r"\d+")));
    figures_are_the_pods_own(&ns, "backend", 2);
    page.wait(
        "a row for each",
        "document.querySelectorAll('[data-service=picture], [data-service=crash], [data-service=deaf]').length === 3",
    );

    what_keeps_pods_from_nodes(&ns, &page);

    // An outage and its end.
    ns.run("kubectl scale deploy/practice-backend --replicas=0");
    shows(&page, &["practice-backend: 0 wanted", "terminating, at most ", "Nothing answered for "]);
    ns.run("kubectl scale deploy/practice-backend --replicas=2");
    shows(&page, &["practice-backend: 2 wanted, 2 there, 2 of them new, 2 ready", "Answered again."]);

    let may =
        |what: &str| ns.attempt(&format!("kubectl auth can-i {what} --as=system:serviceaccount:observed:observer"));
    assert!(may("watch pods").succeeded());
    for what in [
        "delete pods",
        "get secrets",
        "list configmaps",
        "create pods/exec",
        "list pods --namespace=default",
        "update nodes",
    ] {
        assert!(!may(what).succeeded(), "the observer may {what}");
    }
    assert!(may("list nodes").succeeded());
    ns.run("helm uninstall observer --wait");
    eventually("nobody may list nodes any more", || match may("list nodes") {
        answer if answer.succeeded() => Err(answer.text()),
        _ => Ok(()),
    });
}
