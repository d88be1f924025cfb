"""What kube-score finds in the chart as installed and in values/production.yaml, and with everything on: mended, or here with its reason.

https://github.com/zegl/kube-score/blob/master/README_CHECKS.md
"""

import json
import subprocess
import sys
import tempfile

import yaml

import chart
from manifests import EVERYTHING

ALONE, PRODUCTION, ALL = "values.yaml", "values/production.yaml", "everything"

# By what it says: where it may, and why that stays.
IGNORED = {
    # An image that a node has starts while its registry is away, and a tag that moves is what image.digest is for.
    "ImagePullPolicy is not set to Always": {ALONE, PRODUCTION, ALL},
    # As installed, the pods have what the practice says of them. values/production.yaml bounds it.
    "Ephemeral Storage request is not set": {ALONE, ALL},
    "Ephemeral Storage limit is not set": {ALONE, ALL},
    # A knob, off as installed: not every cluster enforces policies. Pods of tests, load, debug and copies take no requests.
    "The pod does not have a matching NetworkPolicy": {ALONE, PRODUCTION, ALL},
    # By topologySpreadConstraints in values/production.yaml, for which a rollout on few nodes does not wait.
    "Deployment does not have a host podAntiAffinity set": {ALONE, PRODUCTION, ALL},
    # The same.
    "StatefulSet does not have a host podAntiAffinity set": {ALL},
    # Nobody takes the place of a store's first pod: a budget would stop a drain and save nothing.
    "No matching PodDisruptionBudget was found": {ALL},
    # The page of the practice is at a port of each node.
    "The service is of type NodePort": {ALONE, ALL},
    # A throttled pod answers late although its node has time: values/production.yaml says so.
    "CPU limit is not set": {PRODUCTION, ALL},
    # It selects by a label that the StatefulSet gives its pods: the first one takes the writes.
    "The services selector does not match any pods": {ALL},
    # A sidecar of the trial, with a CPU request and no more, so that it is seen what the chart adds.
    "Memory request is not set": {ALL},
    "Memory limit is not set": {ALL},
}


def main():
    cases = {
        ALONE: chart.render(),
        PRODUCTION: chart.render(files=[chart.VALUES / "production.yaml"]),
        ALL: chart.render(EVERYTHING),
    }
    found = [(place, *finding) for place, documents in cases.items() for finding in findings(documents)]
    problems = [f"{place}: {name}: {what}" for place, name, what in found if place not in IGNORED.get(what, ())]
    seen = {(what, place) for place, _, what in found}
    gone = [(what, place) for what, places in IGNORED.items() for place in sorted(places) if (what, place) not in seen]
    problems += [f"{what!r} is not found in {place}: take it out of IGNORED" for what, place in gone]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(found)} findings, {len(problems)} problems")
    return 1 if problems else 0


def findings(documents):
    """Yields the object, and what is said of it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump_all(documents, file)
        file.flush()
        command = ["kube-score", "score", "--output-format", "json", file.name]
        judged = subprocess.run(command, capture_output=True, text=True, timeout=60)
    for found in json.loads(judged.stdout):
        for check in found["checks"]:
            if not check["skipped"] and check["grade"] < 10:
                for comment in check["comments"] or []:
                    yield found["object_name"], comment["summary"]


if __name__ == "__main__":
    sys.exit(main())
