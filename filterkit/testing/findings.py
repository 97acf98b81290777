"""What a check finds wrong: everything, each thing once, with what it was found on."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import TypeVar

from filterkit.errors import FilterkitError, PluginContractError, PluginError
from filterkit.plugins.report import in_words

T = TypeVar("T")

LONGEST = 300
"""Characters of an exception's message that are told."""

MOST_NAMED = 3
"""Of the inputs on which something broke, so many are named; the others are counted."""


class ConformanceError(AssertionError):
    """A plugin's object that breaks what its kind promises.

    Attributes
    ----------
    problems
        One line per problem, in the order in which they were found.
    """

    def __init__(self, subject: str, problems: tuple[str, ...]) -> None:
        count = "1 promise" if len(problems) == 1 else f"{len(problems)} promises"
        super().__init__("\n".join([f"{subject} breaks {count}:", *(f"- {each}" for each in problems)]))
        self.problems = problems


class Findings:
    """Collects problems while a check goes on trying.

    Parameters
    ----------
    subject
        What is checked: ``normalizer Glow``.
    prefix
        What filterkit's own messages say in front of the method; it is left out.
    """

    def __init__(self, subject: str, prefix: str = "") -> None:
        self.subject = subject
        self._prefix = prefix
        self._found: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def plain(self, words: str) -> str:
        """What an exception says, without the names that filterkit puts in front of it."""
        return words.removeprefix(self._prefix)

    def add(self, problem: str, on: str = "") -> None:
        """Note a problem, and on which input it showed."""
        inputs = self._found.setdefault(problem, [])
        if on and on not in inputs:
            inputs.append(on)

    def hold(self, fine: bool, problem: str, on: str = "") -> None:
        """Note a problem unless all is fine."""
        if not fine:
            self.add(problem, on)

    def attempt(self, on: str, call: Callable[[], T], *, allowed: type[Exception] | None = None) -> T | None:
        """Run a plugin's code. That it raises, warns of its arithmetic or prints to stdout is a problem.

        Returns
        -------
        object or None
            What it returned; None where it raised. What is `allowed` to be raised is no problem.
        """
        result = None
        with warnings.catch_warnings(record=True) as warned, redirect_stdout(io.StringIO()) as printed:
            warnings.simplefilter("always")
            try:
                result = call()
            except (Exception, SystemExit) as error:
                # A PluginError is what filterkit makes of an exception that is none of its own.
                if not (allowed and isinstance(error, allowed)) or isinstance(error, PluginError):
                    self.add(self._told(error), on)
        for each in warned:
            if issubclass(each.category, RuntimeWarning):
                self.add(f"lets a warning through to the user: {each.message}", on)
        self.hold(not printed.getvalue(), "prints to stdout, where only data goes", on)
        return result

    def conclude(self) -> None:
        """Raise ConformanceError if anything was found."""
        if self._found:
            raise ConformanceError(self.subject, tuple(map(_line, self._found.items())))

    def _told(self, error: BaseException) -> str:
        cause = error.__cause__
        if isinstance(cause, ValueError) and "read-only" in str(cause):
            return "writes to what it is handed, which is read-only"
        words = self.plain(in_words(error))
        words = words if len(words) <= LONGEST else f"{words[:LONGEST]}…"
        if isinstance(error, PluginContractError):
            return words
        if isinstance(error, PluginError) and cause is not None:
            return words.replace("(): ", "() raised ", 1)
        return f"raised {type(error).__name__}: {words}" if isinstance(error, FilterkitError) else words


def _line(found: tuple[str, list[str]]) -> str:
    problem, inputs = found
    if not inputs:
        return problem
    named = ", ".join(inputs[:MOST_NAMED])
    more = f" and {len(inputs) - MOST_NAMED} more" if len(inputs) > MOST_NAMED else ""
    return f"{problem} (with {named}{more})"
