"""The tables and indexes that a catalog may contain: exactly those that a revision of filterkit creates.

A schema is code that SQLite runs: a view in place of a table may run without end, and a trigger changes what
is written. So no other statement is run on a catalog before its schema has been compared with this list.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from pathlib import Path

from filterkit.catalog import schema
from filterkit.catalog.sqlite.connections import damaged
from filterkit.errors import CatalogError, one_line

MOST_OBJECTS = 100
LONGEST_SQL = 20_000
"""Characters of one object's SQL that are compared; filterkit's own have a few thousand."""

OBJECTS = (
    f"SELECT type, name, tbl_name, substr(sql, 1, {LONGEST_SQL}) FROM sqlite_master LIMIT {MOST_OBJECTS}"
)

KNOWN: dict[str, frozenset[str]] = {
    "edge": frozenset({"10a1d8b360cdc8658f785c92fff0f70e"}),
    "exemplar": frozenset({"4041c7cc8cf0f0874dba27a1861ed035"}),
    "filter": frozenset(
        {
            "17e94011de79d0154237e58090ac2faa",
            "417cf6896198c1b1641f69e094ac6c87",
            "60d5487ba0b957c4d0fff01f06cae263",
            "6647f69c30c76f50946698d3da2f5cce",
            "6efa8db2acf69d2916f8fccd4b9ba543",
            "e78a13c918e5e15b3b72410ac239e387",
        }
    ),
    "filterkit_schema": frozenset({"9d10e18661c5ddf5db2924aa39daba83"}),
    "image": frozenset({"aaf9aa18c64dcd069ef255ac4ce78017"}),
    "ix_filter_classic_type": frozenset({"2b224f961d6a1952a72c74341c945b8a"}),
    "ix_model_extra": frozenset({"e68af0b60fa0c899b36dfd6b0d68e7ef"}),
    "layer": frozenset(
        {
            "374387b4a20db6af25641bd80153c692",
            "627e87445a29675b7d8c4eac6fcfbfc2",
            "69e9c2ca1937ff31ae10353a52f3c9e5",
            "83838e1db7650cde2b3b899694326d33",
            "acc7f78b16719ca7004b95879f186493",
            "ad6eb980605bd95a5ba6eb01fb0cc024",
            "b8185f1d44696f09a6f676f7ae4363cc",
            "e7a405413a4c56796f9e4239c0755deb",
        }
    ),
    "model": frozenset(
        {
            "0a720cd1d7c8e9f6223c216d9b0b97df",
            "169c99192a643b5331f44c462a75c35f",
            "2012799a767072eabada1337c0e31647",
            "3e8cb8d91f10d680e1befd8a72b28d1a",
            "47105c829e64f29ecb3d4cf85edccb1c",
            "6184a9199b2511de2f7aca8c95f68450",
            "8fa4cbb7051af783136f0c5dc79f8f21",
            "9941ddee62803086f44003c7fa6ee643",
            "f00bf86d1c920ef5f214f22b3a758782",
        }
    ),
    "observation": frozenset({"0fe9b3e5feb1d57c78c2af5b2cc804f1", "ec52d29b98e0275a15f719054e7078d8"}),
    "response": frozenset({"3f65da38bb2de81ad6b57097142f546a", "ea65230e0b074c3711111de67c0b8e7e"}),
    "skipped": frozenset({"35a2dbfa4ffe2826df0f74c87ef6025e"}),
    "sqlite_autoindex_filterkit_schema_1": frozenset({"index of filterkit_schema"}),
    "sqlite_autoindex_layer_1": frozenset({"index of layer"}),
    "sqlite_autoindex_layer_2": frozenset({"index of layer"}),
    "sqlite_autoindex_model_1": frozenset({"index of model"}),
    "sqlite_autoindex_observation_1": frozenset({"index of observation"}),
}
"""By name, the digests (see `digest`) of the SQL that each revision creates, or that an upgrade to it leaves.
A test recomputes all of them."""

BY_ANALYZE = {
    "sqlite_stat1": "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "sqlite_stat4": "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
}
"""Tables that ``ANALYZE`` and ``PRAGMA optimize`` create. SQLite has read them when it lists a schema."""


def check_schema(connection: sqlite3.Connection, path: Path) -> str | None:
    """The revision of the catalog, or None if the file is an empty database.

    Raises
    ------
    CatalogError
        It is another program's database, a newer filterkit's, or contains what filterkit did not create.
    """
    objects = connection.execute(OBJECTS).fetchall()
    if not objects:
        return None
    version = [each for each in objects if each[1] == schema.version.name]
    if not version:
        raise CatalogError(
            f"{path} is an SQLite database, but not a filterkit catalog",
            hint="choose another file with --catalog, FILTERKIT_CATALOG or filterkit.open(FILE)",
        )
    _check(version, path)  # before it is read
    found = connection.execute(f"SELECT version_num FROM {schema.version.name} LIMIT 2").fetchall()
    if len(found) != 1:
        raise damaged(path, f"it has {len(found)} revisions")
    revision = found[0][0]
    if revision not in schema.REVISIONS:
        raise CatalogError(
            f"{path} was written by a newer filterkit "
            f"(schema {one_line(str(revision)[:40])}, here {schema.HEAD})",
            hint="pip install --upgrade cnn-filterkit",
        )
    _check(objects, path)
    expected = {"model", "layer", "filter", "skipped"}
    if revision == schema.HEAD:
        expected.update(schema.metadata.tables)
    missing = expected.difference(name for _, name, *_ in objects)
    if missing:
        raise damaged(path, f"it has no table '{min(missing)}'")
    return str(revision)


def digest(kind: str, table: str, sql: str | None) -> str:
    """Digest of an object of the schema, ignoring spaces, quotes, case and the order of constraints.

    These depend on the versions of SQLAlchemy and Alembic that created it.
    """
    if sql is None:  # the index of a constraint
        return f"{kind} of {table}"
    plain = re.sub(r'[\s"]+', "", sql).lower()
    return hashlib.sha256(f"{kind},{table},{_with_sorted_constraints(plain)}".encode()).hexdigest()[:32]


def _check(objects: list[tuple[str, str, str, str | None]], path: Path) -> None:
    for kind, name, table, sql in objects:
        if kind == "table" and sql is not None and BY_ANALYZE.get(name) == sql:
            continue
        if digest(str(kind), str(table), sql) not in KNOWN.get(name, ()):
            shown = one_line(f"{kind} '{name}'"[:100])
            raise CatalogError(
                f"the catalog {path} contains the {shown}, which filterkit does not create, and is not read",
                hint=f"if you created it, drop it in sqlite3: DROP {one_line(str(kind)[:20]).upper()} "
                f"{name if str(name)[:100].isidentifier() else '…'}; otherwise do not use this catalog",
            )


def _with_sorted_constraints(sql: str) -> str:
    """`sql`, which has no spaces, with the constraints moved after the columns and sorted."""
    begin, end = sql.find("("), sql.rfind(")")
    parts: list[str] = [""]
    depth = 0
    for piece in re.split(r"([(),])", sql[begin + 1 : end]):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    columns = [part for part in parts if not _is_constraint(part)]
    constraints = sorted(part for part in parts if _is_constraint(part))
    return f"{sql[:begin]}({','.join([*columns, *constraints])}){sql[end + 1 :]}"


def _is_constraint(part: str) -> bool:
    return part.startswith(("constraint", "primarykey(", "foreignkey(", "unique(", "check("))
