"""The catalog of someone else, for reading only; its rows are validated one by one while they are read.

An older one is upgraded in a copy, which is deleted afterwards: the catalog itself never changes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from filterkit.catalog.database import Catalog, OlderCatalogError, catalog_path, store_folder
from filterkit.catalog.sqlite import connections
from filterkit.catalog.sqlite.copying import copy_database, limited
from filterkit.catalog.sqlite.statements import to_json
from filterkit.catalog.store import Store
from filterkit.catalog.validation import (
    LONGEST_TEXT,
    RowChecks,
    check_of,
    damaged_value,
    is_json,
    row_checks,
    validated_rows,
)
from filterkit.errors import CatalogError
from filterkit.hashing import is_sparse

Row = dict[str, Any]
Values = tuple[Any, ...]


@contextmanager
def foreign(location: str | os.PathLike[str], stop: Callable[[], bool] | None = None) -> Iterator[Catalog]:
    """The catalog at `location`, opened for reading; its store is read where it is.

    Raises
    ------
    CatalogError
        As `Catalog.open`.
    """
    path = catalog_path(location)
    if not os.path.lexists(path):
        raise CatalogError(f"there is no catalog at {path}", hint="give the path of the other catalog's file")
    with ExitStack() as stack:
        try:
            catalog = Catalog.open(path, upgrade=False, stop=stop)
        except OlderCatalogError:
            made = tempfile.TemporaryDirectory(prefix="filterkit-", ignore_cleanup_errors=True)
            catalog = _upgraded(path, Path(stack.enter_context(made)), stop)
        except CatalogError as error:
            if "--catalog" in str(error.hint):  # which is for the catalog here
                raise CatalogError(error.message, hint="give the file of another catalog") from error
            raise
        yield stack.enter_context(catalog)


def _upgraded(path: Path, folder: Path, stop: Callable[[], bool] | None) -> Catalog:
    """A catalog of an older schema, as an upgraded copy in `folder`."""
    from alembic.util import CommandError

    from filterkit.catalog.migrations.upgrade import migrate

    size, free = path.stat().st_size, shutil.disk_usage(folder).free
    if is_sparse(path) or size > free:
        raise CatalogError(
            f"{path} was written by an older filterkit, and there is no room in {folder.parent} for a copy "
            f"of {size:,} bytes that is upgraded",
            hint="TMPDIR sets another folder for temporary files",
        )
    copy = folder / "catalog.db"
    try:
        copy_database(path, copy)
        limit = connections.StepLimit(copy, stop)
        limit.reset(writing=True)
        engine = connections.engine(copy, write=True, foreign_keys=False, limit=limit)
        try:
            with engine.connect() as connection, connections.as_writer(connection).begin():
                migrate(connection)
        finally:
            engine.dispose()
    except (connections.Error, sa.exc.DBAPIError) as error:
        cause = getattr(error, "orig", None) or error
        if connections.is_interruption(cause):
            raise KeyboardInterrupt from error
        raise connections.explain(path, cause) from error
    except (sa.exc.SQLAlchemyError, CommandError, *connections.INVALID_VALUE_ERRORS) as error:
        raise connections.damaged(path, str(error)) from error
    catalog = Catalog.open(copy, stop=stop)
    catalog.store = Store(store_folder(path))
    return catalog


class ForeignRows:
    """Reads rows on one connection of a foreign catalog, which sees one snapshot of it.

    Raises
    ------
    DamagedValueError
        A row has a value that filterkit never writes, or does not fit the other rows.
    connections.Error
        The file is corrupted.
    """

    def __init__(self, connection: sa.Connection) -> None:
        # Reading a text takes as much memory, whatever is said about it afterwards.
        self._driver = limited(connection, LONGEST_TEXT)

    def values(self, table: sa.Table, rest: str, *parameters: Any) -> Iterator[Values]:
        """Rows with all columns of `table`, in the order of the schema; JSON as filterkit writes it.

        Parameters
        ----------
        rest
            SQL after ``SELECT columns FROM table``.
        """
        names, checks, lists = _checks_of(table)
        with closing(self._driver.execute(f'SELECT {names} FROM "{table.name}" {rest}', parameters)) as found:
            for values in validated_rows(found, checks):
                yield _normalized(values, lists) if lists else values

    def rows(self, table: sa.Table, rest: str, *parameters: Any) -> list[Row]:
        """As `values`, as dictionaries; only where there are few."""
        names = table.c.keys()
        return [dict(zip(names, values, strict=True)) for values in self.values(table, rest, *parameters)]

    def each(self, statement: str, *parameters: Any) -> Iterator[Values]:
        """The rows of a statement; whoever uses their values validates them."""
        with closing(self._driver.execute(statement, parameters)) as found:
            yield from found


@cache
def _checks_of(table: sa.Table) -> tuple[str, RowChecks, tuple[tuple[int, sa.Column[Any]], ...]]:
    """The names of a table's columns in SQL, how its rows are validated, and where they have JSON."""
    columns: dict[str, sa.ColumnElement[Any]] = dict(table.c.items())
    lists = tuple((place, column) for place, column in enumerate(table.c) if is_json(column))
    names = ", ".join(f'"{table.name}"."{name}"' for name in columns)
    return names, row_checks(columns), lists


def _normalized(values: Values, lists: Sequence[tuple[int, sa.Column[Any]]]) -> Values:
    changed: list[Any] | None = None
    for place, column in lists:
        text = values[place]
        if text is None:
            continue
        plain = _plain_json(column, text) if len(text) > SHORT else _short_json(column, text)
        if plain != text:
            changed = changed or list(values)
            changed[place] = plain
    return values if changed is None else tuple(changed)


SHORT = 200
"""Characters of JSON texts that are cached: most rows share them, e.g. the shape of kernels."""


def _plain_json(column: sa.Column[Any], text: str) -> str | None:
    """A JSON text as filterkit writes it, None for null; raises ValueError if it is invalid there."""
    parsed = json.loads(text)
    if not check_of(column)(parsed):
        raise damaged_value(column.name, parsed)
    return None if parsed is None else to_json(parsed)


_short_json = lru_cache(4096)(_plain_json)
