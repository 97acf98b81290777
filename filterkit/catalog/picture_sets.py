"""Which observations of layers are of the same pictures, in whatever order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import image, observation, response
from filterkit.catalog.sqlite.statements import among
from filterkit.catalog.validation import check_rows
from filterkit.errors import CatalogError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Row = dict[str, Any]


def observations_of(catalog: Catalog, layers: Sequence[int]) -> dict[int, list[Row]]:
    """The observations that contain each of these layers, by its id, newest first.

    Layers without are left out. The rows have the columns of table `observation`.
    """
    # All filters of a layer are observed together, so the first one stands for it.
    pairs = sa.select(response.c.layer_id, response.c.observation_id).where(
        among(response.c.layer_id, list(layers)), response.c.position == 0
    )
    with catalog.connect() as connection:
        columns: dict[str, sa.ColumnElement[Any]] = {
            name: response.c[name] for name in ("layer_id", "observation_id")
        }
        found = check_rows(connection.execute(pairs).mappings(), columns)
        wanted = sorted({row["observation_id"] for row in found})
        query = sa.select(observation).where(among(observation.c.id, wanted))
        rows = check_rows(connection.execute(query).mappings(), dict(observation.c.items()))
    of_layers: dict[int, list[Row]] = defaultdict(list)
    by_id = {row["id"]: row for row in rows if row["pictures_sha256"] is not None}
    for each in sorted(found, key=lambda row: -row["observation_id"]):
        if each["observation_id"] in by_id:
            of_layers[each["layer_id"]].append(by_id[each["observation_id"]])
    return dict(of_layers)


class PictureSets:
    """The pictures of observations; those of the one that others are compared with are read once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._last: tuple[int, NDArray[Any]] | None = None
        self._orders: dict[tuple[int, int], NDArray[Any] | None] = {}

    def hashes(self, row: Row) -> NDArray[Any]:
        """SHA-256 of each picture that the rows of filters describe, in their order, as bytes.

        Raises
        ------
        CatalogError
            Pictures are missing.
        """
        import numpy as np

        query = sa.select(image.c.sha256).where(
            image.c.observation_id == row["id"], image.c.position < row["pictures"]
        )
        with self._catalog.connect() as connection:
            rows = connection.execute(query.order_by(image.c.position)).mappings()
            found = check_rows(rows, {"sha256": image.c.sha256})
        if len(found) != row["pictures"]:
            raise CatalogError(
                f"the catalog is corrupted: pictures of observation '{row['name']}' are missing",
                hint="remove it with `filterkit remove MODEL --observation NAME`, and observe again",
            )
        return np.array([each["sha256"] for each in found], "S64")

    def are_same(self, row: Row, other: Row) -> bool:
        """Whether two observations are of the same pictures."""
        if row["pictures"] != other["pictures"]:
            return False
        return row["pictures_sha256"] == other["pictures_sha256"] or self.order(row, other) is not None

    def order(self, row: Row, other: Row) -> NDArray[Any] | None:
        """Where in `other` each picture of an observation is; None if their pictures are not the same."""
        import numpy as np

        key = row["id"], other["id"]
        if key not in self._orders:
            mine, theirs = self._reference(row), self.hashes(other)
            by_hash, by_other = np.argsort(mine, kind="stable"), np.argsort(theirs, kind="stable")
            order: NDArray[Any] | None = None
            if len(mine) == len(theirs) and (mine[by_hash] == theirs[by_other]).all():
                order = np.empty(len(mine), np.intp)
                order[by_hash] = by_other
            self._orders[key] = order
        return self._orders[key]

    def in_common(self, row: Row, other: Row) -> int:
        """Number of pictures that two observations have in common."""
        import numpy as np

        return len(np.intersect1d(self._reference(row), self.hashes(other)))

    def _reference(self, row: Row) -> NDArray[Any]:
        if self._last is None or self._last[0] != row["id"]:
            self._last = row["id"], self.hashes(row)
        return self._last[1]
