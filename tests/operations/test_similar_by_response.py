"""Similar filters by their responses, over all observed networks: NumPy on feature maps agrees."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from compared_networks import LAYERS, add, mean_responses, permuted, weights
from observed import write_pictures

import filterkit
from filterkit.errors import CatalogError, NotFoundError, UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos")


@pytest.fixture
def nets(bench: filterkit.Workbench, photos: Path) -> filterkit.Workbench:
    """``base``, ``turned``, the same with permuted filters, ``wide``, and ``new``, which was not observed."""
    base = weights()
    base["conv0.bias"][5] = -100
    for name, of in {
        "base": base,
        "turned": permuted(base)[0],
        "wide": weights((3, 20, 6), seed=3),
        "new": weights(seed=4),
    }.items():
        add(bench, name, of)
        if name != "new":
            bench.observe(name, [photos])
    return bench


def test_the_most_correlated_of_all_networks(nets: filterkit.Workbench, photos: Path) -> None:
    pictures = sorted(photos.rglob("*.png"))
    responses = {}
    for model, layers in {"base": LAYERS, "turned": LAYERS, "wide": LAYERS[:2]}.items():
        for layer in layers:
            maps = mean_responses(nets, f"{model}/{layer}", pictures)
            responses |= {f"{model}/{layer}/{n}": values for n, values in enumerate(maps.T)}
    query = responses.pop("base/conv1/4")
    varying = {name: values for name, values in responses.items() if values.std() > 1e-6 * values.mean()}
    expected = {name: np.corrcoef(query, values)[0, 1] for name, values in varying.items()}
    rows = nets.similar("base/conv1/4", by="response", limit=1000)
    assert rows.columns == (
        *("address", "similarity", "transform", "model", "layer", "filter", "kernel"),
        *("observation", "pictures"),
    )
    assert {row["address"] for row in rows} == expected.keys()
    assert rows.undefined == len(responses) - len(expected) > 0
    for row in rows:
        assert row["similarity"] == pytest.approx(expected[row["address"]], abs=1e-4)
        assert (row["transform"], row["observation"], row["pictures"]) == ("identity", "photos", 12)
        assert row["address"] == f"{row['model']}/{row['layer']}/{row['filter']}"
    assert rows["similarity"] == sorted(rows["similarity"], reverse=True)
    partner = permuted(weights())[1][1][4]
    assert rows[0]["address"] == f"turned/conv1/{partner}"
    assert rows[0]["similarity"] == pytest.approx(1, abs=1e-5)
    few = nets.similar("base/conv1/4", by="response", limit=7)
    assert list(few) == list(rows[:7])
    either = nets.similar("base/conv1/4", by="response", invariant="scale,sign", limit=1000)
    assert either["similarity"] == sorted(map(abs, rows["similarity"]), reverse=True)
    signs = {row["address"]: row["transform"] for row in either}
    assert {signs[row["address"]] for row in rows if row["similarity"] < 0} == {"-identity"}
    assert json.dumps([dict(row) for row in either], allow_nan=False)


def test_among(nets: filterkit.Workbench) -> None:
    rows = nets.similar("base/conv0/1", "wide/conv0/2,4,6", by="response")
    assert {row["address"] for row in rows} <= {f"wide/conv0/{n}" for n in (2, 4, 6)}
    own = nets.similar("base/conv0/1", "base/conv0", by="response", limit=100)
    assert "base/conv0/1" not in own["address"]
    assert len(own) == 8 - 1 - own.undefined
    with pytest.raises(
        NotFoundError, match="none of the searched layers was observed over the pictures of"
    ) as e:
        nets.similar("base/conv0/1", "new", by="response")
    assert e.value.hint == "filterkit observe MODEL IMAGES..., with these pictures"
    with pytest.raises(UsageError, match="not kernels"):
        nets.similar("base/conv0/1", "wide/conv0/2/0", by="response")


def test_other_pictures_are_not_searched(nets: filterkit.Workbench, photos: Path) -> None:
    before = list(nets.similar("base/conv1/4", by="response"))
    nets.observe("new", [photos / "class0"], name="half")
    found = nets.similar("base/conv1/4", by="response")
    assert (list(found), found.other_pictures) == (before, 3)
    nets.observe("wide", sorted(photos.rglob("*.png"), reverse=True), name="reversed")
    again = nets.similar("base/conv1/4", by="response")
    assert again["address"] == [row["address"] for row in before]
    assert again["similarity"] == pytest.approx([row["similarity"] for row in before], abs=1e-9)
    assert {row["observation"] for row in again if row["model"] == "wide"} <= {"reversed"}
    nets.observe("base", [photos / "class0"], name="few")
    halves = nets.similar("base/conv1/4", by="response", limit=1000)
    assert {row["model"] for row in halves} == {"base", "new"}
    assert {(row["observation"], row["pictures"]) for row in halves} == {("few", 6), ("half", 6)}
    named = nets.similar("base/conv1/4", by="response", observation="photos")
    assert named["address"] == [row["address"] for row in before]


def test_queries_without_responses(nets: filterkit.Workbench, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"base/conv0/5 in observation 'photos' are constant") as raised:
        nets.similar("base/conv0/5", by="response")
    assert raised.value.hint is not None
    nets.filters(where=raised.value.hint.split('"')[1])
    for query, text in {
        "base/conv0/1/2": "is a single kernel, which has no responses",
        "[[1, 2], [3, 4]]": "is not in the catalog",
        "base/conv0": "names 8 filters",
        "base/conv0/1/0:2": "names 2 kernels",
    }.items():
        with pytest.raises(UsageError, match=text):
            nets.similar(query, by="response")
    with pytest.raises(UsageError, match="is not in the catalog"):
        nets.similar(np.ones((3, 3, 3)), by="response")
    with pytest.raises(NotFoundError, match="new has not been observed"):
        nets.similar("new/conv0/1", by="response")
    with pytest.raises(NotFoundError, match="base has no observation 'x'"):
        nets.similar("base/conv0/1", by="response", observation="x")


def test_options_without_effect(nets: filterkit.Workbench) -> None:
    assert nets.similar("base/conv0/1", by="response", level="filter")
    with pytest.raises(UsageError, match="single kernels have no responses"):
        nets.similar("base/conv0/1", by="response", level="kernel")
    for invariant in ("", "sign", "scale,flip", "scale,rotate"):
        with pytest.raises(UsageError, match="ignores scale"):
            nets.similar("base/conv0/1", by="response", invariant=invariant)
    with pytest.raises(UsageError, match="observation has no effect"):
        nets.similar("base/conv0/1", observation="photos")
    with pytest.raises(UsageError, match="by cannot be 'weight'") as raised:
        nets.similar("base/conv0/1", by="weight")  # type: ignore[arg-type]
    assert raised.value.hint == "did you mean 'weights'?"


def test_the_sheet_has_the_query_and_the_results(nets: filterkit.Workbench) -> None:
    found = nets.similar("base/conv1/4", by="response", limit=5)
    sheet = nets.sheet(found)
    assert sheet.count == 6
    assert sheet.title == "5 filters whose responses correlate most with those of base/conv1/4"
    labels = sheet.tile_labels or sheet.row_labels
    assert labels[0] == "base/conv1/4"
    assert labels[1] == f"{found[0]['address']} {found[0]['similarity']:.3f}"
    assert [address.rpartition("/")[0] for address in sheet.addresses] == ["base/conv1/4", *found["address"]]
    assert nets.sheet(found[:2]).count == 3


def test_a_damaged_file_is_refused(nets: filterkit.Workbench, tmp_path: Path) -> None:
    folder = nets.query("SELECT folder FROM observation ORDER BY id LIMIT 1 OFFSET 2")["folder"][0]
    path = tmp_path / "catalog.store" / "observations" / folder / "0.f32"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CatalogError, match="missing or corrupted"):
        nets.similar("base/conv1/4", by="response")
    assert nets.similar("base/conv1/4", "base", by="response")
