"""Labels shortened to the room there is for them."""

from __future__ import annotations


def shorten(text: str, length: int) -> str:
    """Cut `text` to `length` characters, the last of them ``…`` where something was cut."""
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"
