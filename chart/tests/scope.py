"""What a render works out once, it keeps in the chart's own scope: no other chart's, and as the numbers that it was given."""

import json
import re
import tempfile
import unittest
from pathlib import Path

import chart

# Much that is refused, of every group of guards.
BROKEN = {
    "services": {
        "backend": {
            "replicas": 4,
            "env": {"BURN_SLOTS": 64},
            "strategy": {"maxSurge": 0},
            "lifecycle": {"drainSeconds": 20},
            "probes": {"liveness": {"timeoutSeconds": 11}},
            "podDisruptionBudget": {"maxUnavailable": 0},
            "connections": {"maxConnections": 1000000, "idleTimeoutSeconds": 30},
            "service": {"type": "NodePort", "nodePort": 30080, "targetPort": 9000, "headless": True},
        },
        "backend-headless": {"progressDeadlineSeconds": 1},
        "jobs": {"kind": "systems", "stores": ["gone"]},
        "frontend": {"trustedProxies": [":::::"], "upstream": {"headless": True, "tryTimeoutSeconds": 6, "timeoutSeconds": 5}},
    },
    "ingress": {"paths": [{"path": "/x", "pathType": "Prefix", "service": "backnd"}], "selfSigned": {"enabled": True}},
    "load": {"enabled": True, "service": "backnd"},
    "stores": {
        "kept": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"], "persistence": {"enabled": False}, "backup": {"enabled": True}},
        "tables": {"type": "postgres", "replicas": 2},
        "elsewhere": {"url": "postgres://it"},
    },
}


class Scope(unittest.TestCase):
    def test_two_of_the_chart_in_a_release_have_services_of_their_own(self):
        values = {
            "one": {"names": {"prefix": "one"}, "services": {"backend": {"autoscaling": {"enabled": False}, "replicas": 3}}},
            "two": {"names": {"prefix": "two"}, "services": {"backend": None, "frontend": {"upstream": {"url": "http://it"}}}, "ingress": {"enabled": False}},
        }
        with tempfile.TemporaryDirectory() as folder:
            found = chart.render(values, where=chart.umbrella(folder, "one", "two"))
        replicas = {document["metadata"]["name"]: document["spec"]["replicas"] for document in found if document["kind"] == "Deployment"}
        self.assertEqual(replicas, {"one-backend": 3, "one-frontend": 2, "two-frontend": 2})

    def test_two_of_the_chart_in_a_release_may_not_have_one_name(self):
        values = {"two": {"services": {"frontend": {"service": {"nodePort": 0}}}}}
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(chart.Refused) as refused:
            chart.render(values, where=chart.umbrella(folder, "one", "two"))
        self.assertRegex(str(refused.exception), r"services.backend: it makes the Service backend, as (one|two)\.services\.backend does")
        self.assertIn("Rename one of them, or set names.prefix.", str(refused.exception))

    def test_a_refusal_is_said_to_be_of_the_values(self):
        with self.assertRaisesRegex(chart.Refused, r"practice/templates/values/checked.yaml:\d+:\d+\): these values cannot work:\n\n- names.prefix: "):
            chart.render({"names": {"prefix": "a" * 40, "serviceSuffix": "-" + "b" * 40}})

    def test_each_line_of_a_refusal_begins_with_a_knob(self):
        with self.assertRaises(chart.Refused) as refused:
            chart.render(BROKEN)
        knobs = re.findall(r"^- ([^ :]+): ", str(refused.exception), re.MULTILINE)
        self.assertEqual(len(knobs), str(refused.exception).count("\n- "))
        self.assertEqual(len(knobs), 22, knobs)
        for knob in knobs:
            path = re.sub(r"^services\.[^.]+", "defaults", re.sub(r"^stores\.[^.]+", "storeDefaults", knob)).split(".")
            self.assertIsNotNone(chart.value_at(chart.defaults(), path), knob)

    def test_large_numbers_are_written_out(self):
        values = {"services": {"backend": {"strategy": {"maxSurge": 1000000}, "connections": {"idleTimeoutSeconds": 86400}}}}
        text = json.dumps(chart.render(values))
        self.assertIn('"maxSurge": 1000000,', text)
        self.assertNotRegex(text, r"\de\+\d")

    def test_nothing_is_printed_and_parsed_again(self):
        for template in chart.CHART.glob("templates/**/*.*"):
            self.assertNotRegex(template.read_text(), r"from(Yaml|Json)(?! \(\.Files\.Get| \$document)", template.name)


if __name__ == "__main__":
    unittest.main()
