"""Every knob of values.schema.json reaches the manifests, and what it makes there is valid Kubernetes.

A knob brings its own test as keywords of its schema: `examples` (a value that differs from the default), `x-needs` (values
without which it has no effect), `x-with` (values that must change along with it; in both, a leading / starts at the root) and
`x-kind` (the one kind of service that it is for). So a new knob without an example, or one that no template reads, fails here.
"""

import functools
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import chart

# What cannot show in a manifest, and why.
SILENT = {
    ("clusterChecks",): "shows in NOTES and in a refusal: notes_test.yaml, guards_test.yaml",
    ("guards",): "shows in NOTES and in refusals: guards_test.yaml",
    ("services",): "has the knobs of defaults; deployment_test.yaml shows how they are merged",
    ("stores",): "has the knobs of storeDefaults; store_test.yaml shows how they are merged",
}

# No service overrides what `defaults` is to change.
BARE = {"services": {"backend": {"autoscaling": None}, "frontend": {"service": None}, "systems": {"kind": "systems"}, "observer": {"kind": "observer"}}}


def main():
    root = chart.schema()
    problems = open_objects(root, root) + missing_defaults(root) + wrong_defaults(root, chart.defaults(), root) + fetched(root)
    trials = list(all_trials(root))
    with ThreadPoolExecutor() as pool:
        problems += [problem for found in pool.map(lambda trial: trial(), trials) for problem in found]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(trials)} knobs tried, {len(problems)} problems")
    return 1 if problems else 0


def open_objects(node, root, path="values"):
    """An object with fixed keys must refuse others, or a typing error goes unnoticed. Each key has its description."""
    node = chart.resolve(node, root)
    problems = []
    if "description" not in node:
        problems.append(f"{path}: no description")
    for key, child in node.get("properties", {}).items():
        problems += open_objects(child, root, f"{path}.{key}")
    if "properties" in node and node.get("additionalProperties") not in (False,):
        problems.append(f"{path}: additionalProperties is not false")
    return problems


def missing_defaults(root):
    """values.yaml shows every knob. Quantities may be absent: absent is their default."""
    values = chart.defaults()
    problems = []
    quantity = root["definitions"]["quantity"]["anyOf"]
    for path, node in chart.knobs(root, root):
        try:
            chart.value_at(values, path)
        except KeyError:
            if node.get("anyOf") != quantity:
                problems.append(f"{'.'.join(path)}: not in values.yaml")
    return problems


def wrong_defaults(node, value, root, path=(), shown=False):
    """Each knob's `default`, its own or that of the map around it, which editors show, is what values.yaml has (and so chart/defaults.json)."""
    node = chart.resolve(node, root)
    name = ".".join(path)
    shown = shown or "default" in node
    ours, theirs = json.dumps(node.get("default"), sort_keys=True), json.dumps(value, sort_keys=True)
    if "default" in node and ours != theirs:
        return [f"{name}: its default in the schema is {ours}, in values.yaml {theirs}"]
    if "properties" not in node:
        return [] if shown else [f"{name}: the schema has no default"]
    # Quantities may be absent.
    inner = [(key, child, (value or {}).get(key)) for key, child in node["properties"].items()]
    return [problem for key, child, below in inner for problem in wrong_defaults(child, below, root, (*path, key), shown)]


def fetched(root):
    """Helm resolves a schema before it renders: a name for it and references that are no addresses let it ask nobody."""
    references = re.findall(r'"\$ref": "([^"]*)"', json.dumps(root))
    problems = [f"$ref {reference}: not in this file" for reference in references if not reference.startswith("#/")]
    return problems if root["$id"].startswith("urn:") else [*problems, f"$id {root['$id']}: an address"]


def all_trials(root):
    for path, node in chart.knobs(root, root):
        if path[0] != "defaults" and path not in SILENT:
            yield trial(path, node, ())
    for path, node in chart.knobs(root["definitions"]["service"], root):
        if "const" not in node:
            yield trial(path, node, ("defaults",))


def trial(path, node, base):
    """Returns a function that tries one knob and returns what is wrong with it."""
    name = ".".join((*base, *path))

    def run():
        if "examples" not in node:
            return [f"{name}: the schema gives no example to try"]
        example = node["examples"][0]
        before = put(BARE, base, node.get("x-needs", {}))
        after = put(before, base, {**node.get("x-with", {}), "/" + ".".join((*base, *path)): example})
        try:
            old, new = rendered(json.dumps(before)), rendered(json.dumps(after))
        except chart.Refused as refused:
            return [f"{name}: {refused}"]
        changed = [document for document in new if document not in old]
        gone = [document for document in old if document not in new]
        if not changed + gone:
            return [f"{name}: no manifest changes with {example!r}"]
        service = node.get("x-kind", "backend")
        if base and service not in map(component, changed + gone):
            return [f"{name}: no manifest of {service} changes with {example!r}"]
        missing = [value for value in scalars(example) if value not in json.dumps(changed)]
        if missing:
            return [f"{name}: the changed manifests do not say {', '.join(missing)}"]
        return [f"{name}: {problem}" for problem in map(chart.invalid, changed) if problem]

    return run


def scalars(value):
    """The texts and numbers in a value, as text; a switch need not show as such."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in scalars(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in scalars(inner)]
    return [] if isinstance(value, bool) or value is None else [str(value)]


def put(values, base, additions):
    for place, value in additions.items():
        path = place[1:].split(".") if place.startswith("/") else [*base, *place.split(".")]
        values = chart.with_value(values, path, value)
    return values


@functools.cache
def rendered(values):
    """Many knobs share their values before the change."""
    return chart.render(json.loads(values))


def component(document):
    return document["metadata"]["labels"].get("app.kubernetes.io/component")


if __name__ == "__main__":
    sys.exit(main())
