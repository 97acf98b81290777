"""A model out of the catalog, and out of the store what no other needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.session import Session


def remove(session: Session, model: str) -> None:
    """See `Workbench.remove`."""
    from filterkit.catalog.removal import remove
    from filterkit.runtime import opened

    opened.evict(session.catalog().store.folder)  # raises where there is no catalog, instead of making one
    remove(session.catalog(write=True), model)
