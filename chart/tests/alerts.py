"""The alerts fire when they say, and not before: tried by promtool. The dashboard asks what Prometheus understands.

Whether the pods have these metrics, e2e's `alerts_fire_in_a_real_prometheus_and_the_dashboard_has_figures` knows.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

import chart

ON = {"monitoring": {"alerts": {"enabled": True}, "dashboard": {"enabled": True}}}
MINE = {"namespace": "default", "service": "practice-backend"}
OTHERS = {"namespace": "default", "service": "elsewhere-backend"}

# What somebody reads who is woken by it.
FAILED = {
    "eval_time": "7m",
    "alertname": "RequestsFail",
    "exp_alerts": [
        {
            "exp_labels": {**MINE, "severity": "critical"},
            "exp_annotations": {
                "summary": "practice-backend of default: more than 1 % of the requests fail",
                "description": "2% get a reply of 5xx.",
            },
        }
    ],
}


def main():
    documents = chart.render(ON)
    rules = only(documents, "PrometheusRule")["spec"]
    dashboard = json.loads(next(d for d in documents if d["metadata"]["name"] == "practice-dashboard")["data"]["practice.json"])
    asked = [expression for panel in dashboard["panels"] for expression in expressions(panel)]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        files = {
            "rules.yaml": rules,
            "dashboard.yaml": {"groups": [{"name": "asked", "rules": [{"record": "asked", "expr": expression} for expression in asked]}]},
            "trials.yaml": {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": trials()},
        }
        for name, content in files.items():
            (folder / name).write_text(yaml.dump(content))
        promtool(folder, "check", "rules", "--lint=none", "rules.yaml", "dashboard.yaml")
        promtool(folder, "test", "rules", "trials.yaml")
    print(f"{len(trials())} trials of {len(rules['groups'][0]['rules'])} alerts, {len(asked)} questions of the dashboard")
    return 0


def only(documents, kind):
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def expressions(panel):
    for target in panel["targets"]:
        yield target["expr"].replace("$__rate_interval", "1m").replace("$namespace", "default").replace("$service", ".+")


def promtool(folder, *arguments):
    result = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, timeout=120)
    if result.returncode != 0:
        sys.exit(f"promtool {' '.join(arguments)}: {result.stdout}{result.stderr}")


def trials():
    """What is counted a minute from the start, and which alerts there are after so many minutes."""
    return [
        trial(replies(MINE, 98, 2), {4: [], 7: ["RequestsFail"]}) | {"alert_rule_test": [FAILED]},
        trial(replies(MINE, 99, 1), {20: []}),
        trial(replies(OTHERS, 0, 100), {20: []}),
        trial(durations(MINE, within=97, slower=3), {4: [], 7: ["RequestsAreSlow", "ObjectiveMissed"]}),
        # One in 50 takes between 200 and 500 ms.
        trial(durations(MINE, within=98, up_to_half=2), {20: ["ObjectiveMissed"]}),
        trial(durations(MINE, within=995, up_to_half=5), {20: []}),
        trial(durations(OTHERS, within=0, slower=100), {20: []}),
    ]


def trial(series, alerts):
    return {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": 'count by (alertname, service) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": f'{{alertname="{name}",service="practice-backend"}}', "value": 1} for name in firing],
            }
            for minute, firing in alerts.items()
        ],
    }


def replies(of, well, failed):
    return [counted("http_requests_total", {**of, "status": status}, count) for status, count in (("2xx", well), ("5xx", failed))]


def durations(of, within, up_to_half=0, slower=0):
    name, total = "http_request_duration_seconds", within + up_to_half + slower
    buckets = {"0.1": within, "0.2": within, "0.5": within + up_to_half, "1.0": total, "+Inf": total}
    return [counted(f"{name}_bucket", {**of, "le": le}, count) for le, count in buckets.items()] + [counted(f"{name}_count", of, total)]


def counted(name, labels, count):
    labels = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{name}{{{labels}}}", "values": f"0+{count}x60"}


if __name__ == "__main__":
    sys.exit(main())
