"""The page on security: each promise names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?!promise|---)(?P<promise>.+?) \| (?P<tests>[^|]+) \|$", re.MULTILINE)


def test_each_promise_has_a_test() -> None:
    files = [path for folder in (ROOT / "tests", ROOT / "plugins") for path in folder.rglob("test_*.py")]
    known = {path.name for path in files}
    known |= {
        name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.M)
    }
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    rows = ROW.findall(page)
    assert len(rows) > 40
    for promise, tests in rows:
        named = re.findall(r"`(test_[\w.]+)`", tests)
        assert named, promise
        assert known.issuperset(named), (promise, set(named) - known)


def test_nothing_else_is_in_its_tables() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("|")]
    heads = [line for line in lines if line in ("| promise | test |", "|---|---|")]
    assert len(heads) + len(ROW.findall(page)) == len(lines)


def test_the_promises_about_plugins_name_their_tests() -> None:
    page = (ROOT / "docs" / "plugins" / "trust.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/.]+)`", page)
    assert named
    assert all((ROOT / path).is_file() for path in named)
