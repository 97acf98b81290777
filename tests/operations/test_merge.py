"""Merging catalogs: equal to adding the same models, all or nothing, once, in any order."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import onnx
import pytest
from observed import picture, write_pictures
from onnx_graphs import build, node, random
from shared_folders import shared_folder
from small_network import write_network

import filterkit
from filterkit.errors import CatalogError, NotFoundError, UsageError

TABLES = ("model", "layer", "filter", "skipped", "edge", "image", "response", "exemplar")


def write_other(path: Path, seed: int) -> Path:
    graph = build([node("Conv", "x w", "y")], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3, seed=seed)})
    onnx.save(graph, path)
    return path


def rows(bench: filterkit.Workbench) -> dict[str, list[dict[str, Any]]]:
    """All rows but those of observations, whose folders are random, and the times."""
    found = {name: [dict(row) for row in bench.query(f"SELECT * FROM {name}")] for name in TABLES}
    for row in found["model"]:
        row["added_at"] = ""
    return found


def actions(found: filterkit.Rows) -> list[tuple[str, str | None, str]]:
    return [(row["model"], row["observation"], row["action"]) for row in found]


def store_files(bench: filterkit.Workbench) -> dict[str, bytes]:
    """The files of the store by their names, without the folders of observations, which are random."""
    folder = bench.catalog().store.folder
    return {
        "/".join(part for part in path.relative_to(folder).parts if path.parent.parent.name != "observations")
        or path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def fill(folder: Path) -> None:
    net = write_network(folder / "net.onnx")
    photos = write_pictures(folder / "photos")
    with filterkit.open(folder / "other.db") as bench:
        bench.add(net)
        bench.add("classic")
        bench.observe("net/conv1", [photos], name="photos", keep_pictures=True)


@pytest.fixture(scope="session")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "merged", fill)


@pytest.fixture
def other(_filled: Path, tmp_path: Path) -> Path:
    """Another catalog, of the test's own."""
    shutil.copytree(_filled, tmp_path / "theirs")
    return tmp_path / "theirs" / "other.db"


def test_rows_and_files_are_those_of_adding_directly(bench: filterkit.Workbench, other: Path) -> None:
    found = bench.merge(other)
    assert actions(found) == [
        ("net", None, "added"),
        ("net", "photos", "added"),
        ("classic", None, "added"),
    ]
    with filterkit.open(other.with_name("direct.db")) as direct:
        direct.add(other.with_name("net.onnx"))
        direct.add("classic")
    with filterkit.open(other) as theirs:
        assert rows(bench) == rows(theirs)
    with filterkit.open(other.with_name("direct.db")) as direct:
        for table in ("layer", "filter", "skipped", "edge"):
            assert rows(bench)[table] == rows(direct)[table]
    assert bench.examine()["faults"] == []
    assert len(bench.exemplars("net/conv1/0", observation="photos")) == 9
    photos = other.with_name("photos")
    assert bench.observe("net/conv1", [photos], name="photos").status == "unchanged"
    assert bench.observe("net", [photos], name="photos").layers == 2  # it can be continued


def test_merging_again_changes_nothing(bench: filterkit.Workbench, other: Path) -> None:
    bench.merge(other)
    before, files = rows(bench), store_files(bench)
    again = bench.merge(other)
    assert set(again["action"]) == {"equal"}
    assert (rows(bench), store_files(bench)) == (before, files)


def test_the_other_catalog_is_only_read(bench: filterkit.Workbench, other: Path) -> None:
    def state() -> dict[str, bytes]:
        folder = other.parent
        return {
            str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and "other.db-" not in p.name
        }

    before = state()
    bench.merge(other)
    assert state() == before


def test_other_content_of_the_same_name_is_skipped(
    bench: filterkit.Workbench, other: Path, tmp_path: Path
) -> None:
    bench.add(write_other(tmp_path / "net.onnx", 3))
    before = rows(bench)["filter"]
    found = bench.merge(other)
    assert actions(found) == [("net", None, "skipped"), ("classic", None, "added")]
    assert found[0]["reason"] == "another model is named net here; to add this one: --rename net=NEW"
    assert rows(bench)["filter"][: len(before)] == before
    found = bench.merge(other, rename={"net": "net_of_anna"})
    assert actions(found) == [
        ("net_of_anna", None, "added"),
        ("net_of_anna", "photos", "added"),
        ("classic", None, "equal"),
    ]
    assert found[0]["reason"] == "it is net there"
    assert {*bench.merge(other)["action"]} == {"equal"}  # by its content, whatever the name
    assert bench.examine()["faults"] == []


def test_another_preprocessing_is_another_model(bench: filterkit.Workbench, other: Path) -> None:
    bench.add(other.with_name("net.onnx"), preprocessing="unit")
    found = bench.merge(other)
    assert "the same network here, with another preprocessing" in str(found[0]["reason"])


def test_observations_join_those_of_the_same_model(bench: filterkit.Workbench, other: Path) -> None:
    bench.add(other.with_name("net.onnx"))
    bench.observe("net", [picture(1)], name="mine")
    assert actions(bench.merge(other))[:2] == [("net", None, "joined"), ("net", "photos", "added")]
    assert bench.observations()["observation"] == ["mine", "photos"]
    assert bench.examine()["faults"] == []


def test_layers_join_the_observation_of_the_same_pictures(bench: filterkit.Workbench, other: Path) -> None:
    photos = other.with_name("photos")
    bench.add(other.with_name("net.onnx"))
    bench.observe("net/conv2", [photos], name="photos")
    found = bench.merge(other)
    assert actions(found)[:2] == [("net", None, "joined"), ("net", "photos", "joined")]
    assert found[1]["reason"] == "1 more layer"
    assert bench.examine()["faults"] == []
    merged = bench.exemplars("net", observation="photos")
    assert bench.observe("net", [photos], name="photos").status == "unchanged"
    bench.remove("net", observation="photos")
    bench.observe("net", [photos], name="photos")
    keys = ("address", "rank", "value", "sha256", "y", "x")
    assert [[row[key] for key in keys] for row in merged] == [
        [row[key] for key in keys] for row in bench.exemplars("net", observation="photos")
    ]


def test_other_pictures_under_the_same_name_are_skipped(bench: filterkit.Workbench, other: Path) -> None:
    bench.add(other.with_name("net.onnx"))
    bench.observe("net/conv1", [picture(1)], name="photos")
    found = bench.merge(other)
    assert actions(found)[1] == ("net", "photos", "skipped")
    assert found[1]["reason"] == (
        "photos is an observation with other pictures here; to add this one: --rename net/photos=NEW"
    )
    found = bench.merge(other, rename={"net/photos": "theirs"})
    assert actions(found)[1] == ("net", "theirs", "added")
    assert bench.observations()["observation"] == ["photos", "theirs"]


def test_missing_files_are_restored(bench: filterkit.Workbench, other: Path) -> None:
    bench.add(other.with_name("net.onnx"))
    shutil.rmtree(bench.catalog().store.folder)
    assert actions(bench.merge(other))[0] == ("net", None, "joined")
    assert bench.bank("net/conv1").shape == (4, 3, 3, 3)
    assert bench.examine()["faults"] == []


def test_a_dry_run_says_the_same_and_writes_nothing(
    bench: filterkit.Workbench, other: Path, tmp_path: Path
) -> None:
    would = bench.merge(other, dry_run=True)
    assert not (tmp_path / "catalog.db").exists()
    assert list(would) == list(bench.merge(other))
    assert {*bench.merge(other, dry_run=True)["action"]} == {"equal"}


def test_an_older_catalog_is_upgraded_in_a_copy(bench: filterkit.Workbench, tmp_path: Path) -> None:
    golden = sorted((Path(__file__).parents[1] / "catalog").rglob("*.db*"))
    if not golden:
        pytest.skip("no older catalogs")
    path = tmp_path / "older" / "catalog.db"
    path.parent.mkdir()
    shutil.copy(golden[0], path)
    before = path.read_bytes()
    bench.merge(path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.backup*"))


def test_what_cannot_be_merged(bench: filterkit.Workbench, other: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no catalog"):
        bench.merge(tmp_path / "none.db")
    with pytest.raises(NotFoundError, match="no model 'nett'") as caught:
        bench.merge(other, rename={"nett": "x"})
    assert "net" in str(caught.value.hint)
    with pytest.raises(UsageError, match="cannot be named"):
        bench.merge(other, rename={"net": "a/b"})
    assert not (tmp_path / "catalog.db").exists()
    bench.merge(other)
    with pytest.raises(UsageError, match="the catalog itself"):
        bench.merge(tmp_path / "catalog.db")


def _sql(statement: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return damage


def _alter(pattern: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        for file in path.with_suffix(".store").glob(pattern):
            content = bytearray(file.read_bytes())
            content[-1] ^= 1
            file.write_bytes(content)

    return damage


def _cut(pattern: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        for file in path.with_suffix(".store").glob(pattern):
            file.write_bytes(file.read_bytes()[:-4])

    return damage


def _link(pattern: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        for file in path.with_suffix(".store").glob(pattern):
            moved = path.with_name(file.name + ".moved")
            file.rename(moved)
            file.symlink_to(moved)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        _sql("UPDATE model SET filters = 7 WHERE name = 'net'"),
        _sql("UPDATE model SET layers = 3 WHERE name = 'net'"),
        _sql("UPDATE model SET edges = 99 WHERE name = 'net'"),
        _sql("UPDATE edge SET to_layer = 2 WHERE model_id = 1 AND position = 0"),
        _sql("UPDATE layer SET kernel_shape = '[5,5]' WHERE model_id = 1"),
        _sql("UPDATE layer SET input_channels = '[[' WHERE model_id = 1"),
        _sql("UPDATE filter SET dead = 'x' WHERE layer_id = 1"),
        _sql("UPDATE filter SET l2_norm = 9e999 WHERE layer_id = 2"),
        _sql("DELETE FROM filter WHERE layer_id = 2 AND position = 1"),
        _sql("UPDATE response SET position = 9 WHERE position = 0"),
        _sql("DELETE FROM response WHERE position = 2"),
        _sql("UPDATE exemplar SET image = 12 WHERE rank = 1"),
        _sql("UPDATE image SET sha256 = '../../x' WHERE position = 0"),
        _sql(f"UPDATE image SET sha256 = '{'0' * 64}' WHERE position = 0"),
        _sql("UPDATE observation SET folder = '..'"),
        _sql("UPDATE observation SET pictures = 13"),
        _alter("models/*/model.onnx"),
        _alter("banks/*"),
        _alter("observations/*/*.picture"),
        _cut("observations/*/0.f32"),
        _cut("observations/*/0.safetensors"),
        _link("models/*/model.onnx"),
        _link("banks/*"),
        _link("observations/*/0.f32"),
    ],
)
def test_a_corrupted_model_is_skipped_whole(
    bench: filterkit.Workbench, other: Path, damage: Callable[[Path], None]
) -> None:
    bench.add("classic")
    before, files = rows(bench), store_files(bench)
    damage(other)
    found = bench.merge(other)
    assert found[0]["model"] == "net" and found[0]["action"] == "skipped", found
    assert found[0]["reason"] and "\n" not in found[0]["reason"]
    assert (rows(bench), store_files(bench)) == (before, files)
    assert bench.examine()["faults"] == []


def test_any_order_gives_the_same_content(tmp_path: Path) -> None:
    for number in range(3):
        with filterkit.open(tmp_path / f"{number}.db") as bench:
            bench.add(write_other(tmp_path / f"own{number}.onnx", number))
            bench.add("classic")
            bench.observe(f"own{number}", [picture(number)], name="a")
    seen = []
    for order in itertools.permutations(range(3)):
        place = tmp_path / f"{''.join(map(str, order))}.db"
        with filterkit.open(place) as bench:
            for number in order:
                bench.merge(tmp_path / f"{number}.db")
            query = (
                "SELECT m.name, l.name AS layer, f.position, f.l2_norm, r.mean, r.max FROM model m "
                "JOIN layer l ON l.model_id = m.id JOIN filter f ON f.layer_id = l.id "
                "LEFT JOIN response r ON r.layer_id = l.id AND r.position = f.position ORDER BY 1, 2, 3"
            )
            seen.append([tuple(row.values()) for row in bench.query(query)])
    assert all(each == seen[0] for each in seen) and len(seen[0]) == 3 * 4 + 13
