"""30 services render within a second, gateways and network policies among them.

    chart/tests/speed.py             what renders take, in seconds of CPU, beside the chart that `helm create` makes
    chart/tests/speed.py REV...      these git revisions beside the working tree

The least of three tries, user and system time of helm together: a busy machine makes the others wait, and this hardly.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import chart

MOST_SECONDS = 1.0
SERVICES = 30
TRIES = 3


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["helm", "create", "created"], cwd=folder, check=True, capture_output=True)
        revisions = {revision: at_revision(revision, Path(folder) / str(place)) for place, revision in enumerate(sys.argv[1:])}
        cases = {"defaults": {}, f"{SERVICES} APIs": apis(SERVICES), f"{SERVICES}, half of them gateways": gateways(SERVICES)}
        print("".join(f"{title:>28}" for title in ["", *cases]))
        for title, where in {**revisions, "working tree": chart.CHART}.items():
            costs = [seconds(where, values) for values in cases.values()]
            print("".join([f"{title:>28}", *(f"{cost:>28.2f}" for cost in costs)]))
        print(f"{'helm create':>28}{seconds(Path(folder) / 'created', {}):>28.2f}")
    # Of the working tree: it came last.
    print(f"{SERVICES} services within {max(costs):.2f} s of CPU, at most {MOST_SECONDS} s")
    return 0 if max(costs) <= MOST_SECONDS else 1


def at_revision(revision, folder):
    """Unpacks the chart of a git revision into the folder, and returns where it is."""
    packed = subprocess.run(["git", "archive", revision, "chart"], cwd=chart.CHART.parent, check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "chart"


def apis(count):
    """Services with an autoscaler and a headless Service each."""
    return system({f"api-{number}": {"service": {"headless": True}, "autoscaling": {"enabled": True}} for number in range(count)})


def gateways(count):
    """Every other one asks the one before it, by a route table, and each has a network policy."""
    services = apis(count)["services"]
    for number in range(1, count, 2):
        table = {"upstreams": {"api": {"service": f"api-{number - 1}", "headless": True}}, "routes": [{"path": "/api", "upstream": "api"}]}
        services[f"api-{number}"] = {"kind": "frontend", "routeTable": table}
    return {**system(services), "networkPolicy": {"enabled": True}}


def system(services):
    ingress = {"paths": [{"path": "/", "pathType": "Prefix", "service": next(name for name, knobs in services.items() if knobs)}]}
    return {"services": {"backend": None, "frontend": None, **services}, "ingress": ingress}


def seconds(where, values):
    """What helm takes of the CPU to render the chart with these values."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        return min(used(["helm", "template", "practice", str(where), "-f", file.name]) for _ in range(TRIES))


def used(command):
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
