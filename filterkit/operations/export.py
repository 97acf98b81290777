"""Return filter banks as arrays, or write them to files that other tools can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.formats.arrays import write_arrays

if TYPE_CHECKING:
    from filterkit.records import FloatArray
    from filterkit.session import Session


def bank(session: Session, address: str) -> FloatArray:
    """See `Workbench.bank`."""
    from filterkit.catalog.weights import PLACES

    return session.weights(session.one(address, "a bank belongs to one layer", *PLACES))


def bias(session: Session, address: str) -> FloatArray | None:
    """See `Workbench.bias`."""
    from filterkit.catalog.weights import PLACES

    return session.bias(session.one(address, "biases belong to one layer", *PLACES))


def export(session: Session, address: str, path: str | os.PathLike[str]) -> None:
    """See `Workbench.export`."""
    matches = session.matches(address)
    several = len({match.model["name"] for match in matches}) > 1
    write_arrays(
        {match.address if several else match.layer["name"]: session.weights(match) for match in matches},
        Path(path),
    )
