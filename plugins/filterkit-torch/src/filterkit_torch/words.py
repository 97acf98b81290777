"""Exceptions of PyTorch and of untrusted code, in one line."""

from __future__ import annotations

import re

LONGEST = 300


def first_line(error: BaseException, *, skip: int = 0) -> str:
    """The error, as described by the root cause of the exception.

    Parameters
    ----------
    skip
        Number of lines of its text to leave out.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()][skip:]
    said = re.sub(r"\x1b\[[0-9;]*m", "", lines[0]) if lines else ""
    said = said if len(said) <= LONGEST else said[:LONGEST].rsplit(" ", 1)[0] + " …"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
