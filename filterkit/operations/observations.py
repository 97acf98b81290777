"""List the observations of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.session import Session

COLUMNS = (
    *("model", "observation", "pictures", "layers", "filters", "copies", "left_out", "at", "size", "top"),
    *("duplicates", "provider", "started", "finished", "pictures_sha256", "metrics"),
)


def observations(session: Session, model: str) -> Rows:
    """See `Workbench.observations`."""
    from filterkit.catalog import observations
    from filterkit.catalog.addresses import models_named

    with session.catalog().connect() as connection:
        named = [] if model == "*" else models_named(connection, model)
    found = observations.observations(
        session.catalog(), None if model == "*" else [row["id"] for row in named]
    )
    return Rows([{name: {**row, **row["options"]}[name] for name in COLUMNS} for row in found], COLUMNS)
