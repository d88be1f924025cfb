//! A Prometheus that scrapes the pods by their annotations: what the chart warns of, and what its dashboard asks. The operator's objects
//! meet its definitions.

use std::fs;

use e2e::shell::root;
use e2e::{Background, Namespace, eventually, json};
use serde_json::Value;
use testing::port;

/// All of the chart's monitoring, its alerts with times that a test can wait for.
const MONITORING: &str = "--set monitoring.scrapeAnnotations=true,monitoring.serviceMonitor.enabled=true,monitoring.dashboard.enabled=true \
                          --set monitoring.alerts.enabled=true,monitoring.alerts.window=20s,monitoring.alerts.for=4s";

/// The operator's own definitions: the API server refuses what they do not have.
const DEFINITIONS: &str = "$(go -C cluster/prometheus-operator mod download -json github.com/prometheus-operator/prometheus-operator | jq -r .Dir)/example/prometheus-operator-crd/monitoring.coreos.com";

/// A target for each pod that asks to be scraped, at the port and the path that it says, through the API server.
const TARGETS: &str = r#"kubectl get pods -o go-template='{{range .items}}{{$asked := .metadata.annotations}}{{if eq (index $asked "prometheus.io/scrape") "true"}}
      - targets: ["API"]
        labels:
          namespace: {{.metadata.namespace}}
          service: practice-{{index .metadata.labels "app.kubernetes.io/component"}}
          pod: {{.metadata.name}}
          __metrics_path__: /api/v1/namespaces/{{.metadata.namespace}}/pods/{{.metadata.name}}:{{index $asked "prometheus.io/port"}}/proxy{{index $asked "prometheus.io/path"}}{{end}}{{end}}'"#;

#[test]
fn alerts_fire_in_a_real_prometheus_and_the_dashboard_has_figures() {
    let ns = Namespace::restricted("monitoring");
    for kind in ["servicemonitors", "prometheusrules"] {
        ns.define(&format!("{DEFINITIONS}_{kind}.yaml"), kind);
    }
    ns.install(&format!("-f values/quick-probes.yaml {MONITORING}"));
    ns.run("kubectl get servicemonitor practice");
    let prometheus = Prometheus::start(&ns);
    let node = ns.node_addresses().remove(0);
    let load = ns.start(&format!("client load http://{node}:30080/proxy/items --rate 20 --duration 5m"));

    let dashboard =
        ns.stdout("kubectl get configmap practice-dashboard -o jsonpath='{.data.practice\\.json}'").parse::<Value>();
    let dashboard = dashboard.expect("the dashboard is JSON");
    for panel in json::list(&dashboard, "/panels") {
        for target in json::list(panel, "/targets") {
            let asked = json::text(target, "/expr")
                .replace("$__rate_interval", "20s")
                .replace("$namespace", ns.name())
                .replace("$service", ".+");
            // Nothing has failed yet: of the errors there is no figure, and is none to be had.
            let asked = asked.replace("status=\"5xx\"", "status=\"2xx\"");
            eventually("the dashboard has a figure", || prometheus.figures(&asked, 1));
        }
    }
    let firing = |name: &str| format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}");
    eventually("the rules are evaluated", || {
        prometheus.figures("http_requests_total{service=\"practice-frontend\"}", 1)
    });
    eventually("nothing fails", || prometheus.figures(&firing("RequestsFail"), 0));

    ns.run("kubectl scale deploy/practice-backend --replicas=0");
    // A backend that ends may refuse a last request, and is told of as well.
    let of_the_gateway = firing("RequestsFail").replace('}', ",service=\"practice-frontend\"}");
    eventually("it is told that requests fail", || prometheus.figures(&of_the_gateway, 1));
    ns.run("kubectl scale deploy/practice-backend --replicas=2");
    eventually("it is told that it is over", || prometheus.figures(&firing("RequestsFail"), 0));
    drop(load);
}

/// A Prometheus beside the cluster, which scrapes the pods through the API server. (Debian's has no discovery of Kubernetes.)
struct Prometheus<'a> {
    ns: &'a Namespace,
    url: String,
    _running: Background,
}

impl<'a> Prometheus<'a> {
    fn start(ns: &'a Namespace) -> Self {
        let folder = root().join("target/e2e/prometheus");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("target is writable");
        let folder = folder.display();
        ns.run(&format!("kubectl get prometheusrule practice -o jsonpath='{{.spec}}' >{folder}/rules.yaml"));
        for (file, path) in [
            ("ca", "clusters[0].cluster.certificate-authority-data"),
            ("certificate", "users[0].user.client-certificate-data"),
            ("key", "users[0].user.client-key-data"),
        ] {
            ns.run(&format!("kubectl config view --raw -o jsonpath='{{.{path}}}' | base64 -d >{folder}/{file}"));
        }
        let api = ns.stdout("kubectl config view -o jsonpath='{.clusters[0].cluster.server}'");
        let targets = ns.stdout(&TARGETS.replace("API", api.trim_start_matches("https://")));
        let configuration = CONFIGURATION.replace("TARGETS", &targets);
        fs::write(format!("{folder}/prometheus.yaml"), configuration).expect("it is writable");
        let port = port::free();
        let running = ns.start(&format!(
            "prometheus --config.file={folder}/prometheus.yaml --storage.tsdb.path={folder}/data --web.listen-address=127.0.0.1:{port}"
        ));
        Self { ns, url: format!("http://127.0.0.1:{port}"), _running: running }
    }

    fn answer(&self, query: &str) -> Value {
        let reply = self.ns.attempt(&format!("curl -sS {}/api/v1/query --data-urlencode 'query={query}'", self.url));
        reply.stdout.parse().unwrap_or_else(|_| Value::String(reply.to_string()))
    }

    /// That a query has as many answers, or more where it is one.
    fn figures(&self, query: &str, count: usize) -> Result<(), String> {
        let answer = self.answer(query);
        let series = json::list(&answer, "/data/result");
        let numbers = series.iter().filter(|one| one.pointer("/value/1").is_some_and(|value| value != "NaN")).count();
        let holds = answer["status"] == "success" && if count == 0 { numbers == 0 } else { numbers >= count };
        if holds { Ok(()) } else { Err(format!("{query}: {answer}")) }
    }
}

const CONFIGURATION: &str = r"
global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 2s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: practice
    scheme: https
    tls_config: {ca_file: ca, cert_file: certificate, key_file: key}
    static_configs:
TARGETS";
