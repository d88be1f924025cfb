"""What other charts make of the mistakes that this one refuses, and which kinds of objects each can make.

    git clone https://github.com/stefanprodan/podinfo; git clone https://github.com/stakater/application
    git clone https://github.com/bjw-s-labs/helm-charts
    chart/tests/compare.py podinfo application helm-charts       writes the tables of docs/charts.md anew, helm create's column too
    chart/tests/compare.py                                       says whether they are right of this chart, and name tests that are here

A mistake of this chart's is a test of guards_test.yaml, by its name: its values and that they are refused are there. The others' are below:
each renders without them, so what is refused is refused for them.
"""

import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

import chart

PAGE = chart.CHART.parent / "docs" / "charts.md"
CHARTS = ("practice", "podinfo", "helm create", "application", "app-template")

# What each renders with.
BASE = {
    "practice": {},
    "podinfo": {},
    "helm create": {},
    "application": {"applicationName": "shop", "deployment": {"image": {"repository": "shop", "tag": "v1"}}},
    "app-template": {
        "controllers": {"main": {"containers": {"main": {"image": {"repository": "shop", "tag": "v1"}}}}},
        "service": {"main": {"controller": "main", "ports": {"http": {"port": 80}}}},
    },
}

AT_ONCE = {"requests": {"cpu": 2}, "limits": {"cpu": 1}}
# Kubernetes takes no sleep above the grace period; what is served after it has no time.
SLEEP = {"preStop": {"sleep": {"seconds": 5}}}
SLOW = {"httpGet": {"path": "/", "port": "http"}, "timeoutSeconds": 20, "periodSeconds": 10}
MOUNT = {"name": "gone", "mountPath": "/gone"}


def controller(values):
    return {"controllers": {"main": values}}


def container(values):
    return controller({"containers": {"main": values}})


# The mistake, what becomes of it, the test, and the values of the others. A chart that is not there has no knob for it.
MISTAKES = [
    (
        "a misspelt key",
        "the default goes on",
        "a key that does not exist",
        {
            "podinfo": {"replicas": 3},
            "helm create": {"replicas": 3},
            "application": {"deployment": {"replica": 3}},
            "app-template": controller({"replica": 3}),
        },
    ),
    (
        "a request above its limit",
        "the API server refuses it",
        "a request above its limit",
        {
            "podinfo": {"resources": AT_ONCE},
            "helm create": {"resources": AT_ONCE},
            "application": {"deployment": {"resources": AT_ONCE}},
            "app-template": container({"resources": AT_ONCE}),
        },
    ),
    (
        "a grace period shorter than the shutdown",
        "requests are lost at each stop",
        "a grace period shorter than the shutdown",
        {
            "application": {"deployment": {"lifecycle": SLEEP, "terminationGracePeriodSeconds": 5}},
            "app-template": controller({"pod": {"terminationGracePeriodSeconds": 5}, "containers": {"main": {"lifecycle": SLEEP}}}),
        },
    ),
    (
        "an autoscaler on CPU, and no CPU request",
        "it sees nothing and never scales",
        "an autoscaler without a CPU request",
        {
            "podinfo": {"hpa": {"enabled": True, "cpu": 50}, "resources": {"requests": None}},
            "helm create": {"autoscaling": {"enabled": True}},
            "application": {"autoscaling": {"enabled": True}},
        },
    ),
    (
        "more pods at least than at most",
        "the API server refuses it",
        "fewer pods at most than at least",
        {
            "podinfo": {"replicaCount": 5, "hpa": {"enabled": True, "cpu": 50, "maxReplicas": 2}},
            "helm create": {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 2}},
            "application": {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 2}},
        },
    ),
    (
        "a disruption budget that lets no pod go",
        "a drain waits for ever",
        "a disruption budget that lets no pod go",
        {
            "podinfo": {"replicaCount": 2, "podDisruptionBudget": {"maxUnavailable": 0}},
            "application": {"pdb": {"enabled": True, "minAvailable": "100%"}},
        },
    ),
    (
        "a rollout that can neither start nor stop a pod",
        "the API server refuses it",
        "a rollout that can neither start nor stop a pod",
        {
            "application": {"deployment": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}},
            "app-template": controller({"strategy": "RollingUpdate", "rollingUpdate": {"surge": 0, "unavailable": 0}}),
        },
    ),
    (
        "a probe slower than its period",
        "it counts failures later than it says",
        "a probe slower than its period",
        {
            "podinfo": {"probes": {"liveness": {"timeoutSeconds": 20}}},
            "helm create": {"livenessProbe": SLOW},
            "application": {"deployment": {"livenessProbe": {"enabled": True, **SLOW}}},
            "app-template": container({"probes": {"liveness": {"enabled": True, "custom": True, "spec": {**SLOW, "httpGet": {"path": "/", "port": 80}}}}}),
        },
    ),
    (
        "a node port out of range",
        "the API server refuses it",
        "a node port outside of the range",
        {
            "podinfo": {"service": {"type": "NodePort", "nodePort": 80}},
            "application": {"service": {"type": "NodePort", "ports": [{"name": "http", "port": 80, "targetPort": 80, "nodePort": 80}]}},
            "app-template": {"service": {"main": {"controller": "main", "type": "NodePort", "ports": {"http": {"port": 80, "nodePort": 80}}}}},
        },
    ),
    (
        "a path to a service that is not there",
        "503, once somebody asks",
        "a path to a service that does not exist",
        {
            "application": {"ingress": {"enabled": True, "hosts": [{"host": "shop.example", "paths": [{"path": "/", "serviceName": "backnd"}]}]}},
            "app-template": {"ingress": {"main": {"hosts": [{"host": "shop.example", "paths": [{"path": "/", "service": {"identifier": "backnd"}}]}]}}},
        },
    ),
    (
        "a mount of a volume that is not there",
        "the API server refuses it",
        "what a pod has once, mounts of nothing, and a user that may not start",
        {"helm create": {"volumeMounts": [MOUNT]}, "application": {"deployment": {"volumeMounts": {"gone": {"mountPath": "/gone"}}}}},
    ),
]

# What a chart can make, by what its templates write after `kind:`.
KINDS = (
    "Deployment StatefulSet DaemonSet CronJob PersistentVolumeClaim Secret HorizontalPodAutoscaler VerticalPodAutoscaler PodDisruptionBudget"
    " NetworkPolicy Ingress HTTPRoute GRPCRoute Certificate ServiceMonitor PrometheusRule ExternalSecret ClusterRole"
).split()


def main():
    if len(sys.argv) not in (1, 4):
        print(__doc__, file=sys.stderr)
        return 64
    text = PAGE.read_text()
    if len(sys.argv) == 4:
        with tempfile.TemporaryDirectory() as folder:
            tables = compared(charts(Path(folder), *map(Path, sys.argv[1:])))
        PAGE.write_text(re.sub(r"(?s)\| mistake.*\|\n", lambda _: tables, text))
        return 0
    refusing = {test["it"] for test in tests() if any("failedTemplate" in assertion for assertion in test["asserts"])}
    problems = [f"guards_test.yaml refuses nothing as {test!r}" for _, _, test, _ in MISTAKES if test not in refusing]
    problems += [f"docs/charts.md has no line for {mistake!r}" for mistake, becomes, test, _ in MISTAKES if begin(mistake, becomes, test) not in text]
    problems += [f"docs/charts.md: {kind} is made by this chart's templates, or it is not" for kind in KINDS if f"| `{kind}` | {makes(chart.CHART, kind)} |" not in text]
    told = int(re.search(r"\| KiB of templates and schemas \| (\d+) ", text)[1])
    if abs(told - size(chart.CHART)) > told / 10:
        problems.append(f"docs/charts.md: templates and schemas have {size(chart.CHART)} KiB, and not {told}")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(MISTAKES)} mistakes and {len(KINDS)} kinds beside four charts, {len(problems)} problems")
    return 1 if problems else 0


def tests():
    return yaml.load((chart.CHART / "tests" / "guards_test.yaml").read_text(), yaml.CSafeLoader)["tests"]


def charts(folder, podinfo, application, bjws):
    """The charts, as they can be rendered: app-template with its library beside it, whose schema it would else ask of its address."""
    subprocess.run(["helm", "create", "created"], cwd=folder, check=True, capture_output=True)
    template, library = folder / "app-template", folder / "app-template" / "charts" / "common"
    shutil.copytree(bjws / "charts" / "other" / "app-template", template, ignore=shutil.ignore_patterns("LICENSE"))
    shutil.copytree(bjws / "charts" / "library" / "common", library, ignore=shutil.ignore_patterns("LICENSE", "test-chart"))
    address = json.loads((library / "values.schema.json").read_text())["$id"].removesuffix("/values.schema.json")
    for file in folder.glob("app-template/**/*.json"):
        file.write_text(file.read_text().replace(address, library.as_uri()))
    return dict(zip(CHARTS, (chart.CHART, podinfo / "charts" / "podinfo", folder / "created", application / "application", template), strict=True))


def begin(mistake, becomes, test):
    return f"| {mistake}: {becomes} | refused: *{test}* |"


def compared(where):
    names = [f"{name} {version(path)}" for name, path in where.items()]
    tables = head("mistake: what becomes of it", names)
    for mistake, becomes, test, values in MISTAKES:
        tables += f"{begin(mistake, becomes, test)} {' | '.join(verdict(where[name], name, values) for name in CHARTS[1:])} |\n"
    tables += "\n" + head("it can make", names)
    for kind in KINDS:
        tables += f"| `{kind}` | {' | '.join(makes(path, kind) for path in where.values())} |\n"
    tables += "\n" + head("as it comes", names)
    tables += f"| ms of CPU of `helm template` | {' | '.join(str(cost(path, name)) for name, path in where.items())} |\n"
    return tables + f"| KiB of templates and schemas | {' | '.join(str(size(path)) for path in where.values())} |\n"


def head(first, names):
    return f"| {first} | {' | '.join(names)} |\n| --- |{' --- |' * len(names)}\n"


def version(path):
    """Its own number; what helm create makes has that of Helm."""
    if path.name == "created":
        return subprocess.run(["helm", "version", "--short"], check=True, capture_output=True, text=True).stdout.split("+")[0].strip()
    return yaml.safe_load((path / "Chart.yaml").read_text())["version"]


def verdict(path, name, values):
    if name not in values:
        return "no knob"
    one, another = (rendered(path, BASE[name]).splitlines() for _ in range(2))
    try:
        mistaken = rendered(path, merged(BASE[name], values[name])).splitlines()
    except chart.Refused as refused:
        print(f"{name}: {refused}", file=sys.stderr)
        return "refused"
    # Some make names by lot.
    same = len(mistaken) == len(one) and all(line in (old, other) or old != other for line, old, other in zip(mistaken, one, another, strict=True))
    return "ignored" if same else "taken"


def rendered(path, values):
    """By helm alone: nothing of it is kept for other tests."""
    return chart.helm_template(values, (), path, "helm")


def merged(base, over):
    both = {key: merged(base[key], over[key]) if isinstance(base[key], dict) and isinstance(over[key], dict) else over[key] for key in base.keys() & over}
    return {**base, **over, **both}


def makes(path, kind):
    """Whether a template of it, or of its library, writes such an object; where kinds are worked out, whether a schema has that one."""
    templates = [file.read_text() for file in path.glob("**/templates/**/*") if file.suffix in (".yaml", ".tpl")]
    written = any(re.search(rf"(?m)^\s*kind: {kind}\s*$", text) for text in templates)
    worked_out = any(re.search(r"(?m)^kind: {{", text) for text in templates)
    return "yes" if written or (worked_out and any(f'"{kind}"' in file.read_text() for file in path.glob("**/*.json"))) else "no"


def cost(path, name):
    """The least of five."""
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        rendered(path, BASE[name])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return round(min(spent) * 1000)


def size(path):
    files = [file for file in path.glob("**/*") if file.suffix in (".yaml", ".tpl", ".txt") and "templates" in file.parts or file.suffix == ".json"]
    return round(sum(file.stat().st_size for file in files if "tests" not in file.relative_to(path).parts[:1]) / 1024)


if __name__ == "__main__":
    sys.exit(main())
