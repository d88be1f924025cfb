"""What the chart says of itself, its changelog, and the package that a release has.

A released version is a git tag, v1.2.3 by the chart's number: what was packed then does not change under the same number.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

import yaml

import chart

ROOT = chart.CHART.parent
sys.path.insert(0, str(ROOT / "release"))
import changelog

# What is packed of the chart, and what the programs are made of: git's paths.
CHART_PATHS = ["chart", ":!chart/check", ":!chart/readme", ":!chart/tests", "LICENSE"]
CRATES = ("contract", "service", "store", "backend", "frontend", "systems", "observer", "client")
PROGRAM_PATHS = ["Cargo.lock", "Dockerfile", ".cargo", "frontend/ui", *(f"{crate}/{part}" for crate in CRATES for part in ("Cargo.toml", "src"))]


def metadata(root=ROOT):
    return yaml.load((root / "chart" / "Chart.yaml").read_text(), yaml.CSafeLoader)


def programs_version(text):
    return next(line.split('"')[1] for line in text.splitlines() if line.startswith("version = "))


def unmoved(root):
    """What differs from a release that had the same number: a line each."""

    def git(*arguments):
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True).stdout

    version, programs = metadata(root)["version"], programs_version((root / "Cargo.toml").read_text())
    for tag in git("tag", "--list", "v*").split():
        then = yaml.load(git("show", f"{tag}:chart/Chart.yaml"), yaml.CSafeLoader)["version"]
        if then == version and (changed := git("diff", "--name-only", tag, "--", *CHART_PATHS).split()):
            yield f"{changed[0]} is not what {tag} has: raise version in chart/Chart.yaml, and say in CHANGELOG.md what is new"
        then = programs_version(git("show", f"{tag}:Cargo.toml"))
        if then == programs and (changed := git("diff", "--name-only", tag, "--", *PROGRAM_PATHS).split()):
            yield f"{changed[0]} is not what {tag} has: raise version in Cargo.toml, which is the images' tag"


class Numbers(unittest.TestCase):
    def test_the_newest_release_of_the_changelog_is_the_charts_version(self):
        newest = next(release for release in changelog.releases(changelog.CHANGELOG.read_text()) if release.version)
        self.assertEqual(newest.version, metadata()["version"])
        self.assertTrue(changelog.of(newest.version).changes)

    def test_the_images_that_are_packed_here_have_the_programs_major_number(self):
        programs = programs_version((ROOT / "Cargo.toml").read_text())
        self.assertEqual(metadata()["appVersion"], f"v{programs.split('.')[0]}")

    def test_what_was_released_does_not_change_under_its_number(self):
        if (ROOT / ".git").exists():
            self.assertEqual(list(unmoved(ROOT)), [])

    def test_a_change_after_a_release_moves_the_chart_the_programs_or_neither(self):
        cases = [
            ("chart/templates/a.yaml", "", ["version in chart/Chart.yaml"]),
            ("chart/tests/a.py", "", []),
            ("backend/src/lib.rs", "", ["version in Cargo.toml"]),
            ("backend/tests/api.rs", "", []),
            ("README.md", "", []),
            ("chart/Chart.yaml", "version: 1.0.1\n", []),
            ("Cargo.toml", '[workspace.package]\nversion = "1.0.1"\n', []),
        ]
        for path, text, expected in cases:
            with self.subTest(path), tempfile.TemporaryDirectory() as folder:
                root = Path(folder)
                files = {file: "x" for file, _, _ in cases}
                files |= {"chart/Chart.yaml": "version: 1.0.0\n", "Cargo.toml": '[workspace.package]\nversion = "1.0.0"\n'}
                for file, before in files.items():
                    (root / file).parent.mkdir(parents=True, exist_ok=True)
                    (root / file).write_text(before)
                me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
                for arguments in (["init", "-q"], ["add", "."], [*me, "commit", "-qm", "first"], ["tag", "v1.0.0"]):
                    subprocess.run(["git", "-C", folder, *arguments], check=True)
                (root / path).write_text(text)
                found = list(unmoved(root))
                self.assertEqual([line.split("raise ")[1].split(",")[0] for line in found], expected, found)


class Changelog(unittest.TestCase):
    def test_a_text_that_keeps_no_changelog_is_refused_with_its_line(self):
        cases = [
            ("## 1.0.0\n", "line 1: '## 1.0.0' is neither"),
            ("## [1.0.0] - 2026-02-30\n", "line 1: day"),
            ("## [1.0.0] - 2026-02-01\n### New\n", "line 2: '### New' is none of Added"),
            ("## [1.0.0] - 2026-02-01\n- x\n", "line 2: a change is under none of"),
            ("## [1.0.0] - 2026-02-01\n### Added\nx\n", "line 3: a change is one line"),
            ("## [1.0.0] - 2026-02-01\n## [1.0.1] - 2026-02-02\n", "the newest release comes first"),
            ("## [1.0.0] - 2026-02-01\n## [Unreleased]\n", "what is unreleased comes before"),
        ]
        for text, expected in cases:
            with self.subTest(text), self.assertRaises(changelog.Wrong) as wrong:
                changelog.releases(text)
            self.assertIn(expected, str(wrong.exception))

    def test_a_version_without_a_section_or_with_an_empty_one_cannot_be_released(self):
        text = "## [1.0.0] - 2026-02-01\n### Added\n"
        for version, expected in (("1.0.0", "says nothing"), ("1.0.1", "has no section '## [1.0.1] - DAY'")):
            with self.assertRaises(changelog.Wrong) as wrong:
                changelog.of(version, text)
            self.assertIn(expected, str(wrong.exception))


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.archives = []
        for name in ("one", "another"):
            # Of two folders, and of files of two ages: what packs them is copied with them.
            root = Path(folder.name) / name
            root.mkdir()
            parts = ("chart", "values", "release", "LICENSE", "CHANGELOG.md", "Cargo.toml")
            subprocess.run(["cp", "-R", *(ROOT / part for part in parts), root], check=True)
            environment = {**os.environ, "REGISTRY": "registry.example/team", "SOURCE": "https://git.example.org/team/practice"}
            packed = subprocess.run([sys.executable, "-B", root / "release" / "package", root], env=environment, capture_output=True, text=True)
            if packed.returncode:
                raise AssertionError(packed.stderr)
            cls.archives.append(Path(packed.stdout.strip()))
        with tarfile.open(cls.archives[0]) as archive:
            cls.files = {member.name.removeprefix("practice/"): archive.extractfile(member).read().decode() for member in archive}
        cls.chart = yaml.load(cls.files["Chart.yaml"], yaml.CSafeLoader)

    def test_two_folders_make_the_same_bytes(self):
        one, another = (hashlib.sha256(archive.read_bytes()).hexdigest() for archive in self.archives)
        self.assertEqual(one, another)

    def test_it_has_the_licence_and_not_what_checks_the_chart(self):
        self.assertEqual(self.files["LICENSE"], (ROOT / "LICENSE").read_text())
        self.assertIn("templates/tests/answers.yaml", self.files)
        self.assertEqual([name for name in self.files if name.startswith(("check", "readme", "tests/"))], [])

    def test_it_asks_its_registry_for_the_images_of_its_version(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["tar", "-xf", str(self.archives[0]), "-C", folder], check=True)
            images = {
                container["image"]
                for document in chart.render({"debug": {"enabled": True}}, where=Path(folder) / "practice")
                for container in document.get("spec", {}).get("template", {}).get("spec", document.get("spec", {})).get("containers", [])
            }
        tag = self.chart["appVersion"]
        self.assertEqual(tag, f"v{programs_version((ROOT / 'Cargo.toml').read_text())}")
        self.assertEqual(images, {f"registry.example/team/{name}:{tag}" for name in ("backend", "frontend", "client")})
        listed = yaml.load(self.chart["annotations"]["artifacthub.io/images"], yaml.CSafeLoader)
        self.assertLessEqual(images, {image["image"] for image in listed})
        self.assertIn('"registry.example/team"', self.files["README.md"])
        self.assertIn("helm install practice oci://registry.example/team/practice --version", self.files["README.md"])

    def test_its_addresses_are_those_that_the_release_was_told(self):
        said = json.dumps([self.chart[key] for key in ("home", "sources", "maintainers")])
        self.assertEqual(said.count("https://git.example.org/team/practice"), 3)
        self.assertNotIn("https://git.example/", self.files["Chart.yaml"])

    def test_artifact_hub_is_told_what_has_changed(self):
        changes = yaml.load(self.chart["annotations"]["artifacthub.io/changes"], yaml.CSafeLoader)
        self.assertEqual([(change["kind"].title(), change["description"]) for change in changes], changelog.of(self.chart["version"]).changes)
        self.assertTrue(all(isinstance(value, str) for value in self.chart["annotations"].values()))

    def test_the_icon_is_the_pages(self):
        kind, data = self.chart["icon"].split(",", 1)
        self.assertEqual(kind, "data:image/svg+xml;base64")
        self.assertEqual(base64.b64decode(data), (ROOT / "frontend" / "ui" / "icon.svg").read_bytes())


if __name__ == "__main__":
    unittest.main()
