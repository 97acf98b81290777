"""Collect the violations found by a check, without duplicates, with the inputs that caused them."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TypeVar

from filterkit.errors import FilterkitError, PluginContractError, PluginError
from filterkit.plugins.report import in_words

T = TypeVar("T")

LONGEST = 300
"""Maximum number of characters reported of an exception's message."""

MOST_NAMED = 3
"""Maximum number of inputs listed per violation; the rest is counted."""


class ConformanceError(AssertionError):
    """An object of a plugin violates the contract of its kind.

    Attributes
    ----------
    problems
        One line per violation, in the order in which they were found.
    """

    def __init__(self, subject: str, problems: tuple[str, ...]) -> None:
        count = "1 check" if len(problems) == 1 else f"{len(problems)} checks"
        super().__init__("\n".join([f"{subject} fails {count}:", *(f"- {each}" for each in problems)]))
        self.problems = problems


class Findings:
    """Collects violations while a check continues.

    Parameters
    ----------
    subject
        The object under check, e.g. ``normalizer Glow``.
    prefix
        Prefix of filterkit's own messages, which is removed.
    """

    def __init__(self, subject: str, prefix: str = "") -> None:
        self.subject = subject
        self._prefix = prefix
        self._found: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def plain(self, message: str) -> str:
        """A message without filterkit's prefix."""
        return message.removeprefix(self._prefix)

    def add(self, problem: str, on: str = "") -> None:
        """Record a violation and the input that caused it."""
        inputs = self._found.setdefault(problem, [])
        if on and on not in inputs:
            inputs.append(on)

    def require(self, condition: bool, problem: str, on: str = "") -> None:
        """Record a violation unless `condition` is true."""
        if not condition:
            self.add(problem, on)

    def attempt(self, on: str, call: Callable[[], T], *, allowed: type[Exception] | None = None) -> T | None:
        """Run code of a plugin. Exceptions, runtime warnings and output to stdout are violations.

        Returns
        -------
        object or None
            The result, or None after an exception. `allowed` exceptions are not violations.
        """
        result = None
        with warnings.catch_warnings(record=True) as warned, redirect_stdout(io.StringIO()) as printed:
            warnings.simplefilter("always")
            try:
                result = call()
            except (Exception, SystemExit) as error:
                # filterkit converts exceptions other than its own to PluginError.
                if not (allowed and isinstance(error, allowed)) or isinstance(error, PluginError):
                    self.add(self._described(error), on)
        for each in warned:
            if issubclass(each.category, RuntimeWarning):
                self.add(f"emits a warning: {each.message}", on)
        self.require(not printed.getvalue(), "prints to stdout, which is reserved for data", on)
        return result

    def conclude(self) -> None:
        """Raise ConformanceError if there are violations."""
        if self._found:
            raise ConformanceError(self.subject, tuple(map(_line, self._found.items())))

    def _described(self, error: BaseException) -> str:
        cause = error.__cause__
        if isinstance(cause, ValueError) and "read-only" in str(cause):
            return "writes to its input, which is read-only"
        text = self.plain(in_words(error))
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        if isinstance(error, PluginContractError):
            return text
        if isinstance(error, PluginError) and cause is not None:
            return text.replace("(): ", "() raised ", 1)
        return f"raised {type(error).__name__}: {text}" if isinstance(error, FilterkitError) else text


def _line(found: tuple[str, list[str]]) -> str:
    problem, inputs = found
    if not inputs:
        return problem
    named = ", ".join(inputs[:MOST_NAMED])
    more = f" and {len(inputs) - MOST_NAMED} more" if len(inputs) > MOST_NAMED else ""
    return f"{problem} (with {named}{more})"


@contextmanager
def writes_nothing(findings: Findings) -> Iterator[None]:
    """Run code in an empty working folder, and require that it is still empty afterwards."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
        left = sorted(path.name for path in Path(folder).iterdir())
    findings.require(not left, f"writes files to the working folder:  {', '.join(left[:3])}")
