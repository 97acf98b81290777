"""List the models that can be added by name."""

from __future__ import annotations

from filterkit.results.rows import Rows


def zoo() -> Rows:
    """See `Workbench.zoo`."""
    from filterkit.sources.zoo import known

    rows = known()
    return Rows(rows, tuple(rows[0]))
