"""docs/systems.md says what runs: what it names must be there, and its totals must be those of its rows."""

import re
import sys
from collections import Counter
from pathlib import Path

import chart

ROOT = chart.CHART.parent
PAGE = ROOT / "docs" / "systems.md"
STATES = ("runs", "otherwise", "left out")


def main():
    text = PAGE.read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0] in STATES]
    problems = [problem for row in rows for problem in wrong(*row)]
    if totals(rows) not in text:
        problems.append(f"the totals are not those of the rows, which are: {totals(rows)}")
    named = {link for row in rows for link in re.findall(r"\(\.\./(values/[^)]+)\)", row[2])}
    for problem in problems:
        print(f"docs/systems.md: {problem}", file=sys.stderr)
    print(f"{len(rows)} rows, {len(named)} values files, {len(problems)} problems")
    return 1 if problems else 0


def wrong(state, what, where, test):
    for link in re.findall(r"\]\(([^)]+)\)", where):
        if not (PAGE.parent / link).exists():
            yield f"{link} does not exist ({what})"
    if (state == "left out") != (not where and not test):
        yield f"what is left out is nowhere and untested, and what is not is somewhere and tested ({what})"
    for name in re.findall(r"`([^`]+)`", test):
        if not is_test(name):
            yield f"there is no test {name} ({what})"


def is_test(name):
    if name.startswith("make "):
        return re.search(rf"^{name.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    if name.endswith((".py", ".yaml")):
        return (chart.CHART / "tests" / name).exists()
    return any(f"fn {name}()" in file.read_text() for file in (ROOT / "e2e" / "tests").rglob("*.rs"))


def totals(rows):
    count = Counter(row[0] for row in rows)
    return f"{len(rows)} rows: {count['runs']} run, {count['otherwise']} otherwise, {count['left out']} left out."


if __name__ == "__main__":
    sys.exit(main())
