"""Copying the rows of a model of another catalog, in portions, and checking that they fit together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import sqlalchemy as sa

from filterkit.catalog import schema
from filterkit.catalog.foreign import ForeignRows
from filterkit.catalog.sqlite.copying import insert_values
from filterkit.catalog.validation import damaged_value

Row = dict[str, Any]
Values = tuple[Any, ...]

PORTION = 2_000
"""Rows that are in memory at a time."""


class RowWriter:
    """Inserts rows as the driver has read them.

    Parameters
    ----------
    refresh
        Called before each portion.
    """

    def __init__(self, connection: sa.Connection, refresh: Callable[[], None]) -> None:
        self.connection, self._refresh = connection, refresh

    def next_id(self, table: sa.Table) -> int:
        """The id of the next row: nobody else writes."""
        return int(self.connection.scalar(sa.select(sa.func.max(table.c.id))) or 0) + 1

    def insert(self, table: sa.Table, rows: Iterable[Values]) -> None:
        """Insert rows with all columns of `table`, in the order of the schema."""
        left = iter(rows)
        while portion := list(islice(left, PORTION)):
            if len(portion) == PORTION:  # there may be many more
                self._refresh()
            insert_values(self.connection, table, portion)


def layers_of(theirs: ForeignRows, row: Row) -> list[Row]:
    """The layers of a model, which are as many as its row says, in order."""
    layers = theirs.rows(
        schema.layer, "WHERE model_id = ? ORDER BY position LIMIT ?", row["id"], row["layers"] + 1
    )
    if [each["position"] for each in layers] != list(range(row["layers"])):
        raise damaged_value("layers", row["layers"])
    if sum(each["filters"] for each in layers) != row["filters"]:
        raise damaged_value("filters", row["filters"])
    return layers


def copy_model(theirs: ForeignRows, writer: RowWriter, row: Row, layers: list[Row], name: str) -> int:
    """Copy the row of a model and everything that `add` writes; returns its id here."""
    model_id = writer.next_id(schema.model)
    writer.insert(schema.model, [tuple({**row, "id": model_id, "name": name}.values())])
    first = writer.next_id(schema.layer)
    of_layer = {each["id"]: first + place for place, each in enumerate(layers)}
    writer.insert(
        schema.layer,
        (tuple({**each, "id": of_layer[each["id"]], "model_id": model_id}.values()) for each in layers),
    )
    for table, stated in ((schema.skipped, row["skipped"]), (schema.edge, row["edges"] or 0)):
        found = theirs.values(table, "WHERE model_id = ? ORDER BY position", row["id"])
        ends = row["layers"] if table is schema.edge else None
        writer.insert(table, _numbered(found, model_id, stated, table.name, ends))
    found = theirs.values(
        schema.filter_,
        "JOIN layer ON layer.id = layer_id WHERE model_id = ? ORDER BY layer.position, filter.position",
        row["id"],
    )
    writer.insert(schema.filter_, _filters(found, layers, of_layer))
    return model_id


def _numbered(
    found: Iterable[Values], model_id: int, stated: int, name: str, layers: int | None
) -> Iterator[Values]:
    """Rows of `skipped` or `edge`: as many as stated, numbered from 0; edges reach only layers that exist."""
    count = 0
    for values in found:
        if values[1] != count or count >= stated:
            raise damaged_value("position", values[1])
        if layers is not None and any(end is not None and end >= layers for end in values[2:4]):
            raise damaged_value("to_layer", values[3])
        count += 1
        yield (model_id, *values[1:])
    if count != stated:
        raise damaged_value(name, count)


def _filters(found: Iterable[Values], layers: list[Row], of_layer: Mapping[int, int]) -> Iterator[Values]:
    """Rows of `filter`: those of each layer, numbered from 0."""
    rows = iter(found)
    for layer in layers:
        here = of_layer[layer["id"]]
        for position in range(layer["filters"]):
            values = next(rows, (None, None))
            if values[0] != layer["id"] or values[1] != position:
                raise damaged_value("filters", layer["filters"])
            yield (here, *values[1:])
    if next(rows, None) is not None:
        raise damaged_value("filters", "more")


class Images:
    """Reads the pictures of an observation, which are those of which its row states the hash.

    Attributes
    ----------
    count
        How many were read.
    found
        Which of the hashes `kept` they have.
    """

    def __init__(self, theirs: ForeignRows, row: Row, kept: Collection[str]) -> None:
        self._theirs, self._row, self._kept = theirs, row, kept
        self.count = 0
        self.found: set[str] = set()

    def rows(self, observation_id: int) -> Iterator[Values]:
        """The rows, for an observation here."""
        place = schema.image.c.keys().index("sha256")
        digest = hashlib.sha256()
        stated = self._row["pictures"]
        query = "WHERE observation_id = ? ORDER BY position"
        for values in self._theirs.values(schema.image, query, self._row["id"]):
            if values[1] != self.count:
                raise damaged_value("position", values[1])
            if self.count < stated:
                digest.update(f"{chr(10) if self.count else ''}{values[place]}".encode())
            self.count += 1
            if values[place] in self._kept:
                self.found.add(values[place])
            yield (observation_id, *values[1:])
        if self.count < stated or digest.hexdigest() != self._row["pictures_sha256"]:
            raise damaged_value("pictures", stated)


def copy_responses(
    theirs: ForeignRows,
    writer: RowWriter,
    layer: Row,
    layer_id: int,
    observations: Mapping[int, tuple[int, int]],
    known: Collection[int],
) -> None:
    """Copy what observations say of the filters of a layer, and the exemplars.

    Parameters
    ----------
    layer
        The layer there.
    layer_id
        Its id here.
    observations
        By their ids there, the ids here and the numbers of pictures.
    known
        The ids there of all observations of the model; others have no rows of this layer.
    """
    counts: Counter[int] = Counter()

    def rows(table: sa.Table, order: str) -> Iterator[Values]:
        image = table.c.keys().index("image") if table is schema.exemplar else None
        for values in theirs.values(table, f"WHERE layer_id = ? ORDER BY {order}", layer["id"]):
            of = observations.get(values[2])
            if values[1] >= layer["filters"] or values[2] not in known:
                raise damaged_value("position", values[1])
            if of is None:
                continue
            if image is None:
                counts[values[2]] += 1
            elif values[image] >= of[1]:
                raise damaged_value("image", values[image])
            yield (layer_id, values[1], of[0], *values[3:])

    writer.insert(schema.response, rows(schema.response, "position, observation_id"))
    if any(count != layer["filters"] for count in counts.values()):
        raise damaged_value("filters", layer["filters"])
    writer.insert(schema.exemplar, rows(schema.exemplar, "position, observation_id, rank"))
