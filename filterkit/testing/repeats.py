"""Whether the same comes of the same: in another order, from a fresh copy, and in another process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from filterkit.testing.elsewhere import Failed, Unreachable, elsewhere
from filterkit.testing.findings import Findings

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
    """Try again, backwards, what was tried; what an object remembers of one input may change others.

    Parameters
    ----------
    used
        The object that has seen all inputs.
    copy
        Another that has seen none; None where there is none.
    tried
        Inputs by what they are called, in the order in which they were tried, each with the first answer.
    run
        Asks an object again. Where all else is well it does so in another process, too, of the first input;
        so it is a function of a module.
    differs
        What is wrong with a second answer, in words; empty where it is the same.
    """
    made = ((used, "the second time"), *([(copy, "once pickled")] if copy is not None else []))
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
        return  # a process takes its time
    name, (given, first) = next(iter(tried.items()))
    try:
        what = differs(first, elsewhere(partial(run, used if copy is None else copy, given)))
    except Unreachable:
        return
    except Failed as error:
        findings.add(f"fails {ELSEWHERE}: {findings.plain(str(error))}", name)
        return
    findings.hold(not what, f"{what} {ELSEWHERE}", name)
