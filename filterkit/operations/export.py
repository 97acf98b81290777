"""Return filter banks as arrays, or write them to files that other tools can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.formats.arrays import write_arrays
from filterkit.operations.expand import expand_each

if TYPE_CHECKING:
    from filterkit.records import FloatArray
    from filterkit.session import Session


def bank(session: Session, address: str, *, expand: bool = False) -> FloatArray:
    """See `Workbench.bank`."""
    from filterkit.catalog.weights import PLACES

    if expand:
        (found,) = expand_each(session, [session.one(address, "a bank belongs to one layer")])
        return found.weights
    return session.weights(session.one(address, "a bank belongs to one layer", *PLACES))


def bias(session: Session, address: str) -> FloatArray | None:
    """See `Workbench.bias`."""
    from filterkit.catalog.weights import PLACES

    return session.bias(session.one(address, "biases belong to one layer", *PLACES))


def export(session: Session, address: str, path: str | os.PathLike[str], *, expand: bool = False) -> None:
    """See `Workbench.export`."""
    matches = session.matches(address)
    several = len({match.model["name"] for match in matches}) > 1
    names = [match.address if several else match.layer["name"] for match in matches]
    if expand:
        arrays = [found.weights for found in expand_each(session, matches)]
    else:
        arrays = [session.weights(match) for match in matches]
    write_arrays(dict(zip(names, arrays, strict=True)), Path(path))
