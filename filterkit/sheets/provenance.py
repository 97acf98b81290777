"""What the metadata of a picture says of the addresses and models that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MOST_NAMED = 20
"""Maximum number of addresses, and of models."""


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def listed_models(hashes: Mapping[str, str]) -> str:
    """Models, each with the SHA-256 of its file; `hashes` are by name."""
    return listed([f"{name} sha256:{sha256}" for name, sha256 in hashes.items()])
