//! The exercises: the seven phases of the practice, and what is to be mended beyond them.

use crate::manifest::{
    BACKEND_DEPLOYMENT, BACKEND_HPA, BACKEND_SERVICE, DRAIN, FRONTEND_DEPLOYMENT, FRONTEND_SERVICE, GRACE, INGRESS,
    Manifest,
};
use crate::question::Question;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Exercise {
    pub(crate) name: &'static str,
    /// Its phase of the practice, and what it is about.
    pub(crate) title: &'static str,
    pub(crate) task: &'static str,
    pub(crate) files: &'static [Manifest],
    /// The files of other exercises without which there is nothing to see.
    pub(crate) needs: &'static [Manifest],
    /// The tags that an image may have.
    pub(crate) versions: &'static [&'static str],
    /// From the vaguest to the plainest.
    pub(crate) hints: [&'static str; 3],
    /// Its key question; the last phase has nothing but questions.
    pub(crate) questions: &'static [Question],
}

pub(crate) const ALL: &[Exercise] = &[
    Exercise {
        name: "images",
        title: "Phase 1: images, and what the cluster has",
        task: "Nothing to fill in: type `check`. Pods are started from each image of the practice.",
        files: &[],
        needs: &[],
        versions: &["v1", "v2"],
        hints: [
            "A node needs the image before the pod: from a registry, or because somebody loaded it.",
            "`make images` packs them, `make up` loads them into the cluster of this repository.",
            "Elsewhere: kind load image-archive .cluster/images/backend-v1.tar, minikube image load, k3d image import.",
        ],
        questions: &[],
    },
    Exercise {
        name: "deployments",
        title: "Phase 2: Deployments with probes and resources",
        task: "Fill in resources, probes and the strategy in both files.",
        files: &[BACKEND_DEPLOYMENT, FRONTEND_DEPLOYMENT],
        needs: &[],
        versions: &["v1", "v2"],
        hints: [
            "Probes and resources belong to a container, beside its image; the strategy to the Deployment, beside its replicas.",
            "resources has requests and limits; a probe has httpGet with path and port, and periodSeconds beside httpGet. The first \
             try waits initialDelaySeconds.",
            "strategy: type RollingUpdate, and below rollingUpdate maxSurge 1 and maxUnavailable 0. `kubectl explain \
             deployment.spec.strategy` and `kubectl explain pod.spec.containers.livenessProbe` list every field.",
        ],
        questions: &[Question {
            text: "What happens if the readiness probe fails but the liveness probe passes?",
            notions: &[
                ("the pod gets no traffic", &["traffic", "endpoint", "request", "service"]),
                ("it is not restarted", &["restart", "runs on", "keeps running", "stays"]),
            ],
            page: "labs/2-probes-and-rollouts.md",
        }],
    },
    Exercise {
        name: "services",
        title: "Phase 3: Services",
        task: "Fill in both Services: a ClusterIP for the backend, a NodePort for the frontend.",
        files: &[BACKEND_SERVICE, FRONTEND_SERVICE],
        needs: &[BACKEND_DEPLOYMENT, FRONTEND_DEPLOYMENT],
        versions: &["v1", "v2"],
        hints: [
            "A Service finds its pods by their labels: look what the Deployments' pods carry.",
            "type, selector and ports stand below spec. A Service's selector has the labels at once, without matchLabels.",
            "A port has port, where the Service listens, and targetPort, where the container does. Both are 8000; the node's port \
             is the cluster's choice.",
        ],
        questions: &[Question {
            text: "Why can the frontend reach `backend-svc` by name? What DNS record does Kubernetes create?",
            notions: &[
                ("CoreDNS answers", &["dns"]),
                ("the record's name", &["svc.cluster.local", "a record", "namespace"]),
                ("its address is the ClusterIP", &["clusterip", "cluster ip", "virtual ip"]),
            ],
            page: "labs/1-ways-in.md",
        }],
    },
    Exercise {
        name: "ingress",
        title: "Phase 4: Ingress",
        task: "Fill in the class and two paths.",
        files: &[INGRESS],
        needs: &[BACKEND_DEPLOYMENT, FRONTEND_DEPLOYMENT, BACKEND_SERVICE, FRONTEND_SERVICE],
        versions: &["v1", "v2"],
        hints: [
            "Without its class no controller takes an Ingress for its own. The longest path that fits wins.",
            "Each entry of paths has path, pathType and backend; ingressClassName stands beside rules.",
            "backend: service: name, and below port: number. /api to backend-svc, / to frontend-svc, both Prefix.",
        ],
        questions: &[Question {
            text: "How does the Ingress controller differ from a NodePort? What layer does each operate at?",
            notions: &[
                ("a NodePort is layer 4", &["layer 4", "l4", "tcp"]),
                ("an Ingress is layer 7", &["layer 7", "l7", "http"]),
                ("it reads paths or hosts", &["path", "host", "rout"]),
            ],
            page: "labs/1-ways-in.md",
        }],
    },
    Exercise {
        name: "autoscaler",
        title: "Phase 5: HorizontalPodAutoscaler",
        task: "Fill in what is scaled, between which bounds, and at which use of the CPU.",
        files: &[BACKEND_HPA],
        needs: &[BACKEND_DEPLOYMENT, BACKEND_SERVICE],
        versions: &["v1", "v2"],
        hints: [
            "An autoscaler changes the replicas of something: it names it as one names an object, by kind, name and apiVersion.",
            "minReplicas and maxReplicas stand beside scaleTargetRef; metrics is a list.",
            "metrics: type Resource, resource: name cpu, target: type Utilization with averageUtilization 50.",
        ],
        questions: &[Question {
            text: "Why does HPA require resource requests to be set? What happens without them?",
            notions: &[
                (
                    "use is divided by the request",
                    &["divi", "denominator", "percent", "%", "relative", "share", "ratio"],
                ),
                ("without one it is unknown", &["unknown", "undefined", "no metric", "can't", "cannot"]),
                ("and nothing is scaled", &["not scale", "no scal", "does not", "doesn't", "stay", "nothing", "never"]),
            ],
            page: "labs/16-hpa-without-requests.md",
        }],
    },
    Exercise {
        name: "rollout",
        title: "Phase 6: a rolling update under load",
        task: "Set the image in k8s/backend-deployment.yaml to backend:v2 and save: it is rolled out, and back, while a client counts.",
        files: &[BACKEND_DEPLOYMENT],
        needs: &[BACKEND_SERVICE],
        versions: &["v2"],
        hints: [
            "The image's tag is its version: what changes in a pod's template is rolled out.",
            "What is lost is lost where an old pod goes before a new one is ready, or shuts its port while rules still lead to it.",
            "Phase 2's strategy and readiness probe, preStop as it was given, and image: backend:v2.",
        ],
        questions: &[Question {
            text: "With maxSurge=1 and maxUnavailable=0, what is the minimum number of ready pods during the rollout?",
            notions: &[("as many as are wanted: 2", &["2", "two", "all", "replicas"])],
            page: "labs/9-surge.md",
        }],
    },
    Exercise {
        name: "discussion",
        title: "Phase 7: discussion",
        task: "Nothing to fill in: type `question`, four times.",
        files: &[],
        needs: &[],
        versions: &["v1", "v2"],
        hints: [
            "Who has to reach it: pods, this machine, or everybody?",
            "A rollout waits for readiness and looks away from liveness; a limit on CPU slows, one on memory kills.",
            "labs/questions.md answers each with a command.",
        ],
        questions: &[
            Question {
                text: "When would you use ClusterIP vs NodePort vs LoadBalancer vs Ingress?",
                notions: &[
                    ("ClusterIP within the cluster", &["internal", "within", "between", "inside"]),
                    ("NodePort for development", &["dev", "test", "laptop", "node"]),
                    ("LoadBalancer at a cloud", &["cloud", "public", "external", "load balancer"]),
                    ("Ingress for HTTP", &["http", "path", "host", "layer 7", "l7"]),
                ],
                page: "labs/1-ways-in.md",
            },
            Question {
                text: "How do liveness and readiness probes interact with rolling updates?",
                notions: &[
                    ("readiness lets it go on", &["ready", "readiness"]),
                    ("liveness only restarts", &["restart", "liveness"]),
                ],
                page: "labs/2-probes-and-rollouts.md",
            },
            Question {
                text: "What are the risks of setting CPU limits too low? Too high?",
                notions: &[
                    ("too low: throttled", &["throttl", "slow", "latency"]),
                    ("too high: neighbours", &["neighbo", "other", "node", "noisy", "waste"]),
                ],
                page: "labs/3-cpu-limits.md",
            },
            Question {
                text: "How would you handle HTTPS termination with Ingress in production?",
                notions: &[
                    ("a certificate in a Secret", &["secret", "certificate", "cert"]),
                    ("tls in the Ingress", &["tls", "ingress", "terminat"]),
                ],
                page: "labs/4-https.md",
            },
        ],
    },
    Exercise {
        name: "drain",
        title: "Beyond: pods that refuse what is sent to them",
        task: "Two pods are replaced while a client opens 200 connections a second: mend the Deployment until nothing is lost.",
        files: &[DRAIN],
        needs: &[],
        versions: &[],
        hints: [
            "A pod that is deleted gets SIGTERM at once; that it goes, each node learns on its own, a moment later.",
            "Something has to last between the two, and Kubernetes has one place for it: before SIGTERM.",
            "lifecycle, beside readinessProbe: a preStop hook that sleeps some seconds.",
        ],
        questions: &[Question {
            text: "Why does readiness not help a pod that is deleted?",
            notions: &[
                ("the pod shuts its port at SIGTERM", &["sigterm", "port", "listen", "shut", "process"]),
                ("rules still lead to it", &["rule", "proxy", "endpoint", "node", "late", "news"]),
            ],
            page: "labs/5-prestop-sleep.md",
        }],
    },
    Exercise {
        name: "grace",
        title: "Beyond: pods that are killed in the middle of an answer",
        task: "Two pods are replaced while requests take 3 s each: mend the Deployment until nothing is lost.",
        files: &[GRACE],
        needs: &[],
        versions: &[],
        hints: [
            "A pod may take its time to end, but not for ever: then comes SIGKILL, whatever it is doing.",
            "The clock starts with the preStop hook. Add up: the sleep, the drain, the longest request.",
            "terminationGracePeriodSeconds: 30, the default, would do.",
        ],
        questions: &[Question {
            text: "What shares terminationGracePeriodSeconds?",
            notions: &[
                ("the preStop hook", &["prestop", "hook", "sleep"]),
                ("the drain, and requests in flight", &["drain", "flight", "request"]),
            ],
            page: "labs/8-grace.md",
        }],
    },
];

/// The exercise of this name.
///
/// # Errors
/// A message that lists the names.
pub(crate) fn named(name: &str) -> Result<&'static Exercise, String> {
    ALL.iter().find(|exercise| exercise.name == name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|exercise| exercise.name).collect();
        format!("no exercise {name:?}: {}", names.join(", "))
    })
}
