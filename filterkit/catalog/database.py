"""The open catalog: where its file is, checks on opening it, and connections to it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from filterkit.catalog import schema
from filterkit.catalog.sqlite import connections
from filterkit.catalog.sqlite.connections import check_beside, clear_journal
from filterkit.catalog.sqlite.known_schema import check_schema
from filterkit.catalog.store import Store
from filterkit.catalog.validation import DamagedValueError
from filterkit.errors import CatalogError, one_line

_log = logging.getLogger("filterkit")


class OlderCatalogError(CatalogError):
    """The catalog has the schema of an older filterkit, and is not to be upgraded in place."""


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

    def __init__(self, path: Path, *, write: bool, stop: Callable[[], bool] | None = None) -> None:
        self.path = path
        self.store = Store(store_folder(path))
        self.writable = write
        self._limit = connections.StepLimit(path, stop)
        self._engine = connections.engine(path, write=write, limit=self._limit)
        self._idle: list[connections.Connection] = []

    def __repr__(self) -> str:
        return f"<Catalog {str(self.path)!r}, open for {'writing' if self.writable else 'reading'}>"

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str],
        *,
        write: bool = False,
        upgrade: bool = True,
        stop: Callable[[], bool] | None = None,
    ) -> Catalog:
        """Open the catalog at `location`, a file or a ``sqlite:///`` URL.

        Reading changes nothing, with one exception: a catalog of an older filterkit is upgraded, after a copy
        is made beside it, and the logger ``filterkit`` reports it. Opening for writing creates the catalog if
        it does not exist.

        Parameters
        ----------
        upgrade
            False raises an error for an older catalog instead.
        stop
            As for `Workbench`.

        Raises
        ------
        CatalogError
            There is no catalog, or it is another program's, newer than this filterkit, corrupted, not
            writable or a link; or a file beside it must not be touched by SQLite.
        """
        path = catalog_path(location)
        exists = os.path.lexists(path)  # checked once, before all else: another process may be creating it
        if exists:
            check_beside(path, write=write)
        elif not write:
            raise CatalogError(
                f"there is no catalog at {path}",
                hint="`filterkit add vgg16`, `filterkit quickstart` or bench.add('vgg16') creates one",
            )
        if not path.parent.is_dir():
            raise CatalogError(
                f"there is no folder {path.parent} to create a catalog in",
                hint="create it first, or choose another with --catalog or filterkit.open(FILE)",
            )
        catalog = cls(path, write=write, stop=stop)
        if write:
            catalog.store.check_rooms()  # before anything is created that would have to be removed
        try:
            catalog._check(upgrade)
        except BaseException:
            catalog.close()
            raise
        return catalog

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection for reading; all of it sees one snapshot of the catalog."""
        self._limit.reset()
        with self._explained(*connections.INVALID_VALUE_ERRORS), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[connections.Connection]:
        """A connection of the driver itself, for one statement that reads; faster than `connect`."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connections.connect(self.path, limit=self._limit)
        self._limit.reset()
        try:
            yield connection
        except connections.Error as error:
            raise self.explained(error) from error
        except connections.INVALID_VALUE_ERRORS as error:
            raise connections.explain(self.path, error) from error
        finally:
            self._idle.append(connection)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A connection for writing: one transaction, which holds the write lock from its start.

        Raises
        ------
        CatalogError
            The catalog was opened for reading, or cannot be written.
        """
        if not self.writable:
            raise CatalogError(f"{self.path} was opened for reading only")
        self._limit.reset(writing=True)
        with self._explained(), self._engine.connect() as connection:
            writer = connections.as_writer(connection)
            with writer.begin():
                yield writer

    def more_rows(self) -> None:
        """Let a transaction that inserts rows in portions take as many steps for the next portion."""
        self._limit.reset(writing=True)

    def close(self) -> None:
        """Close all connections; the catalog must not be used after that."""
        self._engine.dispose()
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, upgrade: bool) -> None:
        """Require a catalog of the revision that this code knows; create or upgrade it."""
        revision = self._revision()
        if revision is None and self.writable:
            with self.begin() as connection:
                if not sa.inspect(connection).get_table_names():  # no other process was faster
                    _create(connection)
            revision = self._revision()
        if revision is None:
            raise CatalogError(
                f"{self.path} is empty, not a catalog yet", hint="`filterkit add vgg16` creates one there"
            )
        if revision != schema.HEAD:
            self._upgrade(revision, upgrade)
        if self.writable:
            connections.use_write_ahead_log(self.path)
            with self.connect() as connection:  # writers read all models, and their limit is higher
                connection.execute(sa.select(sa.func.max(sa.func.length(schema.model.c.sha256))))

    def _upgrade(self, revision: str, allowed: bool) -> None:
        if not allowed:
            raise OlderCatalogError(
                f"{self.path} was written by an older filterkit", hint="`filterkit models` upgrades it"
            )
        from alembic.util import CommandError

        from filterkit.catalog.migrations.upgrade import upgrade

        self._engine.dispose()
        with self._explained():
            try:
                copy = upgrade(self.path)
            except (SQLAlchemyError, CommandError) as error:
                if isinstance(error, DBAPIError):
                    raise
                raise connections.damaged(self.path, str(error)) from error
        _log.warning(
            "the catalog %s was upgraded from schema %s to %s; %s is a copy of it as it was",
            *(one_line(str(self.path)), revision, schema.HEAD, one_line(copy.name)),
        )

    def _revision(self) -> str | None:
        """See `check_schema`."""
        with self.connect() as connection:
            try:
                return check_schema(connections.driver_connection(connection), self.path)
            except connections.Error as error:
                raise self.explained(error) from error

    @contextmanager
    def _explained(self, *signs_of_damage: type[Exception]) -> Iterator[None]:
        """Raise the database's errors as `CatalogError`, and those that only a corrupted catalog causes."""
        try:
            yield
        except Exception as error:
            if _is_from_interruption(error):
                raise KeyboardInterrupt from error
            if isinstance(error, DBAPIError):
                raise self.explained(error.orig or error) from error
            if isinstance(error, (UnicodeDecodeError, DamagedValueError, *signs_of_damage)):
                raise connections.explain(self.path, error) from error
            raise

    def explained(self, error: BaseException) -> BaseException:
        """The exception to raise for an error of the database; Ctrl-C while it works is one as well."""
        if not connections.is_interruption(error):
            return connections.explain(self.path, error)
        if not self._limit.is_exceeded:
            return KeyboardInterrupt()
        return connections.damaged(
            self.path, "reading it takes longer than any intact catalog of its size would take"
        )


def _is_from_interruption(error: BaseException) -> bool:
    """Whether Ctrl-C is the cause: SQLAlchemy, interrupted in its own bookkeeping, fails an assertion."""
    while (cause := error.__cause__ or error.__context__) is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        error = cause
    return False


def recover(path: Path) -> None:
    """Let SQLite roll back the journal of an interrupted writer; see `Workbench.recover`."""
    if not os.path.lexists(path):
        raise CatalogError(
            f"there is no catalog at {path}", hint="choose another with --catalog or filterkit.open(FILE)"
        )
    with Catalog.open(path, write=True) as catalog, catalog.begin():
        clear_journal(path)  # one that has content but is finished, which SQLite leaves in place


def catalog_path(location: str | os.PathLike[str]) -> Path:
    """The file that `location`, a path or a ``sqlite:///`` URL, refers to.

    Raises
    ------
    CatalogError
        `location` is a URL of anything but an SQLite file.
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
    """The folder beside a catalog for its models and banks: ``catalog.store`` for ``catalog.db``."""
    return path.with_name((path.stem if path.suffix == ".db" else path.name) + ".store")


def _create(connection: sa.Connection) -> None:
    """Create a catalog of the newest revision; a test checks that all migrations in turn give the same."""
    schema.metadata.create_all(connection)
    schema.version.create(connection)
    connection.execute(sa.insert(schema.version).values(version_num=schema.HEAD))
