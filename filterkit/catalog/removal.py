"""Removing a model from a catalog, and sweeping the store."""

from __future__ import annotations

import sqlalchemy as sa

from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import model
from filterkit.catalog.validation import check_rows
from filterkit.errors import CatalogError, NotFoundError, closest


def remove(catalog: Catalog, name: str) -> int:
    """Delete a model's rows, then the files that no other model needs; returns the number of bytes freed.

    Raises
    ------
    NotFoundError
        There is no such model.
    """
    with catalog.begin() as connection:
        if not connection.execute(sa.delete(model).where(model.c.name == name)).rowcount:
            names = [*connection.scalars(sa.select(model.c.name))]
            first = name.partition("/")[0]  # of an address
            hint = f"`filterkit remove {first}` removes all of it" if first in names else closest(name, names)
            raise NotFoundError(f"there is no model '{name}' in the catalog", hint=hint)
    return sweep(catalog)


def sweep(catalog: Catalog) -> int:
    """Delete files of the store that no row names, e.g. of a killed process; returns their bytes.

    Raises
    ------
    CatalogError
        The store cannot be changed.
    """
    with catalog.begin() as connection:  # no other process can write to the store meanwhile
        hashes = {"sha256": model.c.sha256, "banks_sha256": model.c.banks_sha256}
        # The files of a damaged row are unknown: `check_rows` raises, and nothing is deleted.
        needed = check_rows(connection.execute(sa.select(*hashes.values())).mappings(), hashes)
        try:
            return catalog.store.sweep(
                {row["sha256"] for row in needed}, {row["banks_sha256"] for row in needed}
            )
        except OSError as error:
            raise CatalogError(
                f"the store {catalog.store.folder} cannot be swept: {error.strerror or error}",
                hint="may you write there? What is left over is swept next time",
            ) from error
