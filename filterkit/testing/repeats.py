"""Check reproducibility: in another order, with a pickled copy, and in another process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from filterkit.testing.findings import Findings
from filterkit.testing.other_process import Failed, Unreachable, elsewhere

Given = TypeVar("Given")
Answer = TypeVar("Answer")

ELSEWHERE = "in another process, with another PYTHONHASHSEED"


def check_repeats(
    findings: Findings,
    used: Any,
    copy: Any | None,
    tried: dict[str, tuple[Given, Answer]],
    run: Callable[[Any, Given], Answer],
    differs: Callable[[Answer, Answer], str],
) -> None:
    """Repeat all runs in reverse order, which detects state kept between inputs.

    Parameters
    ----------
    used
        The object that has processed all inputs.
    copy
        A fresh copy, or None.
    tried
        Inputs and first results by name, in the order in which they were tried.
    run
        Runs an object on an input. If there are no violations, it is also called for the first input in
        another process, so it must be a module-level function.
    differs
        Describes the difference between two results; empty if they are equal.
    """
    made = ((used, "the second time"), *([(copy, "after pickling")] if copy is not None else []))
    wrong: dict[str, str] = {}
    for name in reversed(tried):
        given, first = tried[name]
        for each, when in made:
            again = findings.attempt(name, partial(run, each, given))
            if again is not None and name not in wrong and (what := differs(first, again)):
                wrong[name] = f"{what} {when}"
    for name in tried:
        if name in wrong:
            findings.add(wrong[name], name)
    if findings or not tried:
        return  # starting a process is slow
    name, (given, first) = next(iter(tried.items()))
    try:
        what = differs(first, elsewhere(partial(run, used if copy is None else copy, given)))
    except Unreachable:
        return
    except Failed as error:
        findings.add(f"fails {ELSEWHERE}: {findings.plain(str(error))}", name)
        return
    findings.require(not what, f"{what} {ELSEWHERE}", name)
