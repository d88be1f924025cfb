//! What the cluster does with a phase's objects once their fields are as asked.

use std::time::Duration;

use e2e::{Error, Ledger, json};
use serde_json::Value;

use crate::cluster::{Cluster, Load};
use crate::judge::finding::Finding;
use crate::pods;
use crate::trial::Trial;

/// Pods become ready.
const READY: Duration = Duration::from_secs(120);
/// What was made is known to every proxy, and to the Ingress controller.
const KNOWN: Duration = Duration::from_secs(60);
/// The CPU's use is measured, and the autoscaler acts on it.
const SCALED: Duration = Duration::from_secs(240);

/// What a load asks of the backend: enough that a loss would be seen, and not so much that a busy machine makes one.
const LOAD: &str = "http://backend-svc:8000/api/items --rate 50 --connections 10 --timeout 10s";

/// The images of the practice; each says its version and ends.
const IMAGES: [&str; 5] = ["backend:v1", "backend:v2", "frontend:v1", "frontend:v2", "client:v1"];

/// Phase 1: each image starts, and the cluster has what the practice adds to it.
pub(crate) fn images(trial: &mut Trial<'_>) -> Result<(), Error> {
    let pod = |image: &str| format!("image-{}", image.replace(':', "-"));
    let all = IMAGES.map(pod).join(" ");
    trial.cluster.kubectl(&format!("delete pod --ignore-not-found --grace-period=1 {all}"))?;
    for image in IMAGES {
        let name = pod(image);
        let run = format!("run {name} --image={image} --image-pull-policy=IfNotPresent --restart=Never -- --version");
        trial.cluster.kubectl(&run)?;
    }
    for image in IMAGES {
        trial.expect(KNOWN, &format!("a pod starts from the image {image}"), |cluster| {
            let pod = cluster.json(&format!("get pod {}", pod(image)))?;
            let ended = pod["status"]["phase"] == "Succeeded";
            Ok(if ended { Ok(()) } else { Err(pods::state_of(&pod)) })
        })?;
    }
    trial.cluster.kubectl(&format!("delete pod --wait=false --grace-period=1 {all}"))?;
    for (what, ask, mend) in [
        (
            "metrics-server answers",
            "get --raw /apis/metrics.k8s.io/v1beta1/nodes",
            "minikube addons enable metrics-server",
        ),
        ("there is an Ingress controller of class nginx", "get ingressclass nginx", "minikube addons enable ingress"),
    ] {
        let answer = trial.cluster.attempt(ask)?;
        let wrong = (!answer.succeeded()).then(|| format!("{} (of minikube: {mend})", answer.stderr.trim()));
        trial.tell(&Finding::unless_failed(what, wrong));
    }
    Ok(())
}

/// Phase 2: both Deployments have two ready pods.
pub(crate) fn deployments(trial: &mut Trial<'_>) -> Result<(), Error> {
    for name in ["backend", "frontend"] {
        if rolled_out(trial, name)? {
            let pods = trial.cluster.json(&format!("get pods -l app={name}"))?;
            // Those of a template before may still be going.
            let pods = json::list(&pods, "/items").iter().filter(|pod| !pods::is_going(pod));
            let after: Vec<u64> = pods.filter_map(pods::ready_after).collect();
            if let Some(soonest) = after.iter().min() {
                let what = format!("a pod of {name} is not ready before 5 s after its start");
                // Kubernetes keeps these times to the second.
                let wrong = (*soonest < 4).then(|| format!("ready after {soonest} s"));
                trial.tell(&Finding::unless_failed(what, wrong));
            }
        }
    }
    Ok(())
}

/// Waits until all pods of a Deployment are of its newest template and ready.
pub(crate) fn rolled_out(trial: &mut Trial<'_>, name: &str) -> Result<bool, Error> {
    trial.expect(READY, &format!("all pods of {name} are ready"), |cluster| {
        let deployment = cluster.json(&format!("get deployment {name}"))?;
        if is_rolled_out(&deployment) {
            return Ok(Ok(()));
        }
        Ok(Err(pods::state(&cluster.json(&format!("get pods -l app={name}"))?)))
    })
}

/// Whether a Deployment has as many ready pods of its newest template as it wants, and no others.
fn is_rolled_out(deployment: &Value) -> bool {
    let wanted = json::count(deployment, "/spec/replicas");
    deployment["metadata"]["generation"] == deployment["status"]["observedGeneration"]
        && ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
            .iter()
            .all(|count| json::count(deployment, &format!("/status/{count}")) == wanted)
}

/// A pod to ask from.
fn client(trial: &mut Trial<'_>) -> Result<bool, Error> {
    if !trial.cluster.attempt("get pod client")?.succeeded() {
        trial.cluster.kubectl("run client --image=client:v1 --image-pull-policy=IfNotPresent -- pause")?;
    }
    let ready = trial.wait(KNOWN, "a pod to ask from is ready", |cluster| {
        let state = pods::state_of(&cluster.json("get pod client")?);
        Ok(if state == "1 of 1 pods ready" { Ok(()) } else { Err(state) })
    })?;
    Ok(ready.is_some())
}

/// Asks a URL from a pod until the reply has `text`.
fn answers(trial: &mut Trial<'_>, what: &str, arguments: &str, text: &str) -> Result<bool, Error> {
    trial.expect(KNOWN, what, |cluster| {
        let reply = cluster.get(arguments)?;
        let said = reply.text();
        if reply.succeeded() && said.to_lowercase().contains(text) {
            return Ok(Ok(()));
        }
        Ok(Err(said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reply").to_owned()))
    })
}

/// The address of a node and the node port of the frontend.
pub(crate) fn node_port(cluster: &Cluster) -> Result<String, Error> {
    let port = cluster.kubectl("get service frontend-svc -o jsonpath='{.spec.ports[0].nodePort}'")?;
    Ok(format!("http://{}:{port}", node(cluster)?))
}

fn node(cluster: &Cluster) -> Result<String, Error> {
    cluster.kubectl("get nodes -o jsonpath='{.items[0].status.addresses[?(@.type==\"InternalIP\")].address}'")
}

/// Phase 3: by name, by a node's port, and a pod that is replaced.
pub(crate) fn services(trial: &mut Trial<'_>) -> Result<(), Error> {
    if !(rolled_out(trial, "backend")? && rolled_out(trial, "frontend")? && client(trial)?) {
        return Ok(());
    }
    for service in ["backend-svc", "frontend-svc"] {
        trial.expect(KNOWN, &format!("{service} leads to two ready pods"), |cluster| {
            let slices = cluster.json(&format!("get endpointslices -l kubernetes.io/service-name={service}"))?;
            let endpoints = json::list(&slices, "/items").iter().flat_map(|slice| json::list(slice, "/endpoints"));
            let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == true).count();
            Ok(if ready == 2 { Ok(()) } else { Err(format!("{ready} ready endpoints")) })
        })?;
    }
    let by_name = "http://backend-svc:8000/api/items";
    answers(trial, "the backend answers by its Service's name", by_name, "x-served-by: backend/")?;
    let url = format!("{}/proxy/items", node_port(trial.cluster)?);
    if answers(trial, "the frontend answers at a node's port, and asks the backend", &url, "\"service\":\"backend\"")? {
        replaced(trial)?;
    }
    Ok(())
}

/// A pod of the backend is deleted while a client counts.
fn replaced(trial: &mut Trial<'_>) -> Result<(), Error> {
    trial.voice.say("  trying   a pod of the backend is deleted while a client asks 50 times a second");
    let load = trial.cluster.load(LOAD)?;
    let pod = trial.cluster.kubectl("get pods -l app=backend -o jsonpath='{.items[0].metadata.name}'")?;
    trial.cluster.kubectl(&format!("delete pod {pod} --wait=false"))?;
    let gone = trial.wait(READY, &format!("{pod} is gone"), |cluster| {
        let asked = cluster.attempt(&format!("get pod {pod}"))?;
        let state = pods::state(&cluster.json("get pods -l app=backend")?);
        Ok(if asked.stderr.contains("NotFound") { Ok(()) } else { Err(state) })
    })?;
    if gone.is_some() && rolled_out(trial, "backend")? {
        ended(trial, load, "a pod is replaced")?;
    }
    Ok(())
}

/// Waits until the pods that are to go have gone: what they lose counts too.
fn settled(trial: &mut Trial<'_>, name: &str) -> Result<bool, Error> {
    let gone = trial.wait(READY, &format!("the old pods of {name} are gone"), |cluster| {
        let pods = cluster.json(&format!("get pods -l app={name}"))?;
        let going = json::list(&pods, "/items").iter().any(pods::is_going);
        Ok(if going { Err(pods::state(&pods)) } else { Ok(()) })
    })?;
    Ok(gone.is_some())
}

/// All pods of a Deployment are replaced while a client counts.
pub(crate) fn restart(trial: &mut Trial<'_>, name: &str, load: &str) -> Result<Option<String>, Error> {
    if !(rolled_out(trial, name)? && settled(trial, name)?) {
        return Ok(None);
    }
    trial.voice.say(&format!("  trying   all pods of {name} are replaced while a client counts"));
    let load = trial.cluster.load(load)?;
    trial.cluster.kubectl(&format!("rollout restart deployment/{name}"))?;
    if !(rolled_out(trial, name)? && settled(trial, name)?) {
        return Ok(None);
    }
    let ledger = ended(trial, load, "pods are replaced")?;
    Ok(Some(format!("{} of {} requests were lost", ledger.requests.lost, ledger.requests.sent)))
}

/// Ends a load, and tells what was lost while something was done.
fn ended(trial: &mut Trial<'_>, load: Load<'_>, act: &str) -> Result<Ledger, Error> {
    trial.voice.say("           the load ends, and its ledger is read");
    let ledger = load.stop()?;
    let (sent, lost) = (ledger.requests.sent, ledger.requests.lost);
    let what = format!("{act}, and none of {sent} requests is lost");
    let kinds = || ledger.lost.iter().map(|lost| format!("{} {}, {}", lost.requests, lost.kind, meaning(&lost.kind)));
    let wrong = (lost > 0).then(|| format!("{lost} lost: {}", kinds().collect::<Vec<_>>().join("; ")));
    trial.tell(&Finding::unless_failed(what, wrong));
    Ok(ledger)
}

/// What a kind of loss is a sign of, while pods come and go.
fn meaning(kind: &str) -> &'static str {
    match kind {
        "connect-refused" => "a pod that had shut its port while rules still led to it",
        "connect-timeout" | "connect-failed" => "a pod that was gone while rules still led to it",
        "closed" | "reset" | "truncated" | "reset-in-body" => {
            "a pod that ended while the request was on its way or in its hands"
        }
        "timeout" | "unsent" => "nobody answered in time",
        _ => "answered, but not as asked",
    }
}

/// Where the Ingress answers: the arguments of a request from a pod, behind which the path's URL follows.
pub(crate) fn ingress_of(cluster: &Cluster) -> Result<Result<(String, String), String>, Error> {
    let ingress = cluster.json("get ingress app-ingress")?;
    let host = ingress["spec"]["rules"][0]["host"].as_str();
    let header = host.map(|host| format!(" -H 'Host: {host}'")).unwrap_or_default();
    let entry = &ingress["status"]["loadBalancer"]["ingress"][0];
    let address = match (entry["ip"].as_str(), entry["hostname"].as_str()) {
        // What a controller says that has ports of the node, forwarded from the machine that it stands on.
        (None, Some("localhost")) => node(cluster)?,
        (Some(address), _) | (None, Some(address)) => address.to_owned(),
        (None, None) => return Ok(Err("no address: no controller has taken it".to_owned())),
    };
    Ok(Ok((format!("http://{address}"), header)))
}

/// Phase 4: each path leads where it should.
pub(crate) fn ingress(trial: &mut Trial<'_>) -> Result<(), Error> {
    if !(rolled_out(trial, "backend")? && rolled_out(trial, "frontend")? && client(trial)?) {
        return Ok(());
    }
    let Some((url, header)) = trial.wait(KNOWN, "the Ingress has an address", ingress_of)? else { return Ok(()) };
    trial.tell(&Finding::holds(format!("the Ingress has an address: {url}")));
    for (path, who) in [("/api/items", "backend"), ("/", "frontend")] {
        let what = format!("{path} is answered by the {who}");
        answers(trial, &what, &format!("{url}{path}{header}"), &format!("x-served-by: {who}/"))?;
    }
    Ok(())
}

/// What an autoscaler computes, from its status: ceil(pods x use / target).
pub(crate) fn formula(autoscaler: &Value) -> Option<String> {
    let used = autoscaler.pointer("/status/currentMetrics/0/resource/current/averageUtilization")?.as_u64()?;
    let (pods, most) =
        (json::count(autoscaler, "/status/currentReplicas"), json::count(autoscaler, "/spec/maxReplicas"));
    let wanted = (pods * used).div_ceil(50);
    let bound = if wanted > most { format!(", of which maxReplicas leaves {most}") } else { String::new() };
    Some(format!("the pods use {used} % of what they request: ceil({pods} x {used} / 50) = {wanted}{bound}"))
}

/// Phase 5: it has figures, and moves under load.
pub(crate) fn autoscaler(trial: &mut Trial<'_>) -> Result<Option<String>, Error> {
    if !(rolled_out(trial, "backend")? && client(trial)?) {
        return Ok(None);
    }
    let figures = trial.expect(SCALED, "the autoscaler has figures of the pods' cpu", |cluster| {
        let hpa = cluster.json("get hpa backend-hpa")?;
        let active = json::condition(&hpa, "ScalingActive");
        Ok(match (formula(&hpa), active) {
            (Some(_), _) => Ok(()),
            (None, Some(active)) => Err(active["message"].as_str().unwrap_or_default().to_owned()),
            (None, None) => Err("no figures yet: they come every 15 s".to_owned()),
        })
    })?;
    if !figures {
        return Ok(None);
    }
    trial.voice.say("  trying   ten requests a second that burn 50 ms of cpu each");
    let load =
        trial.cluster.load("'http://backend-svc:8000/api/cpu-burn?ms=50' --rate 10 --connections 20 --accept 429")?;
    let measured = trial.wait(SCALED, "it wants more than 2 pods", |cluster| {
        let hpa = cluster.json("get hpa backend-hpa")?;
        let says = formula(&hpa).unwrap_or_else(|| "no figures".to_owned());
        Ok(if json::count(&hpa, "/status/desiredReplicas") > 2 { Ok(says) } else { Err(says) })
    })?;
    drop(load);
    if let Some(measured) = &measured {
        trial.tell(&Finding::holds("it wants more than 2 pods"));
        trial.voice.say(&format!("           {measured}"));
        trial
            .voice
            .say("           the load has ended; it lets pods go 5 minutes after the last time that it wanted them");
    }
    Ok(measured)
}

/// Phase 6: a new version and back, while a client counts, and the ready pods are counted as well.
pub(crate) fn rollout(trial: &mut Trial<'_>, file: &str, image: &str) -> Result<Option<String>, Error> {
    // It would change the number of pods meanwhile.
    if !trial.cluster.kubectl("delete hpa backend-hpa --ignore-not-found")?.is_empty() {
        trial.voice.say("           the autoscaler is taken away: the exercise `autoscaler` brings it back");
    }
    let old = image.rsplit_once(':').map_or(image, |(name, _)| name);
    let namespace = trial.cluster.namespace();
    trial.cluster.kubectl(&format!(
        "set image --local -f {file} backend={old}:v1 -o yaml | kubectl -n {namespace} apply -f - >/dev/null"
    ))?;
    if !rolled_out(trial, "backend")? {
        return Ok(None);
    }
    trial.voice.say("  trying   v2 and back to v1, while a client asks 50 times a second");
    let load = trial.cluster.load(LOAD)?;
    let mut least = u64::MAX;
    for (command, version) in [(format!("apply -f {file}"), "v2"), ("rollout undo deployment/backend".to_owned(), "v1")]
    {
        trial.cluster.kubectl(&command)?;
        let what = format!("all pods are of {version} and ready");
        let there = trial.expect(READY, &what, |cluster| {
            let deployment = cluster.json("get deployment backend")?;
            let ready = json::count(&deployment, "/status/readyReplicas");
            least = least.min(ready);
            let updated = json::count(&deployment, "/status/updatedReplicas");
            let tag = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
            let is = tag.ends_with(version) && is_rolled_out(&deployment);
            Ok(if is { Ok(()) } else { Err(format!("{ready} pods ready, {updated} made of {version}")) })
        })?;
        if !there {
            return Ok(None);
        }
    }
    if !settled(trial, "backend")? {
        return Ok(None);
    }
    let ledger = ended(trial, load, "v1 becomes v2 and v1 again")?;
    let both = ledger.saw("backend", "v1") && ledger.saw("backend", "v2");
    trial.tell(&Finding::unless("both versions answered", (!both).then(|| ledger.versions())));
    trial.tell(&Finding::unless("2 pods were ready at the least", (least < 2).then(|| least.to_string())));
    Ok(Some(format!(
        "{least} pods were ready at the least, and {} of {} requests were lost",
        ledger.requests.lost, ledger.requests.sent
    )))
}

/// What is measured for a question of a phase, of which there is one but for the last.
pub(crate) fn measured(trial: &mut Trial<'_>, exercise: &str, number: usize) -> Result<Option<String>, Error> {
    match exercise {
        "deployments" => not_ready(trial).map(Some),
        "discussion" => discussed(trial.cluster, number),
        "services" if client(trial)? => by_name(trial.cluster).map(Some),
        "ingress" if client(trial)? => both_ways(trial.cluster).map(Some),
        "autoscaler" => without_request(trial),
        _ => Ok(None),
    }
}

/// Removes what was made for a question when it goes.
struct Made<'a> {
    cluster: &'a Cluster,
    objects: &'static str,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let shell = self.cluster.shell().to_the_end();
        let namespace = self.cluster.namespace();
        let delete = format!("kubectl -n {namespace} delete {} --ignore-not-found --wait=false", self.objects);
        drop(shell.try_attempt(&delete));
    }
}

/// A pod whose readiness probe asks for what is not there.
fn not_ready(trial: &mut Trial<'_>) -> Result<String, Error> {
    let made = Made { cluster: trial.cluster, objects: "pod/question service/question" };
    trial.cluster.kubectl("delete pod/question service/question --ignore-not-found --grace-period=1")?;
    let overrides = "{\"spec\":{\"containers\":[{\"name\":\"question\",\"image\":\"backend:v1\",\"imagePullPolicy\":\"IfNotPresent\",\
         \"readinessProbe\":{\"httpGet\":{\"path\":\"/nothing\",\"port\":8000},\"periodSeconds\":1},\
         \"livenessProbe\":{\"httpGet\":{\"path\":\"/health\",\"port\":8000},\"periodSeconds\":1}}]}}";
    trial
        .cluster
        .kubectl(&format!("run question --image=backend:v1 --port=8000 --expose --overrides='{overrides}'"))?;
    let seen = trial.wait(KNOWN, "its readiness probe has failed", |cluster| {
        let events = cluster.kubectl("get events --field-selector involvedObject.name=question -o jsonpath='{.items[*].message}'")?;
        let slices = cluster.json("get endpointslices -l kubernetes.io/service-name=question")?;
        let pod = cluster.json("get pod question")?;
        let endpoint = slices.pointer("/items/0/endpoints/0/conditions/ready").and_then(Value::as_bool);
        let restarts = json::count(&pod, "/status/containerStatuses/0/restartCount");
        Ok(match endpoint {
            Some(ready) if events.contains("Readiness probe failed") => Ok(format!(
                "a pod with such a readiness probe runs, was restarted {restarts} times, and its endpoint is ready: {ready}"
            )),
            _ => Err(pods::state_of(&pod)),
        })
    })?;
    drop(made);
    seen.ok_or_else(|| Error::Failed("it could not be measured".to_owned()))
}

/// The name in full, and the address that it has.
fn by_name(cluster: &Cluster) -> Result<String, Error> {
    let name = format!("backend-svc.{}.svc.cluster.local", cluster.namespace());
    let address = cluster.kubectl("get service backend-svc -o jsonpath='{.spec.clusterIP}'")?;
    let reply = cluster.get(&format!("http://{name}:8000/health"))?.stderr;
    let connected = reply.lines().find(|line| line.contains("connected to")).unwrap_or("no connection").trim();
    Ok(format!("{name}: {connected}; the ClusterIP of backend-svc is {address}"))
}

/// One path, by the node port and by the Ingress.
fn both_ways(cluster: &Cluster) -> Result<String, Error> {
    let (url, header) = ingress_of(cluster)?.map_err(Error::Failed)?;
    let served = |arguments: &str| -> Result<String, Error> {
        let reply = cluster.get(arguments)?.text().to_lowercase();
        let by = reply.lines().find_map(|line| line.strip_prefix("x-served-by: ")).unwrap_or("nobody");
        let status = reply.lines().find_map(|line| line.strip_prefix("http/1.1 ")).unwrap_or("no reply");
        Ok(format!("{} from {}", status.get(..3).unwrap_or(status), by.split('/').next().unwrap_or(by)))
    };
    let node = served(&format!("{}/api/items/1", node_port(cluster)?))?;
    let ingress = served(&format!("{url}/api/items/1{header}"))?;
    Ok(format!("/api/items/1 by the node port: {node}; by the Ingress, which reads the path: {ingress}"))
}

/// What the cluster shows of the last phase's questions.
fn discussed(cluster: &Cluster, number: usize) -> Result<Option<String>, Error> {
    let shown = match number {
        0 => {
            let services = cluster.kubectl(
                "get services -o jsonpath='{range .items[*]}{.metadata.name} {.spec.type} {.spec.clusterIP}; {end}'",
            )?;
            let rules = "{.metadata.name} {.spec.ingressClassName} {.spec.rules[*].host}";
            services + &cluster.kubectl(&format!("get ingress -o jsonpath='{{range .items[*]}}{rules}; {{end}}'"))?
        }
        2 => {
            let pod = cluster.kubectl("get pods -l app=backend -o jsonpath='{.items[*].metadata.name}'")?;
            let Some(pod) = pod.split_whitespace().next() else { return Ok(None) };
            let path = format!("/api/v1/namespaces/{}/pods/{pod}:9000/proxy/metrics", cluster.namespace());
            let metrics = cluster.kubectl(&format!("get --raw {path}"))?;
            let throttled = metrics.lines().filter(|line| line.starts_with("container_cpu_throttled"));
            throttled.collect::<Vec<_>>().join("; ")
        }
        3 => cluster
            .kubectl("get ingress -o jsonpath='{range .items[*]}{.metadata.name} has the tls {.spec.tls}; {end}'")?,
        _ => String::new(),
    };
    Ok(Some(shown.trim_end_matches("; ").to_owned()).filter(|shown| !shown.is_empty()))
}

/// An autoscaler of pods that request nothing.
fn without_request(trial: &mut Trial<'_>) -> Result<Option<String>, Error> {
    let made = Made { cluster: trial.cluster, objects: "deployment/question hpa/question" };
    trial.cluster.kubectl("delete deployment/question hpa/question --ignore-not-found")?;
    trial.cluster.kubectl("create deployment question --image=backend:v1")?;
    trial.cluster.kubectl("autoscale deployment question --min=1 --max=2 --cpu-percent=50")?;
    let seen = trial.wait(SCALED, "an autoscaler of pods without a request says what it lacks", |cluster| {
        let hpa = cluster.json("get hpa question")?;
        let active = json::condition(&hpa, "ScalingActive");
        let says = active.and_then(|active| active["message"].as_str()).unwrap_or("nothing yet");
        Ok(if says.contains("missing request for cpu") { Ok(says.to_owned()) } else { Err(says.to_owned()) })
    })?;
    drop(made);
    Ok(seen.map(|says| format!("an autoscaler of pods without a request: {says}")))
}

/// What Kubernetes has in its status of a Deployment is compared in a unit test; the rest is tried on a cluster.
#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rollout_has_ended_when_all_pods_are_new_and_ready() {
        let mut deployment = json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {
            "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}});
        assert!(is_rolled_out(&deployment));
        deployment["status"]["replicas"] = json!(3);
        assert!(!is_rolled_out(&deployment), "an old one is there");
        deployment["status"]["replicas"] = json!(2);
        deployment["status"]["observedGeneration"] = json!(1);
        assert!(!is_rolled_out(&deployment), "the newest template was not looked at");
    }

    #[test]
    fn the_formula_has_the_numbers_of_the_moment_and_its_bound() {
        let hpa = json!({"spec": {"maxReplicas": 8}, "status": {"currentReplicas": 2,
            "currentMetrics": [{"resource": {"current": {"averageUtilization": 250}}}]}});
        assert!(formula(&hpa).unwrap().contains("ceil(2 x 250 / 50) = 10, of which maxReplicas leaves 8"));
        assert_eq!(formula(&json!({})), None);
    }
}
