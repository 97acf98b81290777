"""What the failure of a free SQL statement means: the error to show, with a correction as its hint."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection
from contextlib import closing
from difflib import get_close_matches
from pathlib import Path

from filterkit.budget import show_size
from filterkit.catalog.schema import metadata
from filterkit.catalog.sqlite.connections import explain
from filterkit.catalog.sqlite.sql_process import Failure, Limits
from filterkit.catalog.sqlite.sql_worker import (
    BY_MEMORY,
    BY_NAMES,
    BY_RESULTS,
    BY_ROW,
    BY_TIME,
    HEAP,
    NAMES,
    NO_ROWS,
    ROW_ROOM,
    TEMPORARY,
)
from filterkit.errors import (
    CatalogError,
    FilterkitError,
    UnknownNameError,
    UsageError,
    closest,
    shell_quoted,
)

FILE_ERRORS = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
}
TEMPORARY_FILE_ERRORS = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_GETTEMPPATH,
}
"""Nothing else is written."""

NO_COLUMN = "no such column: "

_UNKNOWN = re.compile(r"no such (table|column): (.+)")
_AMBIGUOUS = re.compile(r"ambiguous column name: (.+)")
_NEAR = re.compile(r'near "(\w+)": syntax error')

TABLES = {table.name: [column.name for column in table.columns] for table in metadata.tables.values()}

_ALIAS = (
    r"(?:\s+as\b)?(?:\s+(?!(?:from|join|on|using|where|natural|left|right|full|inner|outer|cross|group|order|"
    r"limit|having|window|union|except|intersect|indexed|not)\b)(\w+))?"
)
_NAMED = re.compile(r"(?:\b(?:from|join)\b|,)\s*(?:main\.)?(\w+)" + _ALIAS, re.IGNORECASE)
"""A table in a statement, and its alias."""

LONGEST = 300
"""Characters of a statement whose correction is shown in full."""


def explain_failure(path: Path, sql: str, failure: Failure, limits: Limits) -> FilterkitError:
    """The error to show to the user for a statement that failed or reached one of its limits."""
    if failure.which == BY_TIME:
        return CatalogError(
            f"the query took longer than {limits.seconds:g} seconds", hint="allow more with --timeout"
        )
    if failure.which == BY_RESULTS:
        assert limits.results is not None
        return CatalogError(
            f"the results have more than {show_size(limits.results)}",
            hint="allow more with --max-result, or select fewer rows with --limit",
        )
    if failure.which == BY_MEMORY or failure.code == sqlite3.SQLITE_NOMEM:
        return CatalogError(
            f"the query needs more memory than allowed ({HEAP >> 20} MiB, more with a larger --max-value)",
            hint="select fewer columns or smaller values",
        )
    if failure.which == BY_ROW:
        return CatalogError(
            f"a row has more than {show_size(2 * limits.value + ROW_ROOM)}",
            hint="select fewer columns, or allow more with --max-value",
        )
    if failure.which == BY_NAMES:
        return UsageError(
            f"the names of the columns have more than {show_size(NAMES)}", hint="name columns with AS"
        )
    if failure.which == NO_ROWS:
        return UsageError("the query has no SELECT", hint="write e.g. 'SELECT * FROM model'")
    return _explain_sqlite(path, sql, failure, limits)


def _explain_sqlite(path: Path, sql: str, failure: Failure, limits: Limits) -> FilterkitError:
    code, words = failure.code, failure.words
    kind = code & 0xFF  # the higher bits give details
    if code in TEMPORARY_FILE_ERRORS:
        return CatalogError(
            f"the query cannot write its temporary files ({words})",
            hint=f"check for free disk space in TMPDIR; a file may have up to {TEMPORARY >> 30} GiB",
        )
    if kind in FILE_ERRORS:
        return explain(path, sqlite3.DatabaseError(words))
    if kind == sqlite3.SQLITE_TOOBIG:
        return UsageError(
            f"a text, blob or row of the query has more than {show_size(limits.value)}",
            hint="allow more with --max-value, e.g. 64MB",
        )
    if kind in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY) or words.startswith("not authorized"):
        return UsageError(f"the query does more than read ({words})", hint="only SELECT is allowed")
    if "one statement" in words:
        return UsageError("the query is more than one statement", hint="write a single SELECT")
    if "malformed JSON" in words:
        return UsageError(
            f"the query cannot be run: {words}", hint="json_valid(…) is 1 where the value is valid JSON"
        )
    message, hint = f"the query cannot be run: {words}", correction(sql, words)
    if words.startswith(NO_COLUMN):
        return UnknownNameError(message, name=words.removeprefix(NO_COLUMN), hint=hint)
    return UsageError(message, hint=hint)


def correction(sql: str, words: str) -> str:
    """A hint for `sql`, from SQLite's message about it."""
    unknown, near = _UNKNOWN.match(words), _NEAR.match(words)
    if unknown and unknown[1] == "table":
        return _table_hint(sql, unknown[2].rpartition(".")[2])
    if unknown:
        return _text_hint(sql, unknown[2]) or _column_hint(unknown[2].rpartition(".")[2])
    ambiguous = _AMBIGUOUS.match(words)
    if ambiguous:
        return _qualified_column_hint(sql, ambiguous[1].rpartition(".")[2])
    # A table's name alone, just as most commands accept a model's name, is not a statement.
    table = _table_like(near[1]) if near and sql.strip(" ;\n") == near[1] else None
    return f'`filterkit query "SELECT * FROM {table or "model"}"` works'


def _table_hint(sql: str, name: str) -> str:
    table = _table_like(name)
    if table is None:
        return f"the tables are {_listed(TABLES)}"
    if len(sql) <= LONGEST:
        meant, found, fault = _corrected(sql)
        if not fault:
            is_one = "the table is" if len(found) == 1 else "the tables are"
            return f"{is_one} {_listed(found)}: `filterkit query {shell_quoted(meant)}`"
        other = _UNKNOWN.match(fault)
        if other and other[1] == "table":
            return f"the tables are {_listed(TABLES)}"
        if other or _AMBIGUOUS.match(fault):
            return f"the table is '{table}'; then {fault}: {correction(meant, fault)}"
    return f"the table is '{table}'"


def _corrected(sql: str) -> tuple[str, list[str], str]:
    """`sql` with misspelled tables corrected, their correct names, and SQLite's remaining error."""
    found: list[str] = []
    with closing(sqlite3.connect(":memory:")) as empty:
        for table, columns in TABLES.items():
            empty.execute(f'CREATE TABLE "{table}" ({", ".join(map(_quoted, columns))})')
        while True:
            try:
                empty.execute(f"EXPLAIN {sql}")
            except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
                unknown = _UNKNOWN.match(str(error))
                name = unknown[2].rpartition(".")[2] if unknown and unknown[1] == "table" else ""
                meant = _table_like(name) if name else None
                if meant is None or meant == name or len(found) > len(TABLES):
                    return sql, found, str(error)
                found.append(meant)
                sql = _renamed(sql, name, meant)
            else:
                return sql, list(dict.fromkeys(found)), ""


def _renamed(sql: str, name: str, table: str) -> str:
    """`sql` with a table renamed where it is one: e.g. after FROM, or before a dot."""
    called = rf"(?P<before>\b(?:from|join)[\s(\x22]+(?:\w+\.)?|,\s*)?\b{re.escape(name)}\b(?P<dot>\s*\.)?"

    def replacement(match: re.Match[str]) -> str:
        before, dot = match["before"], match["dot"]
        if before is None and dot is None:
            return match[0]
        return f"{before or ''}{table}{dot or ''}"

    return re.sub(rf"'(?:[^']|'')*'|{called}", replacement, sql, flags=re.IGNORECASE)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _qualified_column_hint(sql: str, column: str) -> str:
    """A hint for a column that several tables of `sql` have."""
    owners = [
        alias or table
        for table, alias in _NAMED.findall(sql)
        if column.casefold() in TABLES.get(table.casefold(), ())
    ]
    which = " or ".join(f"{owner}.{column}" for owner in dict.fromkeys(owners))
    return f"add the table: {which or f'TABLE.{column}'}"


def _text_hint(sql: str, name: str) -> str | None:
    """A hint for an unquoted text that is compared with a column: ``name = conv1``."""
    compared = re.search(rf"(?:[=<>]|\blike\b|\bin\s*\()\s*{re.escape(name)}(?![\w.])", sql, re.IGNORECASE)
    if not compared or _column_hint(name).startswith(("did", "'")):
        return None
    return f"put text in single quotes: '{name}'"


def _column_hint(name: str) -> str:
    owners: dict[str, list[str]] = {}
    for table, columns in TABLES.items():
        for column in columns:
            owners.setdefault(column, []).append(table)
    if name in owners:
        return f"'{name}' is a column of {_listed(owners[name])}"
    if name in TABLES:
        return f"'{name}' is a table; its columns are {_listed(TABLES[name][:4])}, …"
    hint = closest(name, owners)
    of_plugins = f"a plugin's metric is json_extract(extra, '$.{name}')"
    return f"{hint.rstrip('?')}? {of_plugins}" if hint.startswith("did") else of_plugins


def _table_like(name: str) -> str | None:
    """The table with a similar name, e.g. in the plural."""
    close = get_close_matches(name.casefold().removesuffix("s"), TABLES, 1, 0.7)
    return close[0] if close else None


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
