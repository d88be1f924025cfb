//! The artifacts of a release, as others get them: made, pushed to a registry, verified, and installed from there by digest.

use std::fs;
use std::thread;
use std::time::Duration;

use e2e::shell::root;
use e2e::{Background, Namespace, Output, Shell, eventually};
use serde_json::Value;
use testing::port;

const IMAGES: [&str; 5] = ["backend", "frontend", "systems", "observer", "client"];
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Debian's registry on this machine's loopback device.
struct Registry {
    /// In it `$FOLDER` is the test's own, and `REGISTRY` and what else `make release` needs are set.
    shell: Shell,
    host: String,
    _running: Background,
}

impl Registry {
    fn start() -> Self {
        let folder = root().join("target/e2e/registry");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).expect("target is writable");
        let host = format!("127.0.0.1:{}", port::free());
        let config = format!(
            "{{version: 0.1, log: {{level: error}}, storage: {{filesystem: {{rootdirectory: '{}/data'}}}}, http: {{addr: '{host}'}}}}",
            folder.display()
        );
        fs::write(folder.join("registry.yml"), config).expect("target is writable");
        let shell = Shell::default()
            .with("FOLDER", folder.display().to_string())
            .with("REGISTRY", format!("{host}/team"))
            .with("SOURCE", "https://git.example.org/team/practice")
            .with("KEY", folder.join("key.pem").display().to_string())
            .with("PLAIN_HTTP", "1");
        let running = shell.start("docker-registry serve \"$FOLDER/registry.yml\"");
        shell.run("for key in key other; do openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $FOLDER/$key.pem
                   openssl pkey -in $FOLDER/$key.pem -pubout -out $FOLDER/$key.pub; done");
        Self { shell, host, _running: running }
    }

    /// A way there for the nodes of a cluster, under the same name.
    fn reached_from<'a>(&self, ns: &'a Namespace) -> Reached<'a> {
        let (host, nodes) = (&self.host, ns.node_addresses());
        // The machine's address is the network's first.
        let network = nodes[0].rsplit_once('.').expect("an address of four octets").0;
        let way = format!("{network}.1:{}", host.rsplit_once(':').expect("a port").1);
        let forward = ns.start(&format!(".cluster/bin/forward {way}={host}"));
        for node in 1..=nodes.len() {
            ns.run(&format!(
                "at=.cluster/run/$CLUSTER/node{node}/registries/{host}; mkdir -p $at; echo '[host.\"http://{way}\"]' >$at/hosts.toml"
            ));
        }
        eventually("the registry answers at the nodes' address for it", || {
            let reply = ns.attempt(&format!("curl --noproxy '*' -fsS http://{way}/v2/"));
            if reply.succeeded() { Ok(()) } else { Err(reply.to_string()) }
        });
        Reached { ns, host: host.clone(), _forward: forward }
    }

    /// What is at a path of the registry's API.
    fn get(&self, path: &str, accept: &str) -> String {
        self.shell.stdout(&format!("curl --noproxy '*' -fsS -H 'Accept: {accept}' http://{}/v2/team/{path}", self.host))
    }

    fn json(&self, path: &str, accept: &str) -> Value {
        serde_json::from_str(&self.get(path, accept)).expect("a manifest")
    }

    fn digest(&self, name: &str, tag: &str) -> String {
        self.shell.stdout(&format!(
            "curl --noproxy '*' -fsSI -H 'Accept: {INDEX}' http://{}/v2/team/{name}/manifests/{tag} |
             sed -nE 's/^docker-content-digest: ([^\\r]*).*/\\1/Ip' | tr -d '\\n'",
            self.host
        ))
    }

    /// Whether `key` has signed what has this digest, under this name, as the specification of cosign's signatures has it:
    /// <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>.
    fn signed(&self, name: &str, digest: &str, key: &str) -> bool {
        let manifest = self.json(&format!("{name}/manifests/{}.sig", digest.replace(':', "-")), MANIFEST);
        let layer = &manifest["layers"][0];
        let payload = self.get(&format!("{name}/blobs/{}", layer["digest"].as_str().expect("a digest")), "*/*");
        let said: Value = serde_json::from_str(&payload).expect("a payload");
        let said = &said["critical"];
        assert_eq!(said["image"]["docker-manifest-digest"], digest);
        assert_eq!(said["identity"]["docker-reference"], format!("{}/team/{name}", self.host));
        let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().expect("a signature");
        let shell = self.shell.clone().with("PAYLOAD", payload).with("SIGNATURE", signature);
        let verified = shell.attempt(&format!(
            "openssl dgst -sha256 -verify $FOLDER/{key}.pub -signature <(base64 -d <<<\"$SIGNATURE\") <(printf %s \"$PAYLOAD\")"
        ));
        verified.succeeded()
    }
}

/// The way of a cluster's nodes to a registry. When it is dropped, it goes, and what they pulled: the cluster is another test's next.
struct Reached<'a> {
    ns: &'a Namespace,
    host: String,
    _forward: Background,
}

impl Reached<'_> {
    /// Runs `command` for each node, whose number is `$node`: there, `images` is of the node's containerd, and `pulled` lists those of
    /// the registry.
    fn on_nodes(&self, command: &str) -> Output {
        let (nodes, host) = (self.ns.node_addresses().len(), &self.host);
        self.ns.attempt(&format!(
            "images() {{ nsenter --target $process --net --mount ctr --address /run/containerd/containerd.sock --namespace k8s.io images \"$@\"; }}
             pulled() {{ images list --quiet | awk 'index($0, \"{host}/\") == 1'; }}
             for node in $(seq {nodes}); do read -r process _ <.cluster/run/$CLUSTER/node$node.pid; {command}; done"
        ))
    }
}

impl Drop for Reached<'_> {
    fn drop(&mut self) {
        let left = self.on_nodes(&format!(
            "rm -r .cluster/run/$CLUSTER/node$node/registries/{}
             for name in $(pulled); do images remove --sync $name; done
             [ -z \"$(pulled)\" ]",
            self.host
        ));
        assert!(left.succeeded() || thread::panicking(), "{left}");
    }
}

#[test]
fn a_release_is_made_pushed_verified_and_installed_by_digest() {
    let registry = Registry::start();
    let shell = &registry.shell;
    let made = shell.attempt_within(Duration::from_secs(900), "make release");
    assert!(made.succeeded(), "{made}");

    let verified = |key: &str| {
        shell.attempt(&format!(
            "cd .cluster/release && sha256sum --check --quiet SHA256SUMS &&
             openssl dgst -sha256 -verify $FOLDER/{key}.pub -signature <(base64 -d SHA256SUMS.sig) SHA256SUMS"
        ))
    };
    let by_the_key = verified("key");
    assert!(by_the_key.succeeded(), "{by_the_key}");
    assert!(!verified("other").succeeded(), "another key has signed nothing");
    // Packed once more, in another folder.
    shell.run("mkdir $FOLDER/again && cp -R .cluster/release/binaries $FOLDER/again/ && release/release build $FOLDER/again >&2
               diff .cluster/release/SHA256SUMS $FOLDER/again/SHA256SUMS");

    let version = shell.stdout("sed -nE 's/^version = \"(.*)\"/v\\1/p' Cargo.toml").trim().to_owned();
    for name in IMAGES {
        let digest = registry.digest(name, &version);
        assert_eq!(registry.digest(name, "v1"), digest, "v1 is the newest of its kind");
        for digest in [&digest, &registry.digest(name, "v2")] {
            let index = registry.json(&format!("{name}/manifests/{digest}"), INDEX);
            let platforms: Vec<_> = index["manifests"].as_array().expect("an index").iter().collect();
            let platforms: Vec<_> = platforms.iter().map(|it| it["platform"]["architecture"].as_str()).collect();
            assert_eq!(platforms, [Some("amd64"), Some("arm64")]);
            assert!(registry.signed(name, digest, "key") && !registry.signed(name, digest, "other"));
        }
        bill_of_materials(&registry, name, &digest);
    }

    let chart = shell.stdout("cat .cluster/release/chart").trim().to_owned();
    let (_, digest) = chart.split_once("/team/practice@").expect("the chart by its digest");
    assert!(registry.signed("practice", digest, "key") && !registry.signed("practice", digest, "other"));
    let ns = Namespace::restricted("published");
    let nodes = registry.reached_from(&ns);
    ns.run(&format!(
        "helm install practice {chart} --plain-http -f .cluster/release/digests.yaml --wait --timeout 120s"
    ));
    let pods = ns.json("kubectl get pods -o json");
    for pod in pods["items"].as_array().expect("pods") {
        let name = pod["spec"]["containers"][0]["name"].as_str().expect("a name");
        let pulled = pod["status"]["containerStatuses"][0]["imageID"].as_str().expect("an image");
        assert_eq!(pulled, format!("{}/team/{name}@{}", registry.host, registry.digest(name, &version)));
    }
    let listed = nodes.on_nodes("pulled").text();
    assert!(listed.contains("/team/backend@") && listed.contains("/team/frontend@"), "{listed}");
    let tested = ns.stdout("helm test practice --timeout 120s");
    assert!(tested.contains("Succeeded"), "{tested}");
    ns.run(&format!("helm upgrade practice {chart} --plain-http --set image.tag=v2 --wait --timeout 120s"));
    let node = ns.node_addresses().remove(0);
    eventually("the other version answers", || {
        let served = ns.stdout(&format!("client get http://{node}:30080/proxy/items"));
        if served.contains(r#""version":"v2""#) { Ok(()) } else { Err(served) }
    });

    // The node has pulled the same image as its own v2, which nobody could pull, under another name: that one starts as before.
    ns.run("helm upgrade practice chart/ --reset-values --set image.tag=v2 --wait --timeout 120s");

    // Somebody has moved a tag.
    shell.run(&format!(
        "api=http://{}/v2/team/client/manifests; curl --noproxy '*' -fsS -H 'Accept: {INDEX}' $api/v2 >$FOLDER/moved
         curl --noproxy '*' -fsS -X PUT -H 'Content-Type: {INDEX}' --data-binary @$FOLDER/moved $api/{version}",
        registry.host
    ));
    let refused = shell.attempt("release/release push .cluster/release");
    assert!(
        !refused.succeeded() && refused.text().contains(&format!("client:{version} is there already")),
        "{refused}"
    );
}

/// The artifact whose subject is the image lists each crate that the program itself names, in the texts of its panics.
fn bill_of_materials(registry: &Registry, name: &str, image: &str) {
    let artifact = registry.json(&format!("{name}/manifests/{}.sbom", image.replace(':', "-")), MANIFEST);
    assert_eq!(
        (artifact["subject"]["digest"].as_str(), artifact["artifactType"].as_str()),
        (Some(image), Some("application/vnd.cyclonedx+json"))
    );
    let layer = artifact["layers"][0]["digest"].as_str().expect("a digest");
    let bill = registry.json(&format!("{name}/blobs/{layer}"), "*/*");
    assert_eq!(
        (bill["bomFormat"].as_str(), bill["metadata"]["component"]["name"].as_str()),
        (Some("CycloneDX"), Some(name))
    );
    let listed: Vec<_> = bill["components"].as_array().expect("components").iter().collect();
    for architecture in ["amd64", "arm64"] {
        let named = registry.shell.stdout(&format!(
            "grep -aoE '/cargo/registry/src/[^/]+/[A-Za-z0-9_-]+-[0-9]+\\.[0-9.]+[^/]*' .cluster/release/binaries/{architecture}/out/{name} | sed 's,.*/,,' | sort -u"
        ));
        assert!(named.lines().count() > 5, "{named}");
        for crate_ in named.lines() {
            let is = |it: &&&Value| {
                format!("{}-{}", it["name"].as_str().unwrap_or(""), it["version"].as_str().unwrap_or("")) == crate_
            };
            assert!(listed.iter().any(|it| is(&it)), "{name} has {crate_}, and its bill of materials does not");
        }
    }
}
