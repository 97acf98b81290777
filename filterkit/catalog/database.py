"""Opening a catalog: where it is, whether it is one, and connections to it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from filterkit.catalog import connections, schema
from filterkit.catalog.store import Store
from filterkit.errors import CatalogError


class Catalog:
    """An open catalog and its store; a context manager.

    Attributes
    ----------
    path
        The SQLite file.
    store
        Models and banks, in the folder beside it: ``catalog.store/`` for ``catalog.db``.
    writable
        Whether it was opened for writing.
    """

    def __init__(self, path: Path, *, write: bool) -> None:
        self.path = path
        self.store = Store(store_folder(path))
        self.writable = write
        self._engine = sa.create_engine(
            "sqlite://",
            creator=lambda: connections.connect(path, write=write),
            poolclass=QueuePool,
            json_serializer=connections.to_json,
        )
        sa.event.listen(self._engine, "begin", _begin)
        sa.event.listen(self._engine, "invalidate", _roll_back)
        self._idle: list[sqlite3.Connection] = []

    @classmethod
    def open(cls, location: str | os.PathLike[str], *, write: bool = False) -> Catalog:
        """Open the catalog at `location`, a file or a ``sqlite:///`` URL.

        Reading makes no file. Writing makes the catalog where there is none. A catalog of an older filterkit
        is upgraded, with a copy of it left beside it.

        Raises
        ------
        CatalogError
            Where there is no catalog, or it is foreign, newer than this filterkit, broken or not writable.
        """
        path = catalog_path(location)
        exists = path.exists()  # looked at once, before all else: somebody may be making it
        if not (path.is_file() if exists else write):
            what = f"{path} is no file" if exists else f"there is no catalog at {path}"
            raise CatalogError(what, hint="`filterkit add vgg16` or `filterkit quickstart` makes one")
        if not path.parent.is_dir():
            raise CatalogError(
                f"there is no folder {path.parent} to make a catalog in",
                hint="make it first, or choose another with --catalog",
            )
        catalog = cls(path, write=write)
        try:
            catalog._check()
        except BaseException:
            catalog.close()
            raise
        return catalog

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection that reads, all from one moment of the catalog."""
        with _explained(self.path, ValueError, TypeError), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection of the driver itself, for one statement that reads: no time is lost on the way."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connections.connect(self.path)
        try:
            yield connection
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise connections.explain(self.path, error) from error
        finally:
            self._idle.append(connection)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A connection that writes: one transaction, which holds the write lock from its start.

        Raises
        ------
        CatalogError
            Where the catalog was opened for reading, or cannot be written.
        """
        if not self.writable:
            raise CatalogError(f"{self.path} was opened for reading only")
        with _explained(self.path), self._engine.connect() as raw:
            writer = raw.execution_options(filterkit_write=True)
            with writer.begin():
                yield writer

    def close(self) -> None:
        """Close all connections; a catalog is not used after that."""
        self._engine.dispose()
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self) -> None:
        """Make sure that this is a catalog of the revision that this code knows; make or upgrade it."""
        revision = self._revision()
        if revision is None and self.writable:
            with self.begin() as connection:
                if not sa.inspect(connection).get_table_names():  # nobody was quicker
                    _create(connection)
            revision = self._revision()
        if revision is None:
            raise CatalogError(
                f"{self.path} is empty, no catalog yet", hint="`filterkit add vgg16` makes it one"
            )
        if revision not in schema.REVISIONS:
            raise CatalogError(
                f"{self.path} was written by a newer filterkit (schema {revision}, here {schema.HEAD})",
                hint="pip install --upgrade cnn-filterkit",
            )
        if revision != schema.HEAD:
            from filterkit.catalog.migrations.upgrade import upgrade

            self._engine.dispose()
            with _explained(self.path):
                upgrade(self.path)
        if self.writable:
            connections.use_write_ahead_log(self.path)

    def _revision(self) -> str | None:
        """The schema's revision, or None where the file holds nothing at all yet.

        Raises
        ------
        CatalogError
            Where the file holds something else.
        """
        with self.connect() as connection:
            tables = sa.select(sa.func.count()).select_from(sa.text("sqlite_master"))
            if not connection.scalar(tables):
                return None
            named = tables.where(sa.column("name") == schema.version.name)
            if not connection.scalar(named):
                raise CatalogError(
                    f"{self.path} is an SQLite file of something else, not a filterkit catalog",
                    hint="choose another file with --catalog or FILTERKIT_CATALOG",
                )
            return connection.scalar(sa.select(schema.version.c.version_num))


def catalog_path(location: str | os.PathLike[str]) -> Path:
    """The file that `location`, a path or a ``sqlite:///`` URL, stands for.

    Raises
    ------
    CatalogError
        Where `location` is a URL of something else than an SQLite file.
    """
    text = os.fspath(location)
    if "://" not in text:
        return Path(text).expanduser().absolute()
    hint = "give a path, or sqlite:///relative.db or sqlite:////absolute.db"
    try:
        url = sa.make_url(text)
    except ArgumentError:
        raise CatalogError(f"'{text}' is neither a path nor a URL of a catalog", hint=hint) from None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:" or url.query:
        shown = url.render_as_string(hide_password=True)
        raise CatalogError(f"a catalog is one SQLite file; '{shown}' is not", hint=hint)
    return Path(url.database).expanduser().absolute()


def store_folder(path: Path) -> Path:
    """The folder beside a catalog that holds its models and banks: ``catalog.store`` for ``catalog.db``."""
    return path.with_name((path.stem if path.suffix == ".db" else path.name) + ".store")


def _create(connection: sa.Connection) -> None:
    """A new catalog, of the newest revision at once; a test holds this equal to all migrations in turn."""
    schema.metadata.create_all(connection)
    schema.version.create(connection)
    connection.execute(sa.insert(schema.version).values(version_num=schema.HEAD))


def _begin(connection: sa.Connection) -> None:
    # The driver is kept from beginning transactions itself (it would not cover DDL), so it is done here.
    # A writer takes the lock at once: one that begins by reading can be refused the lock half-way.
    writes = connection.get_execution_options().get("filterkit_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _roll_back(connection: sqlite3.Connection, *_: object) -> None:
    # SQLAlchemy closes a connection on which Ctrl-C came. SQLite closes it only once its last statement is
    # gone, which the traceback still holds: until then nobody else could write, this process included.
    with suppress(sqlite3.Error):
        connection.rollback()


@contextmanager
def _explained(path: Path, *impossible: type[Exception]) -> Iterator[None]:
    """Say in one line what SQLite could not do; what is `impossible` with a sound catalog is its damage."""
    try:
        yield
    except DBAPIError as error:
        raise connections.explain(path, error.orig or error) from error
    except (ValueError, TypeError) as error:
        if not isinstance(error, (UnicodeDecodeError, *impossible)):
            raise
        raise connections.explain(path, error) from error
