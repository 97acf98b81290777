"""The language of --where, compared with an independent evaluation of the same conditions in Python."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from filterkit.catalog.where import conjuncts, parse_condition
from filterkit.errors import UsageError

table = sa.table(
    "things",
    sa.column("n", sa.Integer),
    sa.column("x", sa.REAL),
    sa.column("label", sa.Text),
    sa.column("shape", sa.JSON),
)
COLUMNS = {column.name: column for column in table.columns}
ROWS: list[dict[str, Any]] = [
    {"n": 0, "x": 0.0, "label": "", "shape": [3, 3]},
    {"n": 1, "x": -1.5, "label": "it's", "shape": [1, 1]},
    {"n": -2, "x": None, "label": None, "shape": [3]},
    {"n": 3, "x": 2.25, "label": "Conv_1", "shape": [3, 3, 3]},
    {"n": 4, "x": 1e300, "label": "conv%2", "shape": []},
    {"n": None, "x": 3.0, "label": "and", "shape": [11, 11]},
]

engine = sa.create_engine("sqlite://")
connection = engine.connect()
connection.execute(sa.text("CREATE TABLE things (n INTEGER, x REAL, label TEXT, shape JSON)"))
connection.execute(
    sa.text("INSERT INTO things VALUES (:n, :x, :label, :shape)"),
    [{**row, "shape": json.dumps(row["shape"], separators=(",", ":"))} for row in ROWS],
)


def chosen(text: str) -> list[int]:
    """The `ROWS` that meet a condition."""
    condition = parse_condition(text, COLUMNS)
    query = sa.select(sa.text("rowid")).select_from(table).where(condition).order_by(sa.text("rowid"))
    return [row[0] - 1 for row in connection.execute(query)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n = 3", [3]),
        ("n == 3.0", [3]),
        ("n != 3", [0, 1, 2, 4]),
        ("n <> 3 and not n < 0", [0, 1, 4]),
        ("3 > n", [0, 1, 2]),
        ("x > -1.5e0", [0, 3, 4, 5]),
        ("x between -2 and 3", [0, 1, 3, 5]),
        ("x not between -2 and 3", [4]),
        ("n in (1, 3,5)", [1, 3]),
        ("n NOT IN (1, 3)", [0, 2, 4]),
        ("label = 'it''s'", [1]),
        ("label like 'conv%'", [3, 4]),
        ("label not like 'conv%'", [0, 1, 5]),
        ("label = 'and' or n = 0", [0, 5]),
        ("x is null", [2]),
        ("x is not null and label is not null", [0, 1, 3, 4, 5]),
        ("not (x > 0)", [0, 1]),
        ("n = 0 or n = 1 and x > 0", [0]),
        ("(n = 0 or n = 1) and x > 0", []),
        ("shape = [3, 3]", [0]),
        ("shape in ([3,3], '[1, 1]')", [0, 1]),
        ("shape = '[3,3]'", [0]),
        ("n > x", [1, 3]),
        ("NOT n = 0 AND (((x is NULL)))", [2]),
        ("1 = 1", [0, 1, 2, 3, 4, 5]),
        ("n < 99999999999999999999999", [0, 1, 2, 3, 4]),
    ],
)
def test_means_what_it_says(text: str, expected: list[int]) -> None:
    assert chosen(text) == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 1),
        ("   ", 1),
        ("n", 2),
        ("n =", 4),
        ("n = 1 and", 10),
        ("n = 1 n", 7),
        ("(n = 1", 7),
        ("n = 1)", 6),
        ("n = 1; drop table things", 6),
        ("n = 1 -- comment", 7),
        ("n = 'text'", 5),
        ("label > 3", 9),
        ("n like 'a'", 8),
        ("n between 1", 12),
        ("n in ()", 7),
        ("n is 3", 6),
        ("shape > [3, 3]", 7),
        ("shape between [1] and [2]", 7),
        ("shape = [3", 9),
        ("shape = '[3'", 9),
        ("shape = [1,,2]", 9),
        ('label = "text"', 9),
        ("label = 'open", 9),
        ("lower(label) = 'a'", 1),
        ("n = (select 1)", 5),
        ("n = 1 union select 2", 7),
        ("missing = 1", 1),
        ("not", 4),
        ("n = 1e", 5),
        ("n=1or n=0", 3),
        ("x = \0", 5),
    ],
)
def test_what_is_no_condition_is_pointed_at(text: str, place: int) -> None:
    with pytest.raises(UsageError, match=f"character {place}:") as caught:
        parse_condition(text, COLUMNS)
    assert caught.value.hint


def test_unknown_columns_name_the_closest() -> None:
    with pytest.raises(UsageError, match="no column 'lable'") as caught:
        parse_condition("lable = 'x'", COLUMNS)
    assert caught.value.hint == "did you mean 'label'?"


@pytest.mark.parametrize("text", ["label = edge", "label in ('blur', edge)", "label like edge"])
def test_a_text_without_quotes_is_told_of_them(text: str) -> None:
    with pytest.raises(UsageError, match="no column 'edge'") as caught:
        parse_condition(text, COLUMNS)
    assert caught.value.hint == "put text in quotes: 'edge'"


@pytest.mark.parametrize("text", ["n = true", "n != No", "n in (0, yes)"])
def test_a_boolean_that_is_a_word_is_told_of_its_numbers(text: str) -> None:
    with pytest.raises(UsageError, match="there is no column") as caught:
        parse_condition(text, COLUMNS)
    assert caught.value.hint == "write 1 for true and 0 for false"


@pytest.mark.parametrize(
    "text", ["(" * 5000 + "n = 1" + ")" * 5000, "not " * 2000 + "n = 1", "n = " + "1" * 20000]
)
def test_depth_and_length_are_bounded(text: str) -> None:
    with pytest.raises(UsageError, match=r"deep|longer"):
        parse_condition(text, COLUMNS)


def test_many_alternatives_at_one_level_are_fine() -> None:
    assert chosen(" or ".join(f"n = {n}" for n in range(500))) == [0, 1, 3, 4]


# Conditions generated as trees, written as text, and evaluated in Kleene's three-valued logic, as in SQL.

Truth = bool | None
Tree = tuple[str, Callable[[dict[str, Any]], Truth]]
COMPARE = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
           ">=": operator.ge}  # fmt: skip


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _like(value: str, pattern: str) -> bool:
    parts = [{"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern]
    return re.fullmatch("".join(parts), value, re.IGNORECASE | re.DOTALL | re.ASCII) is not None


def _comparison(column: str, sign: str, written: str, value: Any) -> Tree:
    def holds(row: dict[str, Any]) -> Truth:
        return None if row[column] is None else bool(COMPARE[sign](row[column], value))

    return f"{column} {sign} {written}", holds


def _liked(pattern: str) -> Tree:
    return f"label like {_quoted(pattern)}", (
        lambda row: None if row["label"] is None else _like(row["label"], pattern)
    )


def _not(tree: Tree) -> Tree:
    text, holds = tree

    def negated(row: dict[str, Any]) -> Truth:
        value = holds(row)
        return None if value is None else not value

    return f"not ({text})", negated


def _both(word: str, left: Tree, right: Tree) -> Tree:
    decisive = word == "or"

    def holds(row: dict[str, Any]) -> Truth:
        values = (left[1](row), right[1](row))
        if decisive in values:
            return decisive
        return None if None in values else not decisive

    return f"({left[0]}) {word} ({right[0]})", holds


NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-3, 5)
# LIKE folds the case of ASCII only, and SQLite ends a text at NUL when it matches patterns.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(
    ["it's", "Conv_1", "' or 1=1 --", "%", "conv%"]
)
LEAVES = st.one_of(
    st.builds(
        lambda column, sign, value: _comparison(column, sign, repr(value), value),
        st.sampled_from(["n", "x"]), st.sampled_from(sorted(COMPARE)), NUMBERS,
    ),
    st.builds(
        lambda sign, value: _comparison("label", sign, _quoted(value), value),
        st.sampled_from(["=", "!="]), TEXTS,
    ),
    st.builds(_liked, TEXTS),
    st.sampled_from(["n", "x", "label"]).map(lambda name: (f"{name} is null", lambda row: row[name] is None)),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda tree: st.builds(_not, tree) | st.builds(_both, st.sampled_from(["and", "or"]), tree, tree),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(TREES)
def test_agrees_with_python(tree: Tree) -> None:
    text, holds = tree
    assert chosen(text) == [number for number, row in enumerate(ROWS) if holds(row) is True]


@settings(deadline=None)
@given(TEXTS.filter(lambda text: len(text) > 1), TREES)
def test_nothing_written_reaches_the_sql_text(text: str, tree: Tree) -> None:
    secret = f"se{text}cret"
    condition = parse_condition(f"label = {_quoted(secret)} or {tree[0]}", COLUMNS)
    compiled = condition.compile(engine)
    assert secret in compiled.params.values()
    known = r"things|label|shape|n|x|AND|OR|NOT|LIKE|IS|NULL|[().?=!<>\s]"
    assert re.fullmatch(f"(?:{known})*", str(compiled)), str(compiled)


KEYWORDS = ("and", "or", "not", "in", "like", "between", "is", "null")
WORDS = st.sampled_from((*COLUMNS, *KEYWORDS, "(", ")", ",", "=", "<", "'a'", "1", "[3]"))


@settings(deadline=None, max_examples=300)
@given(st.text() | st.lists(WORDS).map(" ".join))
def test_any_text_is_a_condition_or_a_usage_error(text: str) -> None:
    try:
        condition = parse_condition(text, COLUMNS)
    except UsageError as error:
        assert error.hint
    else:
        connection.execute(sa.select(table).where(condition)).all()


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("bias > 0", ["bias > 0"]),
        ("bias > 0 AND mean<1 and (std > 1 or std < 0)", ["bias > 0", "mean<1", "(std > 1 or std < 0)"]),
        (
            "mean between 1 and 2 and not std not between 3 and 4",
            ["mean between 1 and 2", "not std not between 3 and 4"],
        ),
        ("bias > 0 and mean > 1 or std > 2", ["bias > 0 and mean > 1 or std > 2"]),
        ("label = 'a and b' and label like '%or%'", ["label = 'a and b'", "label like '%or%'"]),
        ("layer in ('a', 'b') and kernel_shape = [3, 3]", ["layer in ('a', 'b')", "kernel_shape = [3, 3]"]),
    ],
)
def test_the_parts_of_a_condition(condition: str, parts: list[str]) -> None:
    assert conjuncts(condition) == parts
