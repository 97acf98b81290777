"""The words of a condition, and where in it something is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from filterkit.errors import UsageError, one_line

TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*')
    | (?P<list>\[[-+\d.eE,\s]*\])
    | (?P<word>[^\W\d]\w*(?:\.[^\W\d]\w*)?)
    | (?P<sign><=|>=|<>|!=|==|[=<>(),])
    )""",
    re.VERBOSE,
)


OTHERWISE = (
    (r"&", "write and: \"l1_norm > 2 and layer like 'block1%'\""),
    (r"\|", "write or: \"l1_norm > 2 or layer like 'block1%'\""),
    (r"[+-]?\d[\d.]*[^\W\d]", 'a number has no unit: "l1_norm > 2"'),
    (r"%", 'a share is a number from 0 to 1: "sparsity > 0.5"'),
    (r"!|~", "write not: \"not layer like 'block1%'\", or != for 'other than'"),
    (r'"', "a text stands in single quotes: \"layer like 'block1%'\""),
)
"""What other languages write, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a condition: its kind (a group of `TOKEN`, or ``"end"``), its text and its place."""

    kind: str
    text: str
    place: int

    def is_(self, *texts: str) -> bool:
        """Whether it is one of these keywords or signs."""
        return self.kind in ("word", "sign") and self.text.lower() in texts


def tokens(condition: str) -> Iterator[Token]:
    """The words of `condition`, then an ``"end"``; raises UsageError at what is none."""
    place, end = 0, len(condition.rstrip())
    while place < end:
        match = TOKEN.match(condition, place)
        if match is None:
            place = end - len(condition[place:end].lstrip())
            rest = condition[place:]
            hint = next((hint for pattern, hint in OTHERWISE if re.match(pattern, rest)), None)
            fail(condition, place, f"cannot read {rest[:12]!r}", hint)
        kind = str(match.lastgroup)
        yield Token(kind, match[kind], match.start(kind))
        place = match.end()
    yield Token("end", "", end)


def fail(condition: str, place: int, message: str, hint: str | None = None) -> NoReturn:
    """Raise the UsageError that points at `place`, counted from 0."""
    raise UsageError(
        pointed_at(condition, place, message),
        hint=hint or "a condition is e.g. \"l1_norm > 2 and layer like 'block1%'\"",
    )


def pointed_at(condition: str, place: int, message: str) -> str:
    """`message` with the place that it is about, counted from 0."""
    before = one_line(condition[max(0, place - 30) : place])
    after = one_line(condition[place : place + 30])
    return f"condition, character {place + 1}: {message} ({before}▶{after})"
