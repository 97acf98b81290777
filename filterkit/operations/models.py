"""List the models in the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.session import Session


def models(session: Session, name: str) -> Rows:
    """See `Workbench.models`."""
    from filterkit.catalog import listings

    return Rows(listings.models(session.catalog(), name), listings.MODEL_COLUMNS)
