"""Observations of layers, and which of them are of the same pictures, in whatever order."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_models import put, write_model

from filterkit.address import parse_address
from filterkit.catalog import Catalog, observations
from filterkit.catalog.addresses import resolve
from filterkit.catalog.picture_sets import PictureSets, observations_of
from filterkit.catalog.schema import RESPONSE_COLUMNS
from filterkit.errors import CatalogError

OPTIONS = {"at": "post", "size": None, "top": 9, "duplicates": "skip"}


@pytest.fixture
def tiny(catalog: Catalog, tmp_path: Path) -> Catalog:
    put(catalog, write_model(tmp_path / "tiny.onnx"))
    return catalog


def layers_of(catalog: Catalog) -> list[Any]:
    return resolve(catalog, parse_address("tiny"))


def observe(
    catalog: Catalog, name: str, pictures: Sequence[int], layers: Sequence[int] = (0, 1), *, done: bool = True
) -> dict[str, Any]:
    """An observation of pictures with these numbers."""
    matches = layers_of(catalog)
    row = observations.create(catalog, matches[0].model["id"], name, OPTIONS)
    images = [observations.Image(f"{n}.png", f"{n:064x}", None, 8, 8, None) for n in pictures]
    observations.add_images(catalog, row["id"], 0, images)
    if done:
        values = {each: None if each.startswith("top") else 1.0 for each in RESPONSE_COLUMNS}
        rows = [
            (
                match.layer["id"],
                {key: [value] * match.layer["filters"] for key, value in values.items()},
                {"position": [0], "rank": [1], "image": [0], "value": [1.0]},
            )
            for match in (matches[number] for number in layers)
        ]
        observations.finish(catalog, row["id"], images, rows, {}, {})
    found = observations.find(catalog, row["model_id"], name)
    assert found is not None
    return found


def test_the_observations_of_layers(tiny: Catalog) -> None:
    first, second = (match.layer["id"] for match in layers_of(tiny))
    assert observations_of(tiny, [first, second]) == {}
    observe(tiny, "a", range(3))
    observe(tiny, "b", range(3), [1])
    observe(tiny, "unfinished", range(3), done=False)
    found = observations_of(tiny, [first, second, second, 999])
    assert {layer: [row["name"] for row in rows] for layer, rows in found.items()} == {
        first: ["a"],
        second: ["b", "a"],
    }
    assert found[first][0] == observations.find(tiny, found[first][0]["model_id"], "a")


def test_sets_of_pictures(tiny: Catalog) -> None:
    a, same, turned, more, other = (
        observe(tiny, f"n{number}", pictures)
        for number, pictures in enumerate(
            [[5, 3, 9, 1], [5, 3, 9, 1], [1, 9, 5, 3], [5, 3, 9, 1, 2], [5, 3, 9, 2]]
        )
    )
    sets = PictureSets(tiny)
    assert [sets.are_same(a, each) for each in (a, same, turned, more, other)] == [True] * 3 + [False] * 2
    order = sets.order(a, turned)
    assert order is not None
    assert order.tolist() == [2, 3, 1, 0]
    assert (sets.hashes(turned)[order] == sets.hashes(a)).all()
    assert sets.order(a, more) is sets.order(a, other) is None
    assert [sets.in_common(a, each) for each in (turned, more, other)] == [4, 4, 3]


def test_pictures_that_join_do_not_count_before_they_are_finished(tiny: Catalog) -> None:
    a, b = observe(tiny, "a", range(3)), observe(tiny, "b", [2, 1, 0])
    observations.add_images(tiny, a["id"], 3, [observations.Image("3.png", f"{3:064x}", None, 8, 8, None)])
    assert PictureSets(tiny).are_same(a, b)


def test_missing_pictures(tiny: Catalog, location: Path) -> None:
    a, b = observe(tiny, "a", range(3)), observe(tiny, "b", [2, 1, 0])
    with sqlite3.connect(location) as connection:
        connection.execute("DELETE FROM image WHERE observation_id = ? AND position = 1", [b["id"]])
    connection.close()
    with pytest.raises(CatalogError, match="pictures of observation 'b' are missing"):
        PictureSets(tiny).are_same(a, b)


def test_a_layer_without_exemplars(tiny: Catalog) -> None:
    match = layers_of(tiny)[0]
    row = observe(tiny, "a", [0])
    responses = {each: [None] * match.layer["filters"] for each in RESPONSE_COLUMNS}
    images = observations.images(tiny, row["id"])
    for columns in ({}, {"position": [], "rank": [], "image": [], "value": []}):
        observations.finish(tiny, row["id"], images, [(match.layer["id"], responses, columns)], {}, {})
        assert observations.exemplars(tiny, row["id"], match.layer["id"], match.filters, [1]) == []
