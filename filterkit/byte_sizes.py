"""Parse and format sizes in bytes: ``64MB``, ``1.5 GiB``."""

from __future__ import annotations

import re

from filterkit.errors import UsageError

PATTERN = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?([kmgt]?)(i?)b?", re.IGNORECASE)
STEPS = "kmgt"


def parse_size(text: str) -> int:
    """The number of bytes: ``64MB`` is 64,000,000, ``64MiB`` is 67,108,864, ``64`` is 64.

    Raises
    ------
    UsageError
        `text` is not a size, or less than one byte.
    """
    found = PATTERN.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise UsageError(f"'{text[:40]}' is not a size in bytes", hint="use e.g. 64MB or 1.5GiB")
    step = STEPS.index(found[2].lower()) + 1 if found[2] else 0
    size = int(float(found[1]) * (1024 if found[3] else 1000) ** step)
    if size < 1:
        raise UsageError(f"'{text[:40]}' is less than one byte", hint="use e.g. 64MB or 1.5GiB")
    return size


def show_size(size: int) -> str:
    """Format a size in the largest unit of which there is at least one: ``1 MB``, ``999 bytes``, ``8 GiB``.

    Binary units are used if that gives a short number.
    """
    for base, infix in ((1024, "i"), (1000, "")):
        step = next((step for step in range(len(STEPS), 0, -1) if size >= base**step), 0)
        if step and (base == 1000 or (size / base**step * 8).is_integer()):
            prefix = STEPS[step - 1].upper() if infix else "kMGT"[step - 1]
            return f"{size / base**step:.6g} {prefix}{infix}B"
    return f"{size} bytes"
