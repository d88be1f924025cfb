"""CHANGELOG.md, read: https://keepachangelog.com/en/1.1.0/"""

import re
from datetime import date, datetime, timezone
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"

GROUPS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


class Wrong(Exception):
    """The text is no changelog; the message names the line."""


class Release:
    """A section: its version, None for what is unreleased; its day, None for that; and its changes, (group, text) each."""

    def __init__(self, version, day):
        self.version, self.day, self.changes = version, day, []

    def seconds(self):
        """Midnight of its day, since the epoch: what all that is packed of the release is dated by."""
        return int(datetime(self.day.year, self.day.month, self.day.day, tzinfo=timezone.utc).timestamp())


def releases(text):
    """The sections of a changelog, the newest first. Raises Wrong."""
    found, group = [], None
    for number, line in enumerate(text.splitlines(), 1):
        heading = re.fullmatch(r"## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", line)
        if line == "## [Unreleased]":
            found.append(Release(None, None))
            group = None
        elif heading:
            try:
                found.append(Release(heading[1], date.fromisoformat(heading[2])))
            except ValueError as error:
                raise Wrong(f"line {number}: {error}") from error
            group = None
        elif line.startswith("## "):
            raise Wrong(f"line {number}: '{line}' is neither '## [Unreleased]' nor '## [1.2.3] - 2026-01-31'")
        elif line.startswith("### "):
            group = line.removeprefix("### ")
            if not found or group not in GROUPS:
                raise Wrong(f"line {number}: '{line}' is none of {', '.join(GROUPS)}, or before the first release")
        elif line.startswith("- ") and found:
            if group is None:
                raise Wrong(f"line {number}: a change is under none of {', '.join(GROUPS)}")
            found[-1].changes.append((group, line.removeprefix("- ")))
        elif line.strip() and found:
            raise Wrong(f"line {number}: a change is one line and begins with a dash")
    order = [tuple(map(int, release.version.split("."))) for release in found if release.version]
    if order != sorted(set(order), reverse=True):
        raise Wrong("the newest release comes first, and none twice")
    if any(release.version is None for release in found[1:]):
        raise Wrong("what is unreleased comes before every release")
    return found


def of(version, text=None):
    """The section of a version, with its day and at least one change. Raises Wrong."""
    for release in releases(CHANGELOG.read_text() if text is None else text):
        if release.version == version:
            if not release.changes:
                raise Wrong(f"[{version}] says nothing of what has changed")
            return release
    raise Wrong(f"CHANGELOG.md has no section '## [{version}] - DAY'")
