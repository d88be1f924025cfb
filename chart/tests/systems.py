"""docs/systems.md says what runs: the tests that it names must be there and assert the words that it gives, and its totals must be those
of its rows.

The last cell of a row is `test`: `words`, `words`; `test`: `words`. Words of a test in Rust must stand in its function, those of a lab's
test in what is typed and printed on that page, those of a test of the chart in its file; never in a comment or in prose. Runs of blanks are
one.
"""

import functools
import re
import sys
from collections import Counter

import chart

ROOT = chart.CHART.parent
PAGE = ROOT / "docs" / "systems.md"
STATES = ("runs", "otherwise", "left out")
# Code spans, which may hold the very marks that part them.
SPAN = r"`[^`]+`"
CLAIM = rf"({SPAN}): ({SPAN}(?:, {SPAN})*)"
# A test that does not change with what the table says.
LAB, WORDS, PROSE = "lab_4_https", "308 to https://practice.example", "who has to hold a certificate"
# What a cell may be, and what is said of it.
TRIALS = (
    (f"`{LAB}`: `{WORDS}`", None),
    (f"`{LAB}`: `{WORDS}`, `practice-tls`; `manifests.py`: `unrestricted`", None),
    ("`phase_2_pods_are_ready_with_exactly_the_requests_limits_and_probes_asked`: `128Mi`", None),
    (f"`{LAB}`: `{WORDS}`, `301 to https`", "does not assert"),
    (f"`{LAB}`: `{PROSE}`", "does not assert"),
    ("`phase_2_pods_are_ready_with_exactly_the_requests_limits_and_probes_asked`: `backend-svc`", "does not assert"),
    ("`objects_test.yaml`: `nobody says so`", "does not assert"),
    (f"`{LAB}s`: `{WORDS}`", "there is no test"),
    ("`default`: `Self`", "there is no test"),
    ("`nobody_test.yaml`: `spec`", "there is no test"),
    (f"`{LAB}`", "is not of the form"),
    (f"`{LAB}`: {WORDS}", "is not of the form"),
    (f"`{LAB}`: `{WORDS}` and so on", "is not of the form"),
)


def main():
    text = PAGE.read_text()
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0] in STATES]
    problems = [problem for row in rows for problem in wrong(*row)]
    problems += [problem for row in rows for problem in unseen(row[3])]
    for cell, said in TRIALS:
        found = list(unasserted(cell))
        if [problem for problem in found if said is None or said not in problem] or bool(found) != bool(said):
            problems.append(f"chart/tests/systems.py: of {cell} it says {found}, and not {said!r}")
    if totals(rows) not in text:
        problems.append(f"the totals are not those of the rows, which are: {totals(rows)}")
    for problem in problems:
        print(f"docs/systems.md: {problem}", file=sys.stderr)
    claims = sum(len(words) for row in rows for _, words in parsed(row[3]))
    print(f"{len(rows)} rows, {claims} words in {len({test for row in rows for test, _ in parsed(row[3])})} tests, {len(problems)} problems")
    return 1 if problems else 0


def wrong(state, what, where, test):
    for link in re.findall(r"\]\(([^)]+)\)", where):
        if not (PAGE.parent / link).exists():
            yield f"{link} does not exist ({what})"
    if (state == "left out") != (not where and not test):
        yield f"what is left out is nowhere and untested, and what is not is somewhere and tested ({what})"
    if test:
        for problem in unasserted(test):
            yield f"{problem} ({what})"


def unasserted(cell):
    """What is wrong with the last cell of a row."""
    if not re.fullmatch(f"{CLAIM}(; {CLAIM})*", cell):
        yield f"{cell!r} is not of the form `test`: `words`, `words`; `test`: `words`"
        return
    for test, words in parsed(cell):
        text = asserted(test)
        if text is None:
            yield f"there is no test {test}"
            continue
        for missing in (one for one in words if squeezed(one) not in squeezed(text)):
            yield f"{test} does not assert {missing!r}"


def unseen(cell):
    """Each claim with a wrong word: what is not reported then cannot be false."""
    for test, words in parsed(cell):
        for one in words:
            if not list(unasserted(f"`{test}`: `{one} ≠`")):
                yield f"that {test} asserts {one!r} is not looked at"


def parsed(cell):
    claims = re.findall(CLAIM, cell)
    return [(test[1:-1], [words[1:-1].replace(r"\|", "|") for words in re.findall(SPAN, spans)]) for test, spans in claims]


@functools.cache
def asserted(test):
    """The text in which the words of a test must stand; None where there is no such test, or more than one."""
    if test.endswith((".py", ".yaml")):
        file = chart.CHART / "tests" / test
        return without_comments(file.read_text(), "#") if file.exists() else None
    found = [body for text in sources() for body in functions(text, test)]
    return found[0] if len(found) == 1 else None


@functools.cache
def sources():
    crates = (file.parent for file in ROOT.glob("*/Cargo.toml"))
    return [file.read_text() for crate in crates for folder in ("src", "tests") for file in (crate / folder).rglob("*.rs")]


def functions(text, name):
    """The bodies of the test functions of this name, each with the pages that it runs."""
    for begin in re.finditer(rf"^( *)(?:async )?fn {name}\(\)(.*)$", text, re.MULTILINE):
        indent, rest = begin.groups()
        body = rest
        if rest.endswith("{"):
            attributes = re.search(r"(?:^ *#\[.*\]\n)*\Z", text[: begin.start()], re.MULTILINE).group()
            if "test" not in attributes:
                continue
            body = text[begin.end() : text.index(f"\n{indent}}}", begin.end())]
        fence = "sh docker" if "on_docker(" in body else "sh"
        pages = [file for page in re.findall(r'"([^"\s]+\.md)"', body) for file in (ROOT / "labs" / page, ROOT / page) if file.exists()]
        yield without_comments(body, "//") + "".join(run(page.read_text(), fence) for page in pages)


def run(page, fence):
    """What is typed and printed on a page: blocks with this fence, and blocks of text right behind one."""
    kept, behind = [], None
    for block in re.finditer(r"^```(.*)\n((?:.*\n)*?)```$", page, re.MULTILINE):
        language, text = block.groups()
        if language == fence or (language == "text" and behind is not None and not page[behind : block.start()].strip()):
            kept.append(without_comments(text, "#"))
        behind = block.end() if language == fence else None
    return "".join(kept)


def squeezed(text):
    return " ".join(text.split())


def without_comments(text, mark):
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith(mark))


def totals(rows):
    count = Counter(row[0] for row in rows)
    return f"{len(rows)} rows: {count['runs']} run, {count['otherwise']} otherwise, {count['left out']} left out."


if __name__ == "__main__":
    sys.exit(main())
