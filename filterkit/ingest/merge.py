"""Merging another catalog into this one: each model with its observations and files, all of it or nothing.

Small models share a transaction, as each one costs a sync of the disk; a transaction that has taken a moment
is committed before the next model. After an interruption what was committed stays, and merging goes on there.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from filterkit.catalog import schema
from filterkit.catalog.database import Catalog
from filterkit.catalog.foreign import ForeignRows
from filterkit.catalog.observations import specs_of
from filterkit.catalog.sqlite.connections import INVALID_VALUE_ERRORS, Error
from filterkit.catalog.sqlite.copying import stored_values
from filterkit.catalog.store_copies import StoreCopies
from filterkit.catalog.validation import damaged_value
from filterkit.errors import CatalogError
from filterkit.ingest.commit import DECIDE_RESPONSES, sweep, writing
from filterkit.ingest.merge_plan import (
    ADDED,
    EQUAL,
    JOINED,
    SKIPPED,
    Decision,
    decide_model,
    decide_observation,
    known_models,
)
from filterkit.ingest.merge_rows import Images, RowWriter, copy_model, copy_responses, layers_of

Row = dict[str, Any]

SECONDS = 1.0
"""After which a transaction is committed before the next model."""
TOGETHER = 50
"""Models whose rows are in memory at a time."""

SAME_LAYER = ("name", "filters", "scope", "pre_tensor", "pre_layout", "post_tensor", "post_layout")
"""Columns of layers that are equal if what was observed of one is true of the other."""


class Merge:
    """Merging the catalog `theirs` into `mine`; with None for `mine` or `dry`, only says what would be done.

    Parameters
    ----------
    rename
        New names by ``model`` or ``model/observation`` there.
    """

    def __init__(
        self, theirs: Catalog, mine: Catalog | None, rename: Mapping[str, str], *, dry: bool
    ) -> None:
        self._theirs, self._mine, self._rename, self._dry = theirs, mine, rename, dry
        self._copies = StoreCopies(theirs.store, mine.store) if mine is not None and not dry else None
        self._failed = False

    def run(self, report: Callable[[int, int], None]) -> Iterator[list[Row]]:
        """Yield rows whenever those of some models are committed: ``model, observation, action, reason``.

        Raises
        ------
        CatalogError
            The other catalog is corrupted as a whole, or this one cannot be written; what was committed
            before stays.
        """
        last, done = 0, 0
        try:
            while True:
                with self._theirs.connect() as connection, self._readable():
                    theirs = ForeignRows(connection)
                    total = int(next(theirs.each("SELECT count(*) FROM model"))[0])
                    found = theirs.rows(schema.model, "WHERE id > ? ORDER BY id LIMIT ?", last, TOGETHER)
                    for rows, count in self._some(theirs, found):
                        done += count
                        report(done, total)
                        yield rows
                if not found:
                    return
                last = found[-1]["id"]
        finally:
            if self._failed and self._mine is not None:
                with suppress(CatalogError):  # what is left over is swept next time
                    sweep(self._mine)

    def _some(self, theirs: ForeignRows, found: list[Row]) -> Iterator[tuple[list[Row], int]]:
        """Merge some models, in as many transactions as it takes; yields the rows of each, and how many."""
        left = iter(found)
        wanted = [(self._name(row), row["sha256"]) for row in found]
        rest = next(left, None)
        while rest is not None:
            rows: list[Row] = []
            count = 0
            deadline = time.monotonic() + SECONDS
            with self._transaction() as connection:
                known = known_models(connection, wanted) if connection is not None else []
                while rest is not None and (not count or time.monotonic() < deadline):
                    rows += self._one(theirs, connection, known, rest)
                    count += 1
                    rest = next(left, None)
                if self._copies is not None:
                    self._copies.sync()
            yield rows, count

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection | None]:
        if self._mine is None:
            yield None
        elif self._dry:
            with self._mine.connect() as connection:
                yield connection
        else:
            try:
                with self._mine.begin() as connection, writing(self._mine):
                    yield connection
            except BaseException:
                self._failed = True
                raise

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Explain an error of the driver in reading the other catalog as `Catalog.read` does."""
        try:
            yield
        except Error as error:
            raise self._theirs.explained(error) from error

    def _name(self, row: Mapping[str, Any]) -> str:
        return self._rename.get(row["name"], row["name"])

    def _one(
        self, theirs: ForeignRows, connection: sa.Connection | None, known: list[Row], row: Row
    ) -> list[Row]:
        """Merge a model; whatever is wrong with it there, this catalog stays as it was."""
        name = self._name(row)
        decision = decide_model(known, row, name)
        if decision.action == SKIPPED:
            return [_row(name, None, SKIPPED, decision.reason)]
        savepoint = connection.begin_nested() if connection is not None and not self._dry else None
        try:
            with self._readable():
                one = _OneModel(self, theirs, connection, row, decision)
                rows = one.merge(name)
        except (CatalogError, IntegrityError, *INVALID_VALUE_ERRORS) as error:
            if savepoint is not None:
                savepoint.rollback()
            self._failed = True
            why = (
                error.message if isinstance(error, CatalogError) else f"it is corrupted there: {error}"[:300]
            )
            return [_row(name, None, SKIPPED, why)]
        if savepoint is not None:
            savepoint.commit()
        if decision.action == ADDED:
            columns = {column: row[column] for column in DECIDE_RESPONSES}
            known.append({"id": one.model_id, "name": name, "edges": row["edges"], **columns})
        return rows


class _OneModel:
    """Merging one model, in a savepoint."""

    def __init__(
        self,
        merge: Merge,
        theirs: ForeignRows,
        connection: sa.Connection | None,
        row: Row,
        decision: Decision,
    ) -> None:
        self._merge, self._theirs, self._connection = merge, theirs, connection
        self._row, self._decision = row, decision
        self._copies = merge._copies
        self.model_id: int | None = None if decision.known is None else decision.known["id"]
        self._layers = layers_of(theirs, row)

    def merge(self, name: str) -> list[Row]:
        action, reason = self._decision.action, self._decision.reason
        joined = self._write(name)
        observations = self._observations()
        joined |= any(each["action"] in (ADDED, JOINED) for each in observations)
        if action == EQUAL and joined:
            action = JOINED
        here = name if self._decision.known is None else self._decision.known["name"]
        rows = [_row(name, None, action, reason)]
        return rows + [
            {**each, "model": here if each["action"] != SKIPPED else name} for each in observations
        ]

    def _write(self, name: str) -> bool:
        """Copy rows and files of the model that are missing here; whether there were any."""
        row, mine = self._row, self._merge._mine
        if self._copies is None or mine is None or self._connection is None:
            return False
        copied = self._copies.model(row["sha256"])
        copied |= self._copies.banks(row["banks_sha256"])
        copied |= self._copies.visualizations(row["sha256"]) > 0
        if self._decision.action == ADDED:
            shapes = ({**each, "kernel_shape": json.loads(each["kernel_shape"])} for each in self._layers)
            self._copies.check_banks(row["banks_sha256"], shapes)
            self._writer = RowWriter(self._connection, mine.more_rows)
            self.model_id = copy_model(self._theirs, self._writer, row, self._layers, name)
        return copied

    def _observations(self) -> list[Row]:
        found = self._theirs.rows(schema.observation, "WHERE model_id = ? ORDER BY id", self._row["id"])
        if not found:
            return []
        known = self._known_observations()
        covered = _covered(self._theirs.each, self._row["id"])
        mine = self._covered_here()
        here = self._layers_here()
        rows: list[Row] = []
        taken: dict[int, list[tuple[Row, int, int]]] = defaultdict(list)
        """By a layer's position, the observations that are copied: their row, id here, and pictures."""
        for each in found:
            decision = self._decide(known, each)
            layers = covered[each["id"]]
            if decision.action != SKIPPED and not layers:
                raise damaged_value("layers", 0)
            if decision.action == EQUAL and decision.known is not None:
                missing = layers - mine[decision.known["id"]]
                blocked = self._blocked(each, decision.known) if missing else ""
                if missing and not blocked and here is not None:
                    if self._copies is not None:
                        images = self._images(each)
                        for _ in images.rows(0):  # which are those that it states
                            continue
                        self._files(each, decision.known["folder"], missing, images)
                    for position in missing:
                        taken[position].append((each, decision.known["id"], each["pictures"]))
                    mine[decision.known["id"]] |= missing
                    reason = f"{len(missing)} more layer{'s' * (len(missing) != 1)}"
                    decision = Decision(JOINED, decision.known, reason)
                elif missing:
                    decision = Decision(SKIPPED, None, blocked or "the layers have other names here")
            elif decision.action == ADDED and here is None:
                decision = Decision(SKIPPED, None, "the layers have other names here")
            elif decision.action == ADDED:
                added, count = self._add(each, layers)
                known.append(added)
                mine[added["id"]] = set(layers)
                for position in layers:
                    taken[position].append((each, added["id"], count))
            rows.append(_row("", self._observation_name(each), decision.action, decision.reason))
        if self._copies is not None and here is not None:
            everyone = {each["id"] for each in found}
            for position, of in sorted(taken.items()):
                ids = {each["id"]: (mine_id, count) for each, mine_id, count in of}
                layer = self._layers[position]
                copy_responses(self._theirs, self._row_writer(), layer, here[position], ids, everyone)
        return rows

    def _decide(self, known: list[Row], row: Row) -> Decision:
        def same(mine: Row) -> bool:
            if mine["pictures"] != row["pictures"]:
                return False
            if mine["pictures_sha256"] == row["pictures_sha256"]:
                return True
            if self._connection is None or mine["pictures_sha256"] is None or mine["folder"] is None:
                return False
            statement = "SELECT sha256 FROM image WHERE observation_id = ? AND position < ?"
            ours = stored_values(self._connection, statement, mine["id"], mine["pictures"])
            theirs = self._theirs.each(statement, row["id"], row["pictures"])
            return _sum(each for (each,) in ours) == _sum(each for (each,) in theirs)

        return decide_observation(known, row, self._observation_name(row), self._row["name"], same)

    def _observation_name(self, row: Mapping[str, Any]) -> str:
        return self._merge._rename.get(f"{self._row['name']}/{row['name']}", row["name"])

    def _blocked(self, row: Row, known: Row) -> str:
        """Why layers of an observation cannot join those of the same one here."""
        if row["pictures_sha256"] != known["pictures_sha256"]:
            return "it has other layers here, and the pictures in another order: observe them here"
        if row["extra_metrics"] != known["extra_metrics"]:
            return "it has other layers here, with other metrics: observe them here"
        return ""

    def _add(self, row: Row, layers: set[int]) -> tuple[Row, int]:
        """Copy the row, pictures and files of an observation; returns the row here, and how many pictures."""
        name = self._observation_name(row)
        if self._copies is None:
            return {**row, "id": -row["id"], "name": name, "folder": None}, row["pictures"]
        writer = self._row_writer()
        folder = secrets.token_hex(32)
        made = {**row, "model_id": self.model_id, "name": name, "folder": folder}
        made["id"] = writer.next_id(schema.observation)
        writer.insert(schema.observation, [tuple(made.values())])
        images = self._images(row)
        writer.insert(schema.image, images.rows(made["id"]))
        self._files(row, folder, layers, images)
        return made, images.count

    def _images(self, row: Row) -> Images:
        assert self._copies is not None
        has = self._copies.has_observation(row["folder"])
        return Images(self._theirs, row, self._copies.kept_pictures(row["folder"]) if has else ())

    def _files(self, row: Row, folder: str, layers: set[int], images: Images) -> None:
        """Copy what the store has of these layers, and of the pictures."""
        assert self._copies is not None
        if not self._copies.has_observation(row["folder"]):
            return
        top = json.loads(row["options"])["top"]
        specs = specs_of({"plugins": json.loads(row["plugins"])})
        for position in sorted(layers):
            layer = position, self._layers[position]["filters"]
            self._copies.observed_layer(row["folder"], folder, layer, top, specs, row["pictures"])
        for sha256 in sorted(images.found):
            self._copies.kept_picture(row["folder"], folder, sha256)

    def _row_writer(self) -> RowWriter:
        assert self._connection is not None and self._merge._mine is not None
        return RowWriter(self._connection, self._merge._mine.more_rows)

    def _known_observations(self) -> list[Row]:
        if self._connection is None or self.model_id is None:
            return []
        names = schema.observation.c.keys()
        statement = f"SELECT {', '.join(names)} FROM observation WHERE model_id = ? ORDER BY id"
        found = stored_values(self._connection, statement, self.model_id)
        return [dict(zip(names, values, strict=True)) for values in found]

    def _covered_here(self) -> dict[int, set[int]]:
        if self._connection is None or self.model_id is None:
            return defaultdict(set)
        connection = self._connection
        return _covered(
            lambda statement, *values: stored_values(connection, statement, *values), self.model_id
        )

    def _layers_here(self) -> dict[int, int] | None:
        """The ids here of the layers, by their position; None if they are other layers."""
        if self._connection is None or self.model_id is None:
            return {each["position"]: 0 for each in self._layers}
        statement = (
            f"SELECT id, position, {', '.join(SAME_LAYER)} FROM layer WHERE model_id = ? ORDER BY position"
        )
        found = list(stored_values(self._connection, statement, self.model_id))
        stated = [tuple(each[name] for name in ("position", *SAME_LAYER)) for each in self._layers]
        if [tuple(each[1:]) for each in found] != stated:
            return None
        return {each[1]: each[0] for each in found}


def _covered(read: Callable[..., Any], model_id: int) -> dict[int, set[int]]:
    """By the id of an observation, the positions of the model's layers that it covers."""
    statement = (
        "SELECT observation_id, layer.position FROM layer JOIN response ON layer_id = layer.id "
        "AND response.position = 0 WHERE model_id = ?"
    )
    covered: dict[int, set[int]] = defaultdict(set)
    for observation, position in read(statement, model_id):
        covered[observation].add(position)
    return covered


def _sum(hashes: Iterator[Any]) -> int:
    """A number that depends on the hashes, not on their order."""
    total = 0
    for each in hashes:
        if not isinstance(each, str):
            raise damaged_value("sha256", each)
        total += int(each, 16)
    return total


def _row(model: str, observation: str | None, action: str, reason: str) -> Row:
    return {"model": model, "observation": observation, "action": action, "reason": reason or None}
