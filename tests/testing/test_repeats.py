"""Repeated runs: what an object remembers, what a copy lacks, and what differs in another process."""

from __future__ import annotations

from typing import Any

import pytest

from filterkit.testing.findings import ConformanceError, Findings
from filterkit.testing.repeats import check_repeats


class Steady:
    def run(self, given: str) -> int:
        return len(given)


class Remembers(Steady):
    """Its results depend on the input before."""

    last = ""

    def run(self, given: str) -> int:
        self.last, before = given, self.last
        return len(given) + len(before)


class Copied(Steady):
    def run(self, given: str) -> int:
        return len(given) + 1


class Hashes(Steady):
    """Its results depend on the hashes of this process."""

    def run(self, given: str) -> int:
        return hash(given)


class OnlyHere(Steady):
    home = ""

    def run(self, given: str) -> int:
        if not self.home:
            raise RuntimeError("somewhere else")
        return 1


def run(used: Any, given: str) -> int:
    return int(used.run(given))


def differs(one: int, other: int) -> str:
    return "" if one == other else "gives another number"


def problems(used: Any, copy: Any | None = None) -> list[str]:
    findings = Findings("subject")
    given = {"short": "a", "longer": "abc", "none": ""}
    tried = {name: (text, run(used, text)) for name, text in given.items()}
    check_repeats(findings, used, copy, tried, run, differs)
    try:
        findings.conclude()
    except ConformanceError as error:
        return list(error.problems)
    return []


def test_what_is_steady_passes() -> None:
    assert problems(Steady()) == problems(Steady(), Steady()) == []


def test_no_inputs_are_no_problem() -> None:
    findings = Findings("subject")
    check_repeats(findings, Steady(), None, {}, run, differs)
    findings.conclude()


@pytest.mark.parametrize(
    ("used", "copy", "expected"),
    [
        (Remembers(), None, ["gives another number the second time (with short, longer, none)"]),
        (Steady(), Copied(), ["gives another number after pickling (with short, longer, none)"]),
        (
            Hashes(),
            None,
            ["gives another number in another process, with another PYTHONHASHSEED (with short)"],
        ),
    ],
)
def test_what_differs_is_told_with_its_inputs(used: Any, copy: Any, expected: list[str]) -> None:
    assert problems(used, copy) == expected


def test_what_fails_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnlyHere, "home", "here")
    [problem] = problems(OnlyHere())
    assert problem.startswith("fails in another process") and "somewhere else" in problem
