"""Opening a catalog: where it is, whether it is one, and connections to it."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from filterkit.catalog import schema
from filterkit.catalog.sqlite import connections
from filterkit.catalog.sqlite.journals import check_beside, clear_journal
from filterkit.catalog.sqlite.known_schema import check_schema
from filterkit.catalog.store import Store
from filterkit.catalog.values import DamagedValueError
from filterkit.errors import CatalogError, one_line

_log = logging.getLogger("filterkit")


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
        self._patience = connections.Patience(path)
        self._engine = sa.create_engine(
            "sqlite://",
            creator=lambda: connections.connect(path, write=write, patience=self._patience),
            poolclass=QueuePool,
            json_serializer=connections.to_json,
        )
        sa.event.listen(self._engine, "begin", _begin)
        sa.event.listen(self._engine, "invalidate", _roll_back)
        self._idle: list[sqlite3.Connection] = []

    @classmethod
    def open(cls, location: str | os.PathLike[str], *, write: bool = False, upgrade: bool = True) -> Catalog:
        """Open the catalog at `location`, a file or a ``sqlite:///`` URL.

        Reading changes nothing, but for one exception: a catalog of an older filterkit is upgraded, with a
        copy of it left beside it, and the logger ``filterkit`` says so. Writing makes the catalog where there
        is none.

        Parameters
        ----------
        upgrade
            False refuses an older catalog instead.

        Raises
        ------
        CatalogError
            Where there is no catalog, or it is foreign, newer than this filterkit, broken or not writable; or
            it is a link, or something lies beside it that SQLite must not touch.
        """
        path = catalog_path(location)
        exists = os.path.lexists(path)  # looked at once, before all else: somebody may be making it
        if exists:
            check_beside(path, write=write)
        elif not write:
            raise CatalogError(
                f"there is no catalog at {path}",
                hint="`filterkit add vgg16` or `filterkit quickstart` makes one",
            )
        if not path.parent.is_dir():
            raise CatalogError(
                f"there is no folder {path.parent} to make a catalog in",
                hint="make it first, or choose another with --catalog",
            )
        catalog = cls(path, write=write)
        if write:
            catalog.store.check_rooms()  # before there is anything that somebody has to take away again
        try:
            catalog._check(upgrade)
        except BaseException:
            catalog.close()
            raise
        return catalog

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection that reads, all from one moment of the catalog."""
        self._patience.renew()
        with self._explained(*connections.MEANINGLESS), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection of the driver itself, for one statement that reads: no time is lost on the way."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connections.connect(self.path, patience=self._patience)
        self._patience.renew()
        try:
            yield connection
        except sqlite3.Error as error:
            raise self._meaning(error) from error
        except connections.MEANINGLESS as error:
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
        self._patience.renew(writing=True)
        with self._explained(), self._engine.connect() as raw:
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

    def _check(self, upgrade: bool) -> None:
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
        if revision != schema.HEAD:
            self._upgrade(revision, upgrade)
        if self.writable:
            connections.use_write_ahead_log(self.path)
            with self.connect() as connection:  # writers look at all models, and have more patience
                connection.execute(sa.select(sa.func.max(sa.func.length(schema.model.c.sha256))))

    def _upgrade(self, revision: str, allowed: bool) -> None:
        if not allowed:
            raise CatalogError(
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
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            try:
                return check_schema(driver, self.path)
            except sqlite3.Error as error:
                raise self._meaning(error) from error

    @contextmanager
    def _explained(self, *impossible: type[Exception]) -> Iterator[None]:
        """Say in one line what SQLite could not do; what is `impossible` in a sound catalog is damage."""
        try:
            yield
        except Exception as error:
            if _is_from_interruption(error):
                raise KeyboardInterrupt from error
            if isinstance(error, DBAPIError):
                raise self._meaning(error.orig or error) from error
            if isinstance(error, (UnicodeDecodeError, DamagedValueError, *impossible)):
                raise connections.explain(self.path, error) from error
            raise

    def _meaning(self, error: BaseException) -> BaseException:
        """What an error of SQLite means; Ctrl-C while it worked comes as an error, too."""
        if str(error) != "interrupted":
            return connections.explain(self.path, error)
        if not self._patience.is_exhausted:
            return KeyboardInterrupt()
        return connections.damaged(
            self.path, "reading it takes longer than reading any sound one of its size"
        )


def _is_from_interruption(error: BaseException) -> bool:
    """Whether Ctrl-C came first: SQLAlchemy, stopped within its own bookkeeping, fails an assertion."""
    while (cause := error.__cause__ or error.__context__) is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        error = cause
    return False


def recover(path: Path) -> None:
    """Let SQLite play back the journal of a writer that was interrupted; see `Workbench.recover`."""
    if not os.path.lexists(path):
        raise CatalogError(f"there is no catalog at {path}", hint="choose another with --catalog")
    with Catalog.open(path, write=True) as catalog, catalog.begin():
        clear_journal(path)  # that has content and means nothing, which SQLite leaves as it is


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
