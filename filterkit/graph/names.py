"""Names that come from a model, made fit for a message."""

from __future__ import annotations


def shown(name: str, limit: int = 80) -> str:
    """`name` on one line, without control characters (terminal escapes, NUL), at most `limit` long."""
    plain = "".join(char if char.isprintable() else "?" for char in name[: limit + 1])
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
