"""Validation of the values in a catalog, as SQLite itself allows any value in any column.

A catalog may be untrusted or corrupted. A value that filterkit never writes is detected here, where rows are
read, not where it would be used: as a path, a size, or the length of a loop.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from filterkit.address import LONGEST_NAME, MODEL_NAME

Check = Callable[[Any], bool]

LARGEST = 2**63 - 1
"""The largest integer of both SQLite and ONNX. A model may state sizes up to this, and negative ones."""
MOST_FILTERS = 2**19
"""Filters of a model, and so of a layer; a hostile weight may have millions, of one number each."""
MOST_PIXELS = 2**27
"""Along one side of a picture."""
MOST_EXEMPLARS = 1000
"""Per filter, and as many with the lowest responses."""
MOST_BANDS = 4096
"""Channels of a picture."""
LONGEST_TEXT = 1 << 20
LONGEST_LIST = 64
"""Items of a list with a number for each axis."""

SHA256 = r"[0-9a-f]{64}"
LAYER_NAME = r"\w[\w.-]*"
LAYOUT = r"[NCDHW1-9]*"
COLUMN_NAME = r"[a-z][a-z0-9_]*"
"""Patterns are compiled at first use, so that they do not slow down starting."""


class DamagedValueError(ValueError):
    """A row contains a value that filterkit never writes."""


def is_whole(value: Any, least: int = 0, most: int = LARGEST) -> bool:
    """Whether `value` is an integer within these bounds, and not a boolean."""
    return type(value) is int and least <= value <= most


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number."""
    return type(value) in (int, float) and math.isfinite(value)


def is_text(value: Any) -> bool:
    """Whether `value` is a text of plausible length."""
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def list_of(check: Check, longest: int = LONGEST_LIST) -> Check:
    """A check for lists whose items all pass `check`."""
    return lambda value: isinstance(value, list) and len(value) <= longest and all(map(check, value))


def _matches(pattern: str | re.Pattern[str], longest: int) -> Check:
    return lambda value: (
        isinstance(value, str) and len(value) <= longest and re.fullmatch(pattern, value) is not None
    )


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_size(value: Any) -> bool:
    return value is None or _is_any_whole(value) or is_text(value)


def _is_maker(value: Any) -> bool:
    if is_text(value):  # just the version, as in the first revision
        return True
    if not isinstance(value, dict) or not value.keys() >= {"version", "made_by"}:
        return False
    return is_text(value["version"]) and list_of(is_text, 10_000)(value["made_by"])


def _are_makers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_text, value)) and all(map(_is_maker, value.values()))


def _is_extra(value: Any) -> bool:
    return isinstance(value, dict) and all(
        each is None or is_text(each) or is_number(each) or isinstance(each, bool) for each in value.values()
    )


OPTIONS: Mapping[str, Check] = {
    "at": lambda value: value in ("post", "pre"),
    "size": lambda value: value is None or (is_text(value) and len(value) <= 100),
    "top": lambda value: is_whole(value, 1, MOST_EXEMPLARS),
    "duplicates": lambda value: value in ("skip", "keep"),
}
"""Checks by option of an observation."""


def _are_options(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == OPTIONS.keys()
        and all(OPTIONS[name](each) for name, each in value.items())
    )


def _is_any_whole(value: Any) -> bool:
    """Values that a model states are stored unchanged."""
    return is_whole(value, -LARGEST - 1)


_WHOLE_LIST = list_of(_is_any_whole)

PREPROCESSING: Mapping[str, Check] = {
    "channel_order": lambda value: value in ("RGB", "BGR", "GRAY", "RGBA", "BANDS"),
    "layout": lambda value: value in ("NCHW", "NHWC"),
    "size": _or_null(lambda value: _WHOLE_LIST(value) and len(value) == 2),
    "scale": is_number,
    "mean": list_of(is_number, MOST_BANDS),
    "std": list_of(is_number, MOST_BANDS),
    "assumed": lambda value: isinstance(value, bool),
    "input": _or_null(is_text),
    "bands": lambda value: is_whole(value, 0, MOST_BANDS),
    "stated": list_of(lambda value: isinstance(value, str) and value in PREPROCESSING),
}
"""Checks by field of `filterkit.records.Preprocessing`."""


def _is_preprocessing(value: Any) -> bool:
    if not isinstance(value, dict) or not value.keys() <= PREPROCESSING.keys():
        return False
    if not all(PREPROCESSING[name](each) for name, each in value.items()):
        return False
    order, bands = value.get("channel_order", "RGB"), value.get("bands", 0)
    if (order == "BANDS") != (bands > 0):
        return False
    channels = bands or (1 if order == "GRAY" else len(order))
    return all(len(value.get(name, ())) in (0, channels) for name in ("mean", "std"))


_NUMBERS = list_of(is_number)
_COLUMN_NAMES = list_of(_matches(COLUMN_NAME, 200), 10_000)

SPECIAL: Mapping[tuple[str, str], Check] = {
    ("model", "name"): _matches(MODEL_NAME, LONGEST_NAME),
    ("model", "sha256"): _matches(SHA256, 64),
    ("model", "banks_sha256"): _matches(SHA256, 64),
    ("model", "opset"): _is_any_whole,
    ("model", "filters"): lambda value: is_whole(value, 0, MOST_FILTERS),
    ("model", "input_shape"): list_of(_is_size),
    ("model", "preprocessing"): _is_preprocessing,
    ("model", "plugins"): _are_makers,
    ("model", "measured"): _COLUMN_NAMES,
    ("model", "extra_metrics"): _COLUMN_NAMES,
    ("model", "extra_layer_metrics"): _COLUMN_NAMES,
    ("layer", "name"): _matches(LAYER_NAME, LONGEST_NAME),
    ("layer", "filters"): lambda value: is_whole(value, 1, MOST_FILTERS),
    ("layer", "groups"): _is_any_whole,
    ("layer", "pre_layout"): _matches(LAYOUT, LONGEST_LIST),
    ("layer", "post_layout"): _matches(LAYOUT, LONGEST_LIST),
    ("layer", "kernel_shape"): list_of(is_whole),
    ("layer", "strides"): _WHOLE_LIST,
    ("layer", "dilations"): _WHOLE_LIST,
    ("layer", "pads"): _WHOLE_LIST,
    ("layer", "output_padding"): _WHOLE_LIST,
    ("layer", "receptive_fields"): _NUMBERS,
    ("layer", "jumps"): _NUMBERS,
    ("layer", "offsets"): _NUMBERS,
    ("layer", "global_context"): lambda value: is_whole(value, 0, 1),
    ("layer", "output_shape"): list_of(_is_size),
    ("layer", "input_channels"): list_of(is_text, MOST_BANDS),
    ("layer", "extra"): _is_extra,
    ("filter", "position"): lambda value: is_whole(value, 0, MOST_FILTERS),
    ("filter", "dead"): lambda value: is_whole(value, 0, 1),
    ("filter", "extra"): _is_extra,
    ("edge", "via"): list_of(is_text),
    ("observation", "name"): _matches(MODEL_NAME, LONGEST_NAME),
    ("observation", "options"): _are_options,
    ("observation", "folder"): _matches(SHA256, 64),
    ("observation", "plugins"): _are_makers,
    ("observation", "extra_metrics"): _COLUMN_NAMES,
    ("observation", "pictures_sha256"): _matches(SHA256, 64),
    ("image", "sha256"): _matches(SHA256, 64),
    ("image", "height"): lambda value: is_whole(value, 1, MOST_PIXELS),
    ("image", "width"): lambda value: is_whole(value, 1, MOST_PIXELS),
    ("response", "position"): lambda value: is_whole(value, 0, MOST_FILTERS),
    ("response", "extra"): _is_extra,
    ("exemplar", "position"): lambda value: is_whole(value, 0, MOST_FILTERS),
    ("exemplar", "rank"): lambda value: is_whole(value, -MOST_EXEMPLARS, MOST_EXEMPLARS) and value != 0,
    ("exemplar", "at_border"): lambda value: is_whole(value, 0, 1),
}
"""By table and column, the checks that are stricter than those of the column's type."""


@cache
def _check_of(column: sa.Column[Any]) -> Check:
    special = SPECIAL.get((column.table.name, column.name))
    if special is None:
        kinds = {sa.Integer: is_whole, sa.REAL: is_number, sa.Text: is_text}
        special = next(check for kind, check in kinds.items() if isinstance(column.type, kind))
    return _or_null(special) if column.nullable else special


def is_metric(value: Any) -> bool:
    """Whether `value` is a valid metric of a plugin, or None."""
    return value is None or is_number(value) or is_text(value)


def check_of(expression: sa.ColumnElement[Any]) -> Check:
    """The check for the values of a column, or of an expression."""
    return _check_of(expression) if isinstance(expression, sa.Column) else is_metric


def is_json(expression: sa.ColumnElement[Any]) -> bool:
    """Whether the values of that column are stored as JSON."""
    return isinstance(expression.type, sa.JSON)


def is_special(expression: sa.ColumnElement[Any]) -> bool:
    """Whether values of that column are checked for more than their type."""
    return isinstance(expression, sa.Column) and (
        isinstance(expression.type, sa.Integer) or (expression.table.name, expression.name) in SPECIAL
    )


def kinds_of(expression: sa.ColumnElement[Any]) -> tuple[type, ...]:
    """The types of the values as stored in that column; JSON is stored as text."""
    if not isinstance(expression, sa.Column):
        return (int, float, str, type(None))
    kinds: dict[type, tuple[type, ...]] = {sa.Integer: (int,), sa.REAL: (float, int)}
    of_type = next((found for kind, found in kinds.items() if isinstance(expression.type, kind)), (str,))
    return (*of_type, type(None)) if expression.nullable else of_type


INFINITE = frozenset((math.inf, -math.inf))


class RowChecks(NamedTuple):
    """How the rows of some columns are validated.

    Attributes
    ----------
    kinds
        By name, the types that values may have.
    texts, others
        The columns that are checked for more than their type, as position, name and check: texts, which many
        rows share, and all others.
    """

    kinds: tuple[tuple[str, tuple[type, ...]], ...]
    texts: tuple[tuple[int, str, Check], ...]
    others: tuple[tuple[int, str, Check], ...]


def row_checks(columns: Mapping[str, sa.ColumnElement[Any]]) -> RowChecks:
    """The checks with which `validated_rows` validates rows of these columns."""
    checks = [
        (place, name, check_of(column))
        for place, (name, column) in enumerate(columns.items())
        if is_special(column) and not is_json(column)
    ]
    are_texts = [isinstance(column.type, sa.Text) for column in columns.values()]
    return RowChecks(
        tuple((name, kinds_of(column)) for name, column in columns.items()),
        tuple(each for each in checks if are_texts[each[0]]),
        tuple(each for each in checks if not are_texts[each[0]]),
    )


def validated_rows(rows: Iterable[tuple[Any, ...]], checks: RowChecks) -> Iterator[tuple[Any, ...]]:
    """Yield `rows` of the driver, validated about as fast as they are read.

    Values stored as JSON are still texts; the caller validates their content.

    Raises
    ------
    DamagedValueError
        A value is invalid in its column.
    """
    usual: set[tuple[Any, ...]] = set()
    """The types of whole rows, and their checked texts, that were found valid: most rows share them."""
    places = [place for place, _, _ in checks.texts]
    for values in rows:
        types = tuple(map(type, values))
        if types not in usual:
            for (name, kind), value in zip(checks.kinds, values, strict=True):
                if not isinstance(value, kind):
                    raise damaged_value(name, value)
            usual.add(types)
        texts = tuple([values[place] for place in places])
        if texts not in usual:
            _check_values(values, checks.texts)
            usual.add(texts)
        if not INFINITE.isdisjoint(values):
            raise DamagedValueError("a row has an infinite number")
        for place, name, check in checks.others:
            if not check(values[place]):
                raise damaged_value(name, values[place])
        yield values


def _check_values(values: tuple[Any, ...], checks: Iterable[tuple[int, str, Check]]) -> None:
    for place, name, check in checks:
        if not check(values[place]):
            raise damaged_value(name, values[place])


def check_rows(
    rows: Iterable[sa.RowMapping], columns: Mapping[str, sa.ColumnElement[Any]]
) -> list[dict[str, Any]]:
    """`rows` as dictionaries with the names of `columns`, validated.

    Raises
    ------
    DamagedValueError
        A value is invalid in its column.
    """
    checks = _checks_of(tuple(columns.items()))
    return [checked(dict(row), checks) for row in rows]


@lru_cache(100)
def _checks_of(
    columns: tuple[tuple[str, sa.ColumnElement[Any]], ...],
) -> list[tuple[str, Check]]:
    """Cached for each listing, as SQLite runs some queries faster than this is built."""
    return [(name, check_of(column)) for name, column in columns]


def checked_text(value: Any) -> str:
    """`value`; raises DamagedValueError unless it is a text."""
    if not is_text(value):
        raise damaged_value("text", value)
    return str(value)


def checked(row: dict[str, Any], checks: Iterable[tuple[str, Check]]) -> dict[str, Any]:
    """`row`; raises DamagedValueError unless its values pass these checks."""
    for name, check in checks:
        if not check(row[name]):
            raise damaged_value(name, row[name])
    return row


def damaged_value(name: str, value: Any) -> DamagedValueError:
    """The error for an invalid value in the column `name`."""
    short = value[:60] if isinstance(value, str | bytes) else value
    return DamagedValueError(f"a row has {short!r:.80} as its {name}")
