"""What an upgrade changes, and what it must leave alone: two renderings side by side."""

import shutil
import tempfile
import unittest
from pathlib import Path

import chart

LOAD = {"load": {"enabled": True}, "debug": {"enabled": True}}
CONFIG_MAP = {"defaults": {"configMap": {"enabled": True}}}


def objects(values, where=chart.CHART):
    return {(found["kind"], found["metadata"]["name"]): found for found in chart.render(values, where=where)}


def pods(rendered):
    """The pod templates: a change in one of them is a rollout."""
    return {
        name: found["spec"]["template"] for (kind, name), found in rendered.items() if kind in ("Deployment", "Job")
    }


def newer_chart(folder):
    """A copy of the chart with another version, in this folder."""
    newer = Path(shutil.copytree(chart.CHART, Path(folder) / "practice"))
    metadata = newer / "Chart.yaml"
    metadata.write_text(metadata.read_text().replace("\nversion: ", "\nversion: 9"))
    return newer


class Upgrades(unittest.TestCase):
    def test_a_new_tag_rolls_the_services_and_nothing_else(self):
        before = objects(LOAD)
        after = objects({**LOAD, "image": {"tag": "v2"}})
        changed = {key for key in before | after if before.get(key) != after.get(key)}
        self.assertEqual(changed, {("Deployment", "practice-backend"), ("Deployment", "practice-frontend")})

    def test_changed_load_is_a_new_job(self):
        before = pods(objects(LOAD))
        after = pods(objects({**LOAD, "load": {"enabled": True, "rate": 7}}))
        self.assertEqual(len(set(before) & set(after)), 3)
        self.assertEqual(len(set(before) ^ set(after)), 2)

    def test_a_new_chart_version_rolls_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            before, after = objects(LOAD), objects(LOAD, newer_chart(folder))
        self.assertNotEqual(before, after)
        self.assertEqual(pods(before), pods(after))

    def test_a_new_chart_version_and_a_new_tag_leave_the_store_alone(self):
        stored = {"stores": {"redis": {"backup": {"enabled": True}}, "orders": {"type": "postgres"}}}
        with tempfile.TemporaryDirectory() as folder:
            before, after = objects(stored), objects({**stored, "image": {"tag": "v2"}}, newer_chart(folder))
        kept = [key for key in before if key[0] in ("StatefulSet", "Job", "CronJob")]
        self.assertEqual(len(kept), 4)
        for key in kept:
            self.assertEqual(before[key]["spec"], after[key]["spec"])

    def test_a_store_that_is_written_as_before_is_the_same(self):
        before = {"store": {"enabled": True, "name": "valkey", "maxMemoryMiB": 32}, "services": {"jobs": {"kind": "systems", "useStore": True}}}
        after = {"stores": {"valkey": {"maxMemoryMiB": 32}}, "services": {"jobs": {"kind": "systems", "stores": ["valkey"]}}}
        before, after = objects(before), objects(after)
        for rendered in (before, after):
            rendered[("Secret", "practice-valkey")].pop("data")
        self.assertEqual(before, after)

    def test_changed_items_roll_the_pods_that_serve_them(self):
        def items(name):
            return {"services": {"backend": {"data": {"items": [{"id": 1, "name": name}]}}}}

        before, after = pods(objects(items("Ada"))), pods(objects(items("Grace")))
        self.assertNotEqual(before["practice-backend"], after["practice-backend"])
        self.assertEqual(before["practice-frontend"], after["practice-frontend"])

    def test_changed_settings_roll_the_pods_that_read_them(self):
        before = pods(objects(CONFIG_MAP))
        changed = chart.with_value(CONFIG_MAP, ("services", "backend", "logs", "level"), "debug")
        after = pods(objects(changed))
        self.assertNotEqual(before["practice-backend"], after["practice-backend"])
        self.assertEqual(before["practice-frontend"], after["practice-frontend"])

    def test_without_the_checksum_changed_settings_roll_nothing(self):
        kept = chart.with_value(CONFIG_MAP, ("defaults", "configMap", "rollOnChange"), False)
        before = objects(kept)
        after = objects(chart.with_value(kept, ("services", "backend", "logs", "level"), "debug"))
        self.assertNotEqual(before[("ConfigMap", "practice-backend")], after[("ConfigMap", "practice-backend")])
        self.assertEqual(pods(before), pods(after))


if __name__ == "__main__":
    unittest.main()
