"""What an upgrade changes, and what it must leave alone: two renderings side by side."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

import chart

LOAD = {"load": {"enabled": True}, "debug": {"enabled": True}}
# They take a limit away with null, which in an umbrella's own values.yaml takes nothing away (Helm 4.3). `enabled: false` does.
NULLS = ("hpa-without-requests.yaml", "production.yaml")
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


def reused(config):
    """The values of a release of this config as --reuse-values takes them for its chart's: Helm's own, asked without a cluster."""
    release = {
        "name": "practice",
        "namespace": "default",
        "version": 1,
        "info": {"status": "deployed"},
        "config": config,
        "chart": {"metadata": {"name": "practice", "version": "1.0.0", "apiVersion": "v2"}, "values": chart.defaults()},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as kept:
        json.dump([release], kept)
        kept.flush()
        environment = {**os.environ, "HELM_DRIVER": "memory", "HELM_MEMORY_DRIVER_DATA": kept.name}
        command = ["helm", "get", "values", "practice", "--all", "--namespace", "default", "--output", "json"]
        return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600).stdout)


def settled(rendered):
    """Less what is drawn by lot, as the password of a store is."""
    return [found for found in rendered if found["kind"] != "Secret"]


class ValuesFiles(unittest.TestCase):
    """Each values file, in the ways in which Helm brings it to the chart a second time, makes what it made the first time."""

    def tried(self, again, but=()):
        def differs(file):
            config = yaml.load(file.read_text(), yaml.CSafeLoader) if file else {}
            with tempfile.TemporaryDirectory() as folder:
                try:
                    return settled(again(config, Path(folder))) != settled(chart.render(files=[file] if file else []))
                except chart.Refused as refused:
                    return str(refused)

        with ThreadPoolExecutor() as pool:
            files = [None, *(file for file in sorted(chart.VALUES.glob("*.yaml")) if file.name not in but)]
            self.assertEqual([(file and file.name, found) for file, found in zip(files, pool.map(differs, files)) if found], [])

    def test_reuse_values(self):
        def again(config, folder):
            where = shutil.copytree(chart.CHART, folder / "practice")
            (where / "values.yaml").write_text(json.dumps(reused(config)))
            return chart.render(config, where=where)

        self.tried(again)

    def test_an_umbrella_s_own_values(self):
        self.tried(lambda config, folder: chart.render(where=chart.umbrella(folder, "practice", values={"practice": config})), NULLS)

    def test_values_for_an_umbrella(self):
        self.tried(lambda config, folder: chart.render({"practice": config}, where=chart.umbrella(folder, "practice")))

    def test_an_umbrella_s_own_values_in_helm_3(self):
        """It takes away what null is given for, and so all files are here."""
        self.tried(lambda config, folder: chart.render(where=chart.umbrella(folder, "practice", values={"practice": config}), helm="helm3"))


class Nulls(unittest.TestCase):
    """A knob that is not there, because somebody set it to null or because a release has the values of a chart that lacked it."""

    # What null is a value of, and this chart's is not null.
    KEPT = [
        ("services",),
        *((of, "resources", bound, what) for of in ("defaults", "storeDefaults", "client") for bound in ("requests", "limits") for what in ("cpu", "memory")),
        *((of, "resources", bound, "ephemeral-storage") for of in ("storeDefaults", "client") for bound in ("requests", "limits")),
        ("defaults", "autoscaling", "targetCPUUtilizationPercentage"),
        ("defaults", "podDisruptionBudget", "maxUnavailable"),
    ]
    # A map, not a group of knobs: null empties it.
    EMPTIED = {"defaults": {"podSecurityContext": None, "securityContext": None}}

    def test_a_knob_that_is_not_there_has_its_default(self):
        values = {}
        for path in self.KEPT:
            values = chart.with_value(values, path, chart.value_at(chart.defaults(), path))
        with tempfile.TemporaryDirectory() as folder:
            where = shutil.copytree(chart.CHART, Path(folder) / "practice")
            (where / "values.yaml").write_text(json.dumps(values))
            self.assertEqual(chart.render(where=where), chart.render(self.EMPTIED))

    def test_null_is_the_default(self):
        root = chart.schema()
        values = {}
        for path, _ in chart.knobs(root, root):
            if path not in (*self.KEPT, ("global",)):
                values = chart.with_value(values, path, None)
        self.assertEqual(chart.render(values), chart.render(self.EMPTIED))


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
