"""What to write instead of SQL that SQLite refuses: the tables and columns that there are."""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Collection
from contextlib import closing
from difflib import get_close_matches

from filterkit.catalog.schema import metadata
from filterkit.errors import closest

_UNKNOWN = re.compile(r"no such (table|column): (.+)")
_AMBIGUOUS = re.compile(r"ambiguous column name: (.+)")
_NEAR = re.compile(r'near "(\w+)": syntax error')

TABLES = {table.name: [column.name for column in table.columns] for table in metadata.sorted_tables}

_ALIAS = (
    r"(?:\s+as\b)?(?:\s+(?!(?:from|join|on|using|where|natural|left|right|full|inner|outer|cross|group|order|"
    r"limit|having|window|union|except|intersect|indexed|not)\b)(\w+))?"
)
_NAMED = re.compile(r"(?:\b(?:from|join)\b|,)\s*(?:main\.)?(\w+)" + _ALIAS, re.IGNORECASE)
"""A table in a statement, and what else it is called there."""

LONGEST = 300
"""Characters of a statement that is written out as it should be."""


def instead(sql: str, words: str) -> str:
    """A hint for `sql`, by the words in which SQLite says what is wrong with it."""
    unknown, near = _UNKNOWN.match(words), _NEAR.match(words)
    if unknown and unknown[1] == "table":
        return _of_tables(sql, unknown[2].rpartition(".")[2])
    if unknown:
        return _of_text(sql, unknown[2]) or _of_columns(unknown[2].rpartition(".")[2])
    ambiguous = _AMBIGUOUS.match(words)
    if ambiguous:
        return _qualified(sql, ambiguous[1].rpartition(".")[2])
    # A table's name alone, as most commands take that of a model, is no statement.
    table = _table_like(near[1]) if near and sql.strip(" ;\n") == near[1] else None
    return f'`filterkit query "SELECT * FROM {table or "model"}"` works'


def _of_tables(sql: str, name: str) -> str:
    table = _table_like(name)
    if table is None:
        return f"the tables are {_listed(TABLES)}"
    if len(sql) <= LONGEST:
        meant, found, fault = _mended(sql)
        if not fault:
            is_one = "the table is" if len(found) == 1 else "the tables are"
            return f"{is_one} {_listed(found)}: `filterkit query {quoted(meant)}`"
        other = _UNKNOWN.match(fault)
        if other and other[1] == "table":
            return f"the tables are {_listed(TABLES)}"
        if other or _AMBIGUOUS.match(fault):
            return f"the table is '{table}'; then {fault}: {instead(meant, fault)}"
    return f"the table is '{table}'"


def _mended(sql: str) -> tuple[str, list[str], str]:
    """`sql` with the names of tables that there are, these names, and what is wrong with it even so."""
    found: list[str] = []
    with closing(sqlite3.connect(":memory:")) as empty:
        for table, columns in TABLES.items():
            empty.execute(f'CREATE TABLE "{table}" ({", ".join(map(_in_quotes, columns))})')
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
    """`sql` with another name of a table, where one stands: behind FROM, say, or before a dot."""
    called = rf"(?P<before>\b(?:from|join)[\s(\x22]+(?:\w+\.)?|,\s*)?\b{re.escape(name)}\b(?P<dot>\s*\.)?"

    def written(match: re.Match[str]) -> str:
        before, dot = match["before"], match["dot"]
        if before is None and dot is None:
            return match[0]
        return f"{before or ''}{table}{dot or ''}"

    return re.sub(rf"'(?:[^']|'')*'|{called}", written, sql, flags=re.IGNORECASE)


def _in_quotes(name: str) -> str:
    return f'"{name}"'


def _qualified(sql: str, column: str) -> str:
    """Says of which of the tables that `sql` names a column that several of them have is to be taken."""
    owners = [
        alias or table
        for table, alias in _NAMED.findall(sql)
        if column.casefold() in TABLES.get(table.casefold(), ())
    ]
    which = " or ".join(f"{owner}.{column}" for owner in dict.fromkeys(owners))
    return f"say of which table it is: {which or f'TABLE.{column}'}"


def quoted(word: str) -> str:
    """`word` for a shell: in double quotes where it has single ones, and nothing that is special there."""
    if "'" in word and not re.search(r'["$`\\!]', word):
        return f'"{word}"'
    return shlex.quote(word)


def _of_text(sql: str, name: str) -> str | None:
    """A hint for what is compared with a column, and was to be a text: ``name = conv1``."""
    compared = re.search(rf"(?:[=<>]|\blike\b|\bin\s*\()\s*{re.escape(name)}(?![\w.])", sql, re.IGNORECASE)
    if not compared or _of_columns(name).startswith(("did", "'")):
        return None
    return f"a text stands in single quotes: '{name}'"


def _of_columns(name: str) -> str:
    owners: dict[str, list[str]] = {}
    for table, columns in TABLES.items():
        for column in columns:
            owners.setdefault(column, []).append(table)
    if name in owners:
        return f"'{name}' is a column of {_listed(owners[name])}"
    if name in TABLES:
        return f"'{name}' is a table; what stands in it is called {_listed(TABLES[name][:4])}, …"
    hint = closest(name, owners)
    of_plugins = f"a plugin's metric is json_extract(extra, '$.{name}')"
    return f"{hint.rstrip('?')}? {of_plugins}" if hint.startswith("did") else of_plugins


def _table_like(name: str) -> str | None:
    """The table that is called nearly so: in the plural, say."""
    close = get_close_matches(name.casefold().removesuffix("s"), TABLES, 1, 0.7)
    return close[0] if close else None


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
