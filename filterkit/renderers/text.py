"""Labels shortened to the room there is for them."""

from __future__ import annotations


def shorten(text: str, length: int) -> str:
    """Cut `text` to `length` characters, with ``…`` in its middle where something was cut.

    Labels of one sheet differ at the end (the number of a filter) as often as at the beginning.
    """
    if len(text) <= length:
        return text
    tail = max(length - 1, 0) // 2
    return text[: max(length - 1 - tail, 0)] + "…" + text[len(text) - tail :]
