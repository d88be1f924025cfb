"""The chart's sum of what a pod may take of memory is the binary's own.

A memory limit of one byte makes the guard say the sum; the binary prints its own for the same settings (`backend --memory`, JSON).
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import chart

BINARIES = Path(os.environ.get("BINARIES", chart.CHART.parent / "target" / "debug"))

# The settings of a service, those that the sum depends on away from their defaults, one after the other.
CASES = [
    {},
    {"connections": {"maxConnections": 100}},
    {"requests": {"maxInFlight": 64}},
    {"requests": {"maxHeadBytes": 4096}},
    {"requests": {"maxHeadBytes": 65536}},
    {"requests": {"maxHeldBodyBytes": 1048576}},
    {"burn": {"slots": 64}},
    {"tunnels": {"max": 10}},
    {"tunnels": {"max": 5000}},
    {
        "routeTable": {
            "upstreams": {"it": {"url": "http://it:8000"}},
            "routes": [
                {"path": "/a", "upstream": "it", "rateLimit": {"requests": 1, "periodSeconds": 1}},
                {"path": "/b", "upstream": "it", "rateLimit": {"requests": 1, "periodSeconds": 1}},
                {"path": "/c", "upstream": "it"},
            ],
        }
    },
    {
        "routeTable": {
            "upstreams": {"it": {"url": "http://it:8000"}},
            "routes": [{"path": f"/{name}", "aggregate": {"a": {"upstream": "it"}, "b": {"upstream": "it"}}} for name in "ab"],
        }
    },
]


def main():
    wrong, tried = 0, 0
    for kind in ("backend", "frontend", "systems", "observer"):
        for case in CASES:
            tried += 1
            values = {"services": {"backend": None, "frontend": None, "it": {"kind": kind, **case}}}
            values["services"]["it"].setdefault("upstream", {"url": "http://it:8000"})
            values["ingress"] = {"enabled": False}
            said, printed = in_guard(values), in_binary(kind, values)
            if said != printed:
                print(f"{kind} {json.dumps(case)}: the chart has {said} bytes, the binary {printed}", file=sys.stderr)
                wrong += 1
    print(f"{tried} sums")
    return 1 if wrong else 0


def in_guard(values):
    limited = json.loads(json.dumps(values))
    limited["services"]["it"]["resources"] = {"limits": {"memory": "1"}}
    try:
        chart.render(limited)
    except chart.Refused as refused:
        found = re.search(r"let clients take (\d+) bytes, and the pod is killed beyond 1\.", str(refused))
        return int(found[1]) if found else str(refused)
    return "no refusal"


def in_binary(kind, values):
    environment, table = {}, None
    wide = json.loads(json.dumps(values))
    wide["services"]["it"]["resources"] = {"limits": {"memory": "1Ti"}}
    for document in chart.render(wide):
        if document["kind"] == "Deployment":
            container = document["spec"]["template"]["spec"]["containers"][0]
            environment = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
        if document["kind"] == "ConfigMap":
            table = next((text for text in document["data"].values() if "routes" in text), table)
    environment.pop("ROUTES_FILE", None)
    if table:
        file = BINARIES / "memory-routes.json"
        file.write_text(table)
        environment["ROUTES_FILE"] = str(file)
    result = subprocess.run([BINARIES / kind, "--memory"], capture_output=True, text=True, env=environment)
    return json.loads(result.stdout)["bytes"] if result.returncode == 0 else result.stderr


if __name__ == "__main__":
    sys.exit(main())
