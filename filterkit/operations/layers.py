"""List the layers in the catalog, and the nodes that could not be extracted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filterkit.address import parse_address
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.session import Session


def layers(session: Session, address: str) -> Rows:
    """See `Workbench.layers`."""
    from filterkit.catalog import listings

    return Rows(listings.layers(session.catalog(), parse_address(address)), listings.LAYER_COLUMNS)


def skipped(session: Session, address: str) -> Rows:
    """See `Workbench.skipped`."""
    from filterkit.catalog import listings

    rows = listings.skipped_nodes(session.catalog(), parse_address(address))
    return Rows(rows, listings.value_types(listings.SKIPPED))
