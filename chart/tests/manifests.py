"""Every values file renders to valid, unique Kubernetes objects whose pods meet the restricted Pod Security Standard.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

import re
import sys

import yaml

import chart

# All that is off by default, on.
EVERYTHING = {
    "debug": {"enabled": True},
    "stores": {"redis": {"replicas": 3}, "tables": {"type": "postgres"}},
    "storeDefaults": {"backup": {"enabled": True}},
    "ingress": {"hosts": ["shop.example"], "selfSigned": {"enabled": True}},
    "load": {"enabled": True},
    "networkPolicy": {"enabled": True},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]},
    "monitoring": {"scrapeAnnotations": True, "serviceMonitor": {"enabled": True}, "alerts": {"enabled": True}, "dashboard": {"enabled": True}},
    "defaults": {
        "configMap": {"enabled": True},
        "service": {"headless": True},
        "stores": ["redis", "tables"],
        "data": {"items": [{"id": 1, "name": "Ada"}]},
        "initContainers": [{"name": "first", "image": "client:v1"}],
        "sidecars": [{"name": "beside", "image": "client:v1", "resources": {"requests": {"cpu": "10m"}}}],
    },
}


def main():
    problems = []
    checked = 0
    for file in [None, *sorted(chart.VALUES.glob("*.yaml"))]:
        if not knows_the_schema(file or chart.CHART / "values.yaml"):
            problems.append(f"{file or 'values.yaml'}: no line that tells an editor of values.schema.json")
        for title, values in (("alone", {}), ("with everything on", everything(file))):
            documents = chart.render(values, [file] if file else [])
            checked += len(documents)
            where = f"{file.name if file else 'values.yaml'} {title}"
            problems += [f"{where}: {problem}" for document in documents for problem in wrong(document)]
            problems += [f"{where}: two objects are {key}" for key in twice(documents)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{checked} manifests checked, {len(problems)} problems")
    return 1 if problems else 0


def knows_the_schema(file):
    """Whether editors find the schema by what the file says of it: https://github.com/redhat-developer/yaml-language-server."""
    said = re.search(r"^# yaml-language-server: \$schema=(.+)$", file.read_text(), re.MULTILINE)
    return said and (file.parent / said[1]).resolve() == chart.CHART / "values.schema.json"


def everything(file):
    """All that is off by default, on, in a system that may have no service of the default names."""
    own = (yaml.load(file.read_text(), yaml.CSafeLoader) if file else {}).get("services", {})
    if own.get("frontend", {}).get("enabled", True):
        return EVERYTHING
    service = next(name for name, knobs in own.items() if knobs.get("enabled", True) and knobs.get("role") != "worker")
    values = chart.with_value(EVERYTHING, ("load", "service"), service)
    return chart.with_value(values, ("httpRoute", "paths"), [{"path": "/", "pathType": "PathPrefix", "service": service}])


def wrong(document):
    name = f"{document['kind']} {document['metadata']['name']}"
    invalid = chart.invalid(document)
    problems = [invalid] if invalid else []
    spec = chart.pod_spec(document)
    if spec:
        problems += [f"{name}: {problem}" for problem in [*unrestricted(spec), *unbounded(document["kind"], spec)]]
    return problems


def unrestricted(spec):
    pod = spec.get("securityContext", {})
    # An observer's is its way to the API server.
    if spec.get("automountServiceAccountToken") is not (spec["containers"][0]["name"] == "observer"):
        yield "mounts a service account token"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield key
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own = container.get("securityContext", {})
        effective = {**pod, **own}
        demands = {
            "runAsNonRoot": effective.get("runAsNonRoot") is True,
            "runAsUser other than 0": effective.get("runAsUser") != 0,
            "seccompProfile RuntimeDefault": effective.get("seccompProfile") == {"type": "RuntimeDefault"},
            "allowPrivilegeEscalation false": own.get("allowPrivilegeEscalation") is False,
            "capabilities: drop ALL": own.get("capabilities") == {"drop": ["ALL"]},
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
        }
        for demand, met in demands.items():
            if not met:
                yield f"container {container['name']}: not {demand}"


def unbounded(kind, spec):
    """What a service may leave out, its init containers, stores, tests and Jobs have: their knobs do not know of each other."""
    for container in spec["containers"] if kind in ("StatefulSet", "Pod", "Job") else []:
        for bound in ("requests", "limits"):
            if "ephemeral-storage" not in container["resources"][bound]:
                yield f"container {container['name']}: no {bound} of ephemeral-storage"
    for container in spec.get("initContainers", []):
        if container.get("restartPolicy") != "Always" and container["resources"] != spec["containers"][0].get("resources", {}):
            yield f"init container {container['name']}: other resources than the service"


def twice(documents):
    keys = [f"{document['kind']} {document['metadata']['name']}" for document in documents]
    return sorted({key for key in keys if keys.count(key) > 1})


if __name__ == "__main__":
    sys.exit(main())
