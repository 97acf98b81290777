"""Shorten labels to the available space."""

from __future__ import annotations


def shorten(text: str, length: int) -> str:
    """Shorten `text` to `length` characters by replacing its middle with ``…``.

    Labels of a sheet differ at the end (the number of a filter) as often as at the beginning.
    """
    if len(text) <= length:
        return text
    tail = max(length - 1, 0) // 2
    return text[: max(length - 1 - tail, 0)] + "…" + text[len(text) - tail :]
