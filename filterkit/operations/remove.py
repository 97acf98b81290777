"""Remove a model from the catalog, and its files from the store if no other model uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.session import Session


def remove(session: Session, model: str) -> None:
    """See `Workbench.remove`."""
    from filterkit.ingest.commit import remove

    session.catalog()  # raises if there is none, instead of creating one
    session.close_networks()
    remove(session.catalog(write=True), model)
