"""Findings: each violation once, with the inputs that caused it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from filterkit.errors import ModelError, PluginContractError, PluginError, UsageError
from filterkit.testing.findings import LONGEST, ConformanceError, Findings, writes_nothing


def told(findings: Findings) -> list[str]:
    with pytest.raises(ConformanceError) as caught:
        findings.conclude()
    return list(caught.value.problems)


def test_without_violations_nothing_is_raised() -> None:
    findings = Findings("normalizer Glow")
    findings.require(True, "is wrong")
    findings.conclude()
    assert not findings


def test_inputs_of_a_violation_are_listed_and_the_rest_is_counted() -> None:
    findings = Findings("normalizer Glow")
    for name in ("a", "b", "a", "c", "d", "e"):
        findings.add("is wrong", name)
    findings.add("has no name")
    assert told(findings) == ["is wrong (with a, b, c and 2 more)", "has no name"]
    with pytest.raises(ConformanceError, match="normalizer Glow fails 2 checks:\n- is wrong"):
        findings.conclude()


def fail(error: BaseException) -> None:
    raise error


def test_exceptions_warnings_and_output_are_violations() -> None:
    findings = Findings("normalizer Glow", prefix="plugin x: ")
    assert findings.attempt("a", lambda: 7) == 7
    assert not findings
    findings.attempt("a", lambda: print("words"))
    findings.attempt("a", lambda: warnings.warn("overflow", RuntimeWarning, stacklevel=1))
    findings.attempt("a", lambda: warnings.warn("old", DeprecationWarning, stacklevel=1))
    for error in (
        KeyError("k"),
        SystemExit(2),
        ModelError("too big"),
        PluginContractError("plugin x: is odd"),
    ):
        assert findings.attempt("a", lambda error=error: fail(error)) is None
    findings.attempt("b", lambda: fail(ValueError("v" * 1000)))
    assert told(findings) == [
        "prints to stdout, which is reserved for data (with a)",
        "emits a warning: overflow (with a)",
        "KeyError: 'k' (with a)",
        "SystemExit: 2 (with a)",
        "raised ModelError: too big (with a)",
        "is odd (with a)",
        f"{'ValueError: ' + 'v' * (LONGEST - 12)}… (with b)",
    ]


def test_errors_that_are_allowed_are_none_but_those_of_plugins() -> None:
    findings = Findings("source Glow")
    findings.attempt("a", lambda: fail(UsageError("no such ref")), allowed=UsageError)
    assert not findings
    findings.attempt("a", lambda: fail(PluginError("broken")), allowed=PluginError)
    assert findings


def test_an_interrupt_is_no_violation() -> None:
    with pytest.raises(KeyboardInterrupt):
        Findings("source Glow").attempt("a", lambda: fail(KeyboardInterrupt()))


def test_files_in_the_working_folder_are_found() -> None:
    before = Path.cwd()
    findings = Findings("renderer Glow")
    with writes_nothing(findings):
        assert Path.cwd() != before
    assert not findings and Path.cwd() == before
    with writes_nothing(findings):
        for name in "dbca":
            Path(name).write_text("")
    assert told(findings) == ["writes files to the working folder:  a, b, c"]
    with pytest.raises(ZeroDivisionError), writes_nothing(findings):
        raise ZeroDivisionError
    assert Path.cwd() == before
