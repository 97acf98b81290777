"""Labels that come from strangers' models, made safe to draw and print."""

from __future__ import annotations


def printable(text: str) -> str:
    """Replace what is not printable (line ends, terminal escapes, NUL) by ``�``."""
    return "".join(char if char.isprintable() else "�" for char in text)


def shorten(text: str, length: int) -> str:
    """Cut `text` to `length` characters, the last of them ``…`` where something was cut."""
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"
