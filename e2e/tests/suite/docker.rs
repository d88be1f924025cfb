//! Docker itself: compose.yaml, the archives of images and the Dockerfile, on an engine in namespaces of its own.

use std::path::PathBuf;

use e2e::shell::root;
use e2e::{Background, Shell, eventually, page};
use serde_json::Value;

/// A Docker engine of the test's own, which goes with it, whatever its end. Nothing is skipped: a machine on which none
/// starts fails the test, with what the engine says.
struct Engine {
    running: Option<Background>,
    folder: PathBuf,
    shell: Shell,
}

impl Engine {
    /// `name` tells the engines that run side by side apart.
    fn start(name: &str) -> Self {
        let folder = root().join(".cluster").join(format!("docker-{name}"));
        let path = format!("{}/bin:{}", folder.display(), std::env::var("PATH").expect("there is one"));
        let shell = Shell::default().with("PATH", path).with("REDIS_PASSWORD", "choose-one");
        let running = Shell::default().start(&format!("cluster/docker/engine '{}'", folder.display()));
        let mut engine = Self { running: Some(running), folder, shell };
        eventually("the Docker engine answers", || engine.answers());
        engine
    }

    fn answers(&mut self) -> Result<(), String> {
        let mut running = self.running.take().expect("it was started");
        assert!(running.is_running(), "no Docker engine starts on this machine:\n{}", running.finish());
        self.running = Some(running);
        // What its folder gets last.
        if !self.folder.join("process").exists() {
            return Err("it has not started yet".to_owned());
        }
        let reply = self.shell.attempt("docker version");
        if reply.succeeded() { Ok(()) } else { Err(reply.to_string()) }
    }

    /// Process 1 of its namespaces, as the machine counts.
    fn process(&self) -> String {
        std::fs::read_to_string(self.folder.join("process")).expect("it answers").trim().to_owned()
    }

    /// What `docker inspect` says of the container of a service.
    fn inspect(&self, service: &str) -> Value {
        let mut found = self.shell.json(&format!("docker inspect $(docker compose ps --all --quiet {service})"));
        found[0].take()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            println!("{}", running.terminate());
        }
    }
}

/// What the engine called `name` could leave on this machine: all that is there, without what clusters, buildah, other engines and
/// the processes of other tests have, which come and go meanwhile.
fn footprint(name: &str) -> String {
    Shell::default().stdout(&format!(
        r"cluster/footprint | grep -vE 'practice[0-9]|/\.cluster/run/|^file /(run|var/lib)/(containers|buildah|libpod)' |
          awk '!/docker-|^process of / || /docker-{name}/'"
    ))
}

/// The blocks of a page that are for Docker.
fn on_docker(page: &str) {
    let name = page.trim_end_matches(".md").replace('/', "-").to_lowercase();
    page::run(&Engine::start(&name).shell, &root().join(page), page::DOCKER);
}

#[test]
fn lab_compose() {
    on_docker("labs/compose.md");
}

#[test]
fn the_readme_loads_images_into_docker() {
    on_docker("README.md");
}

#[test]
fn compose_starts_in_order_restarts_what_is_killed_and_leaves_nothing() {
    let before = footprint("compose");
    let engine = Engine::start("compose");
    assert_ne!(footprint("compose"), before, "an engine that runs is seen");
    let shell = &engine.shell;
    let events = "docker events --since 1 --filter event=start --filter event=health_status --format \
                  '{{index .Actor.Attributes \"com.docker.compose.service\"}} {{.Status}}'";
    let events = shell.start(events);
    shell
        .run("for image in systems-v1 client-v1 addons/redis-7.0; do docker load -qi .cluster/images/$image.tar; done");
    shell.run("docker compose --progress quiet build && docker compose --progress quiet up -d --wait");

    let events = events.terminate().stdout;
    let position =
        |event: &str| events.lines().position(|line| line == event).unwrap_or_else(|| panic!("{event}: {events}"));
    for service in ["web-fe", "worker"] {
        let (healthy, started) = (position("redis health_status: healthy"), position(&format!("{service} start")));
        assert!(healthy < started, "{service} waits for Redis:\n{events}");
        let limits = &engine.inspect(service)["HostConfig"];
        let bytes = [&limits["Memory"], &limits["MemoryReservation"]];
        assert_eq!(
            (&limits["NanoCpus"], bytes),
            (&Value::from(500_000_000), [150 << 20, 20 << 20].map(Value::from).each_ref())
        );
        assert_eq!([&limits["ReadonlyRootfs"], &limits["Privileged"]], [true, false].map(Value::from).each_ref());
    }
    let ports = &engine.inspect("redis")["NetworkSettings"]["Ports"]["6379/tcp"];
    assert!(ports.is_null(), "Redis has no port of the machine: {ports}");
    let outside = shell.attempt("docker compose exec worker /client get http://$(docker inspect --format \
        '{{(index .NetworkSettings.Networks \"voting_front-tier\").IPAddress}}' voting-web-fe-1):5000/ready --timeout 2s");
    assert!(!outside.succeeded(), "nothing in back-tier reaches what is outside of it: {outside}");
    shell.run("docker compose exec worker /client get -q http://web-fe:5000/ready");

    // Killed from outside: who asks Docker to end a container does not want it back.
    let killed = engine.inspect("worker");
    shell.run(&format!("nsenter --target {} --pid kill -KILL {}", engine.process(), killed["State"]["Pid"]));
    eventually("the worker is healthy again", || {
        let worker = engine.inspect("worker");
        let healthy =
            worker["State"]["Health"]["Status"] == "healthy" && worker["State"]["Pid"] != killed["State"]["Pid"];
        if healthy { Ok(()) } else { Err(worker["State"].to_string()) }
    });
    let again = engine.inspect("worker");
    assert_eq!((&again["Id"], &again["RestartCount"]), (&killed["Id"], &Value::from(1)), "the same container");

    // Not taken down: what runs ends with the engine.
    drop(engine);
    assert_eq!(footprint("compose"), before, "what Docker left on the machine");
    assert!(!root().join(".cluster/docker-compose").exists());
}

#[test]
fn what_is_left_of_an_engine_that_was_killed_goes_with_the_next() {
    let before = footprint("killed");
    let mut engine = Engine::start("killed");
    engine.shell.run("docker load -qi .cluster/images/client-v1.tar && docker run --detach client:v1 pause");
    // With the script goes who would clean up; with `unshare` goes the engine.
    let unshare = engine.shell.stdout(&format!("ps -o ppid= -p {}", engine.process()));
    drop(engine.running.take());
    engine.shell.run(&format!("kill -KILL {unshare}"));
    assert_ne!(footprint("killed"), before, "something is left");
    drop(Engine::start("killed"));
    assert_eq!(footprint("killed"), before, "what Docker left on the machine");
}

#[test]
fn docker_builds_the_images_of_binaries_that_are_there() {
    let engine = Engine::start("build");
    // Engines before 23 have no `--build-context`, so the folder becomes an image, under another name than the stage's.
    engine.shell.run(
        "printf 'FROM scratch\nCOPY out /out\n' | docker buildx build -q -f - -t binaries .cluster/binaries
         for name in backend frontend systems observer client; do
           sed 's/--from=build /--from=binaries /' Dockerfile |
             docker buildx build -q -f - --target $name --build-arg VERSION=v7 -t $name:v7 .
         done",
    );
    for name in ["backend", "frontend", "systems", "observer", "client"] {
        let config = engine.shell.json(&format!("docker image inspect --format '{{{{json .Config}}}}' {name}:v7"));
        assert_eq!(config["User"], "10001:10001");
        assert_eq!(config["Entrypoint"], serde_json::json!([format!("/{name}")]));
        assert_eq!(config["Labels"]["org.opencontainers.image.version"], "v7");
        let layers =
            engine.shell.json(&format!("docker image inspect --format '{{{{json .RootFS.Layers}}}}' {name}:v7"));
        assert_eq!(layers.as_array().map(Vec::len), Some(1), "nothing but the binary: {layers}");
    }
    let container = "docker run --rm --read-only --cap-drop ALL";
    assert_eq!(engine.shell.stdout(&format!("{container} backend:v7 --version")), "backend v7\n");
}

#[test]
fn an_archive_has_one_image_for_docker_containerd_and_skopeo() {
    let engine = Engine::start("archive");
    // In the engine's mount namespace, whose containerd is as a node's would be; and skopeo leaves a cache in /var.
    let shell = engine
        .shell
        .clone()
        .with("ENGINE", engine.process())
        .with("ARCHIVE", format!("{}/.cluster/images/backend-v1.tar", root().display()));
    let manifest = shell
        .stdout(r#"nsenter --target "$ENGINE" --mount skopeo inspect --format '{{.Digest}}' "oci-archive:$ARCHIVE""#);
    let imported = shell.stdout(
        r#"ctr() { nsenter --target "$ENGINE" --mount ctr --address /run/docker/containerd/containerd.sock --namespace k8s.io "$@"; }
           ctr images import "$ARCHIVE" >&2
           ctr images list | awk '$1 == "docker.io/library/backend:v1" { print $3 }'"#,
    );
    assert_eq!(imported, manifest);

    shell.run(r#"docker load -i "$ARCHIVE""#);
    let loaded = shell.stdout("docker image inspect --format '{{.Id}}' backend:v1");
    // Docker names an image by its configuration; where it keeps images in containerd, by its manifest.
    let configuration = shell.stdout(
        r#"nsenter --target "$ENGINE" --mount skopeo inspect --raw "oci-archive:$ARCHIVE" | jq -r .config.digest"#,
    );
    assert!([configuration, manifest].contains(&loaded), "{loaded}");
}
