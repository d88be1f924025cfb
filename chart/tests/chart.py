"""The chart as the tests see it: rendered by the real helm, walked knob by knob."""

import copy
import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import kubernetes_validate
import yaml

CHART = Path(__file__).resolve().parent.parent
VALUES = CHART.parent / "values"

# Resources that are not Kubernetes' own: its schemas do not know them.
FOREIGN_KINDS = {"HTTPRoute", "PrometheusRule", "ServiceMonitor"}


# It reads its schemas for every object again, which takes ten times as long as to look at the object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)

DEPENDENCY = '  - {name: practice, version: ">=0", alias: %s, repository: ""}\n'


class Refused(Exception):
    """helm did not render these values; the message is helm's."""


def render(values=None, files=(), where=CHART, helm="helm"):
    """Returns the manifests that `helm template` prints for these values on top of these values files.

    Where RENDERED names a folder, what was rendered stays there for the other tests of the same run.
    """
    kept = None
    if "RENDERED" in os.environ:
        key = json.dumps([values or {}, [str(file) for file in files], str(where), helm])
        kept = Path(os.environ["RENDERED"]) / hashlib.sha256(key.encode()).hexdigest()
        if kept.exists():
            return documents(kept.read_text())
    text = helm_template(values, files, where, helm)
    if kept:
        whole = kept.with_suffix(f".{threading.get_ident()}")
        whole.write_text(text)
        whole.rename(kept)
    return documents(text)


def documents(text):
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def helm_template(values, files, where, helm):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as overlay:
        json.dump(values or {}, overlay)
        overlay.flush()
        command = [helm, "template", "practice", str(where)]
        for file in [*files, overlay.name]:
            command += ["-f", str(file)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        raise Refused(result.stderr.strip())
    return result.stdout


def invalid(document):
    """Returns what Kubernetes' own schema finds wrong with a manifest, or None."""
    if document["kind"] in FOREIGN_KINDS:
        return None
    try:
        kubernetes_validate.validate(document, "1.37", strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{document['kind']} {document['metadata']['name']} is invalid: {error}"
    return None


def umbrella(folder, *aliases, values=None):
    """A chart in this folder that has this one as its dependency, once under each alias; these are its values.yaml."""
    shutil.copytree(CHART, Path(folder) / "charts" / "practice")
    dependencies = "".join(DEPENDENCY % alias for alias in aliases)
    (Path(folder) / "Chart.yaml").write_text(f"apiVersion: v2\nname: umbrella\nversion: 1.0.0\ndependencies:\n{dependencies}")
    (Path(folder) / "values.yaml").write_text(json.dumps(values or {}))
    return folder


def schema():
    """Returns values.schema.json."""
    return json.loads((CHART / "values.schema.json").read_text())


def defaults():
    """Returns values.yaml."""
    return yaml.load((CHART / "values.yaml").read_text(), yaml.CSafeLoader)


def resolve(node, root):
    """Returns the node with its $ref followed; what stands beside the $ref wins."""
    if "$ref" not in node:
        return node
    target = root
    for step in node["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def knobs(node, root, path=()):
    """Yields (path, node) for every knob at or below the node: whatever has no properties of its own.

    What a node needs (x-needs), all below it need too.
    """
    node = resolve(node, root)
    if "properties" not in node:
        yield path, node
        return
    for key, child in node["properties"].items():
        needs = {**node.get("x-needs", {}), **child.get("x-needs", {})}
        yield from knobs({**child, "x-needs": needs} if needs else child, root, (*path, key))


def with_value(values, path, value):
    """Returns a copy of the values with this one put at the path."""
    changed = copy.deepcopy(values)
    place = changed
    for key in path[:-1]:
        if not isinstance(place.get(key), dict):
            place[key] = {}
        place = place[key]
    place[path[-1]] = value
    return changed


def value_at(values, path):
    """Returns the value at the path; KeyError where there is none."""
    for key in path:
        values = values[key]
    return values


def pod_spec(document):
    """Returns the pod spec in a manifest, or None."""
    if document["kind"] == "Pod":
        return document["spec"]
    return document.get("spec", {}).get("template", {}).get("spec")
