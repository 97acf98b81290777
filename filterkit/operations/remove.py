"""Remove a model from the catalog, and its files from the store if no other model uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filterkit.errors import NotFoundError, closest

if TYPE_CHECKING:
    from filterkit.session import Session


def remove(session: Session, model: str, observation: str | None) -> None:
    """See `Workbench.remove`."""
    from filterkit.ingest.commit import remove, sweep

    session.catalog()  # raises if there is none, instead of creating one
    session.close_networks()
    if observation is None:
        remove(session.catalog(write=True), model)
        return
    from filterkit.catalog import observations
    from filterkit.catalog.addresses import models_named

    with session.catalog().connect() as connection:
        rows = {row["name"]: row for row in models_named(connection, model)}
    if model not in rows:  # a pattern
        raise NotFoundError(f"there is no model '{model}' in the catalog", hint=closest(model, rows))
    found = observations.named(session.catalog(), rows[model], observation)
    observations.remove(session.catalog(write=True), found["id"])
    sweep(session.catalog(write=True))
