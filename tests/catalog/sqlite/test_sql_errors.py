"""What is said of a query that fails, and that the corrected ones in the hints work."""

from __future__ import annotations

import re
import shlex

import pytest
from free_sql import run

from filterkit.catalog import Catalog
from filterkit.errors import UnknownNameError, UsageError


@pytest.mark.parametrize(
    ("sql", "corrected"),
    [
        ("select * from filters limit 1", "select * from filter limit 1"),
        ("select f.position from Filtr f, layers", "select f.position from filter f, layer"),
        ("select 'from models' from models", "select 'from models' from model"),
        ("model", "SELECT * FROM model"),
    ],
)
def test_misspelled_tables_are_corrected(reading: Catalog, sql: str, corrected: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(reading, sql)
    [command] = re.findall(r"`filterkit query (.*)`", str(caught.value.hint))
    assert shlex.split(command) == [corrected]
    assert run(reading, corrected)


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT 1 FROM nowhere", "the tables are 'model', "),
        ("SELECT operator FROM layer", "did you mean"),
        ("SELECT macs FROM model", "'macs' is a column of 'layer'"),
        ("SELECT layer FROM model", "'layer' is a table; its columns are "),
        ("SELECT loud FROM filter", "a plugin's metric is json_extract(extra, '$.loud')"),
        ("SELECT name FROM model, layer l", "add the table: model.name or l.name"),
        ("SELECT * FROM model WHERE name = conv1", "put text in single quotes: 'conv1'"),
    ],
)
def test_hints(reading: Catalog, sql: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(reading, sql)
    assert hint in str(caught.value.hint)


def test_an_unknown_column_is_an_unknown_name(reading: Catalog) -> None:
    with pytest.raises(UnknownNameError) as caught:
        run(reading, "SELECT loud FROM filter")
    assert caught.value.name == "loud"


@pytest.mark.parametrize("sql", ["SELECT json('{')", "SELECT value FROM json_each('[1,')"])
def test_malformed_json_is_the_querys_fault(reading: Catalog, sql: str) -> None:
    with pytest.raises(UsageError, match="malformed JSON") as caught:
        run(reading, sql)
    assert "json_valid" in str(caught.value.hint)
