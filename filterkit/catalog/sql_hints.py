"""What to write instead of SQL that SQLite refuses: the tables and columns that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from difflib import get_close_matches

from filterkit.catalog.schema import metadata
from filterkit.errors import closest

_UNKNOWN = re.compile(r"no such (table|column): (.+)")
_NEAR = re.compile(r'near "(\w+)": syntax error')

TABLES = {table.name: [column.name for column in table.columns] for table in metadata.sorted_tables}

LONGEST = 300
"""Characters of a statement that is written out as it should be."""


def instead(sql: str, words: str) -> str:
    """A hint for `sql`, by the words in which SQLite says what is wrong with it."""
    unknown, near = _UNKNOWN.match(words), _NEAR.match(words)
    if unknown and unknown[1] == "table":
        return _of_tables(sql, unknown[2].rpartition(".")[2])
    if unknown:
        return _of_columns(unknown[2].rpartition(".")[2])
    # A table's name alone, as most commands take that of a model, is no statement.
    table = _table_like(near[1]) if near and sql.strip(" ;\n") == near[1] else None
    return f'`filterkit query "SELECT * FROM {table or "model"}"` works'


def _of_tables(sql: str, name: str) -> str:
    table = _table_like(name)
    if table is None:
        return f"the tables are {_listed(TABLES)}"
    meant = re.sub(rf"\b{re.escape(name)}\b", table, sql)
    command = f": `filterkit query {shlex.quote(meant)}`" if len(meant) <= LONGEST else ""
    return f"the table is '{table}'{command}"


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
