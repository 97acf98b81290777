"""Responses by picture and by class, compared with feature maps."""

from __future__ import annotations

import shutil
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from observed import write_pictures
from small_network import write_network

import filterkit
from filterkit.errors import CatalogError, NotFoundError, UsageError

COUNT = 300
"""More pictures than are read at a time."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("observed")
    photos = write_pictures(folder / "photos", COUNT, classes=3)
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(write_network(folder / "net.onnx"))
        bench.observe("net", [photos], top=4)
        bench.observe("net/conv1", [photos / "class0"], name="flat")
    return folder / "catalog.db"


@pytest.fixture
def net(catalog: Path) -> Any:
    with filterkit.open(catalog) as bench:
        yield bench


def test_rows_of_pictures_are_those_of_feature_maps(net: filterkit.Workbench) -> None:
    found = net.responses("net/conv1/3,1", observation="photos")
    assert found.columns == ("address", "image", "sha256", "label", "mean", "max")
    assert len(found) == 2 * COUNT
    assert {row["address"] for row in found[:2]} == {"net/conv1/1", "net/conv1/3"}
    for row in found[:: COUNT // 6]:
        [maps] = net.feature_maps(row["address"], row["image"]).maps.values()
        assert row["mean"] == pytest.approx(maps.mean(), rel=1e-5)
        assert row["max"] == pytest.approx(maps.max(), rel=1e-6)
        assert row["label"] == Path(row["image"]).parent.name


def test_rows_of_classes_are_those_of_their_pictures(net: filterkit.Workbench) -> None:
    of_class = defaultdict(list)
    for row in net.responses("net", observation="photos"):
        of_class[row["address"], row["label"]].append((row["mean"], row["max"]))
    found = net.responses("net", observation="photos", by="class")
    assert found.columns == ("address", "label", "pictures", "mean", "max")
    assert [(row["address"], row["label"]) for row in found] == sorted(of_class)
    for row in found:
        means, highest = zip(*of_class[row["address"], row["label"]], strict=True)
        assert (row["pictures"], row["max"]) == (COUNT // 3, max(highest))
        assert row["mean"] == pytest.approx(np.mean(means), rel=1e-6)
    for row in net.filters("net", columns="address,top_class,top_class_share", observation="photos"):
        means = {each["label"]: max(each["mean"], 0) for each in found if each["address"] == row["address"]}
        if row["top_class"] is not None:
            assert means[row["top_class"]] == max(means.values())
            assert row["top_class_share"] == pytest.approx(max(means.values()) / sum(means.values()))


def test_rows_come_one_by_one_up_to_a_limit(net: filterkit.Workbench) -> None:
    names, rows = net.iter_responses("net/conv1", observation="photos", limit=COUNT + 1)
    first = next(rows)
    assert tuple(first) == names
    assert [first, *rows] == list(net.responses("net/conv1", observation="photos"))[: COUNT + 1]
    assert len(net.responses("net", limit=0)) == 0


def test_the_newest_observation_of_the_layer(net: filterkit.Workbench) -> None:
    assert len(net.responses("net/conv1/0")) == COUNT // 3
    assert len(net.responses("net/conv2/0")) == COUNT


def test_what_is_refused(net: filterkit.Workbench) -> None:
    with pytest.raises(UsageError, match="'flat' have no classes"):
        net.responses("net/conv1", by="class")
    with pytest.raises(UsageError, match="not listed by 'label'"):
        net.responses("net", by="label")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not single kernels"):
        net.responses("net/conv1/0/0")
    with pytest.raises(UsageError, match="limit"):
        net.responses("net/conv1", limit=-1)
    with pytest.raises(NotFoundError, match="no observation 'other'"):
        net.responses("net/conv1", observation="other")
    with pytest.raises(NotFoundError, match="does not contain this layer"):
        net.responses("net/conv2", observation="flat")


@pytest.mark.parametrize("damage", ["nan", "short", "images"])
def test_damage(catalog: Path, tmp_path: Path, damage: str) -> None:
    own = Path(shutil.copy(catalog, tmp_path / "catalog.db"))
    shutil.copytree(catalog.with_suffix(".store"), tmp_path / "catalog.store")
    if damage == "images":
        with sqlite3.connect(own) as connection:
            connection.execute("DELETE FROM image WHERE position > 5")
        connection.close()
    for file in (tmp_path / "catalog.store").rglob("*.f32"):
        content = np.fromfile(file, "<f4")
        if damage == "nan":
            content[5:] = np.nan
        file.write_bytes(content.tobytes()[: 40 if damage == "short" else None])
    with filterkit.open(own) as bench:
        for by in ("picture", "class"):
            with pytest.raises(CatalogError, match="corrupted"):
                bench.responses("net/conv1", observation="photos", by=by)  # type: ignore[arg-type]
