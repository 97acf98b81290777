"""Deciding what becomes of the models and observations of another catalog: added, equal, or skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from filterkit.catalog.schema import model
from filterkit.ingest.commit import DECIDE_RESPONSES

Row = dict[str, Any]

ADDED, EQUAL, JOINED, SKIPPED = "added", "equal", "joined", "skipped"

UNFINISHED = "it is not finished there: the command that began it continues it"


class Decision(NamedTuple):
    """What becomes of a model or an observation.

    Attributes
    ----------
    action
        `ADDED`, `EQUAL` or `SKIPPED`.
    known
        The row here that has the same content, if there is one.
    reason
        One line for the user, or empty.
    """

    action: str
    known: Row | None = None
    reason: str = ""


def known_models(connection: sa.Connection, wanted: Sequence[tuple[str, str]]) -> list[Row]:
    """The models here that have one of the wanted names or hashes, which are pairs."""
    columns = [model.c[name] for name in ("id", "name", "edges", *DECIDE_RESPONSES)]
    texts = [sa.type_coerce(c, sa.Text).label(c.name) if isinstance(c.type, sa.JSON) else c for c in columns]
    lists = [json.dumps(list(each)) for each in zip(*wanted, strict=True)]
    among = [sa.select(sa.func.json_each(each).table_valued("value").c.value) for each in lists]
    query = sa.select(*texts).where(model.c.name.in_(among[0]) | model.c.sha256.in_(among[1]))
    return [dict(row) for row in connection.execute(query.order_by(model.c.id)).mappings()]


def decide_model(known: Iterable[Row], row: Mapping[str, Any], name: str) -> Decision:
    """Compare a model, which shall be named `name`, with those that are known."""
    of_name = next((each for each in known if each["name"] == name), None)
    equal = [each for each in known if all(_same(each, row, column) for column in DECIDE_RESPONSES)]
    if of_name in equal:
        return Decision(EQUAL, of_name)
    if equal:
        return Decision(EQUAL, equal[0], f"it is {equal[0]['name']} here")
    if of_name is None:
        return Decision(ADDED, None, "" if name == row["name"] else f"it is {row['name']} there")
    what = f"another model is named {name} here"
    if of_name["sha256"] == row["sha256"]:
        other = "other filters" if of_name["banks_sha256"] != row["banks_sha256"] else "another preprocessing"
        what = f"{name} is the same network here, with {other}"
    return Decision(SKIPPED, None, f"{what}; to add this one: --rename {row['name']}=NEW")


def _same(one: Mapping[str, Any], other: Mapping[str, Any], column: str) -> bool:
    if column != "preprocessing" or None in (one[column], other[column]):
        return bool(one[column] == other[column])
    return bool(json.loads(one[column]) == json.loads(other[column]))


def decide_observation(
    known: Sequence[Row],
    row: Mapping[str, Any],
    name: str,
    model_name: str,
    same_pictures: Callable[[Row], bool],
) -> Decision:
    """Compare an observation, which shall be named `name`, with those of the same model here.

    Parameters
    ----------
    model_name
        The name of the model there.
    same_pictures
        Whether an observation here is of the same pictures.
    """
    if row["finished"] is None or row["pictures_sha256"] is None:
        return Decision(SKIPPED, None, UNFINISHED)
    of_name = next((each for each in known if each["name"] == name), None)
    ordered = [of_name] if of_name else []
    ordered += [each for each in known if each is not of_name]
    for each in ordered:
        if json.loads(each["options"]) == json.loads(row["options"]) and same_pictures(each):
            return Decision(EQUAL, each, "" if each is of_name else f"it is {each['name']} here")
    if of_name is None:
        return Decision(ADDED, None, "" if name == row["name"] else f"it is {row['name']} there")
    other = "other options" if same_pictures(of_name) else "other pictures"
    how = f"--rename {model_name}/{row['name']}=NEW"
    return Decision(SKIPPED, None, f"{name} is an observation with {other} here; to add this one: {how}")
