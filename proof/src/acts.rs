//! What each row does to the release. The load runs meanwhile; it ends when the pods have settled afterwards.

use std::thread;
use std::time::Duration;

use e2e::{Error, json, try_eventually};

use crate::process::{self, Stopped};
use crate::release::{Pod, Release};
use crate::stream::{HOST, NODE_PORT};

const BACKENDS: &str = "app.kubernetes.io/component=backend";
/// The backend's settings in a `ConfigMap`, and one of them changed.
pub(crate) const CONFIG_MAP: &str = "--set services.backend.configMap.enabled=true";
const CONFIG_MAP_CHANGED: &str =
    "--set services.backend.configMap.enabled=true --set services.backend.burn.defaultMs=50";

/// Upgrades with these `flags` and rolls back, so many times.
pub(crate) fn there_and_back(release: &Release, flags: &str, times: u32) -> Result<(), Error> {
    for _ in 0..times {
        release.upgrade(flags)?;
        release.rollback()?;
    }
    Ok(())
}

pub(crate) fn autoscale(release: &Release) -> Result<(), Error> {
    let replicas = |least: u64, most: u64| {
        let deployment = release.shell.try_json("kubectl get deployment proof-backend -o json")?;
        let ready = json::count(&deployment, "/status/readyReplicas");
        let wanted = json::count(&deployment, "/spec/replicas");
        let is_there = (least..=most).contains(&ready) && wanted == ready;
        Ok(if is_there { Ok(()) } else { Err(format!("{wanted} wanted, {ready} ready")) })
    };
    try_eventually(Duration::from_secs(120), "the autoscaler keeps 2 backends", || replicas(2, 2))?;
    release.say("20 ms of work on top, 20 times a second, until there are 4 backends or more");
    let work = release.shell.try_start(&format!(
        "client load 'http://{}:{NODE_PORT}/proxy/cpu-burn?ms=20' --rate 20 --connections 20 --accept 429 --duration 240s",
        release.nodes[0]
    ))?;
    let up = try_eventually(Duration::from_secs(180), "4 backends or more", || replicas(4, 8));
    drop(work);
    up?;
    release.say("the work ends, until there are 2 backends");
    try_eventually(Duration::from_secs(240), "2 backends", || replicas(2, 2))
}

pub(crate) fn scale(release: &Release) -> Result<(), Error> {
    for _ in 0..release.times(1, 2) {
        for replicas in [8, 2] {
            release.say(&format!("kubectl scale to {replicas}"));
            release.shell.try_run(&format!("kubectl scale deployment proof-backend --replicas={replicas}"))?;
            release.settle()?;
        }
    }
    Ok(())
}

pub(crate) fn delete_each(release: &Release) -> Result<(), Error> {
    for service in ["backend", "frontend"] {
        let pods = release.pods(service)?;
        let some = release.times(1, pods.len() as u32) as usize;
        for pod in pods.iter().take(some) {
            release.say(&format!("kubectl delete pod {}", pod.name));
            release.shell.try_run(&format!("kubectl delete pod {} --timeout=60s", pod.name))?;
            release.settle()?;
        }
    }
    Ok(())
}

pub(crate) fn delete_label(release: &Release) -> Result<(), Error> {
    for _ in 0..release.times(1, 2) {
        release.say(&format!("kubectl delete pods -l {BACKENDS}"));
        release.shell.try_run(&format!("kubectl delete pods -l {BACKENDS} --wait=false"))?;
        release.settle()?;
    }
    Ok(())
}

pub(crate) fn drain(release: &Release) -> Result<(), Error> {
    let nodes = release.shell.try_stdout("kubectl get nodes -o jsonpath='{.items[*].metadata.name}'")?;
    let some = release.times(1, u32::MAX) as usize;
    for node in nodes.split_whitespace().take(some) {
        release.say(&format!("kubectl drain {node}"));
        let drain = format!("kubectl drain {node} --ignore-daemonsets --delete-emptydir-data --timeout=180s");
        let drained = thread::scope(|scope| {
            let draining = scope.spawn(|| release.shell.try_run(&drain));
            while !draining.is_finished() {
                budget_holds(release)?;
                release.shell.hold(Duration::from_millis(500))?;
            }
            draining.join().unwrap_or_else(|_| Err(Error::Failed("the drain could not be watched".to_owned())))
        });
        if drained.is_ok() {
            release.settle()?;
        }
        release.say(&format!("kubectl uncordon {node}"));
        release.shell.to_the_end().try_run(&format!("kubectl uncordon {node}"))?;
        drained?;
    }
    // Every node gets pods again, so that the next row finds them spread.
    release.shell.try_run("kubectl rollout restart deployment proof-backend proof-frontend")?;
    release.settle()
}

/// Asserts that no budget has fewer healthy pods than it demands.
fn budget_holds(release: &Release) -> Result<(), Error> {
    let budgets = release.shell.try_json("kubectl get poddisruptionbudgets -o json")?;
    for budget in json::list(&budgets, "/items") {
        let count = |field: &str| json::count(budget, &format!("/status/{field}"));
        if count("currentHealthy") < count("desiredHealthy") {
            return Err(Error::Failed(format!(
                "{}: {} pods healthy, the budget demands {}",
                budget["metadata"]["name"],
                count("currentHealthy"),
                count("desiredHealthy")
            )));
        }
    }
    Ok(())
}

pub(crate) fn wrong_tag(release: &Release) -> Result<(), Error> {
    heals(release, "--set image.tag=v404", Healing::Rollback)
}

pub(crate) fn never_ready(release: &Release) -> Result<(), Error> {
    heals(release, "--set services.backend.probes.readiness.path=/nowhere", Healing::OnFailure)
}

pub(crate) fn crash(release: &Release) -> Result<(), Error> {
    heals(release, "--set-string services.backend.env.BIND_ADDRESS=nowhere", Healing::Rollback)
}

/// How a failed upgrade is healed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Healing {
    /// By hand.
    Rollback,
    /// By helm itself.
    OnFailure,
}

/// An upgrade that must fail is healed: in the short proof in `first` way, in the full one in both.
fn heals(release: &Release, flags: &str, first: Healing) -> Result<(), Error> {
    let both = if first == Healing::Rollback { Healing::OnFailure } else { Healing::Rollback };
    for healing in [first, both].into_iter().take(release.times(1, 2) as usize) {
        let flag = if healing == Healing::OnFailure { "--rollback-on-failure " } else { "" };
        // Time enough to see that it fails; --rollback-on-failure gives the same to its rollback, for which the old pods
        // are still there.
        let flags = format!("{flag}--timeout {}s {flags}", release.times(10, 12));
        release.say(&format!("helm upgrade {flags}, which must fail"));
        if release.try_upgrade(&flags)?.succeeded() {
            return Err(Error::Failed(format!("helm upgrade {flags} did not fail")));
        }
        if healing == Healing::Rollback {
            release.rollback()?;
        }
        release.settle()?;
        let versions = "kubectl get deployments -o jsonpath='{.items[*].spec.template.spec.containers[0].image}'";
        let images = release.shell.try_stdout(versions)?;
        if !images.split_whitespace().all(|image| image.ends_with(":v1")) {
            return Err(Error::Failed(format!("not healed: the images are {images}")));
        }
    }
    Ok(())
}

pub(crate) fn config(release: &Release) -> Result<(), Error> {
    let before = release.pods("backend")?;
    release.upgrade(CONFIG_MAP_CHANGED)?;
    let after = release.pods("backend")?;
    if let Some(pod) = after.iter().find(|pod| before.contains(pod)) {
        return Err(Error::Failed(format!("{} was not replaced when its ConfigMap changed", pod.name)));
    }
    release.settle()
}

pub(crate) fn ingress(release: &Release) -> Result<(), Error> {
    release.say("kubectl rollout restart daemonset/traefik");
    release.shell.try_run("kubectl rollout restart daemonset/traefik --namespace ingress")?;
    release.shell.try_run("kubectl rollout status daemonset/traefik --namespace ingress --timeout=180s")?;
    for node in &release.nodes {
        let ask = format!("client wait http://{node}/api/items --header 'Host: {HOST}' --timeout 60s");
        release.shell.try_run(&ask)?;
    }
    Ok(())
}

pub(crate) fn sigkill(release: &Release) -> Result<(), Error> {
    for _ in 0..release.times(1, 2) {
        let (pod, process) = a_backend(release)?;
        release.say(&format!("SIGKILL to the process of {}", pod.name));
        let restarts = restarts(release, &pod)?;
        process::send("KILL", process)?;
        try_eventually(Duration::from_secs(60), "the container was restarted", || {
            let now = self::restarts(release, &pod)?;
            Ok(if now > restarts { Ok(()) } else { Err(format!("{now} restarts")) })
        })?;
        release.settle()?;
    }
    Ok(())
}

fn restarts(release: &Release, pod: &Pod) -> Result<u64, Error> {
    let pod = release.shell.try_json(&format!("kubectl get pod {} -o json", pod.name))?;
    Ok(json::count(&pod, "/status/containerStatuses/0/restartCount"))
}

pub(crate) fn kubelet(release: &Release) -> Result<(), Error> {
    let (pod, _) = a_backend(release)?;
    let process = process::kubelet(&release.kubelet_folder(&pod.node))?;
    // The full proof waits until the control plane has given the node up, which takes 40 to 50 s.
    let time = release.times(10, 60);
    release.say(&format!("SIGSTOP to the kubelet of {}", pod.node));
    let stopped = Stopped::stop(process)?;
    release.shell.hold(Duration::from_secs(time.into()))?;
    drop(stopped);
    release.say(&format!("SIGCONT, after {time} s"));
    release.shell.try_run(&format!("kubectl wait --for=condition=Ready node/{} --timeout=60s", pod.node))?;
    release.settle()
}

pub(crate) fn frozen(release: &Release) -> Result<(), Error> {
    let (pod, process) = a_backend(release)?;
    release.say(&format!("SIGSTOP to the process of {}", pod.name));
    let stopped = Stopped::stop(process)?;
    release.shell.hold(Duration::from_secs(8))?;
    drop(stopped);
    release.say("SIGCONT, after 8 s");
    release.settle()
}

fn a_backend(release: &Release) -> Result<(Pod, u32), Error> {
    let pods = release.pods("backend")?;
    let pod = pods.into_iter().next().ok_or_else(|| Error::Failed("no backend is there".to_owned()))?;
    let process = process::of_pod(&pod.uid, "backend")?;
    Ok((pod, process))
}
