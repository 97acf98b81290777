"""Edges between layers: in the catalog since the model was added, or traced when they are asked for."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import onnx
import pytest
from onnx_graphs import build, node, random

import filterkit
from filterkit.errors import CatalogError, ModelError, NotFoundError


def network(folder: Path) -> Path:
    """Two branches that are concatenated."""
    model = build(
        [
            node("Conv", "x w", "p", name="left", pads=[1] * 4),
            node("Conv", "x w", "q", name="right", pads=[1] * 4),
            node("Relu", "p", "r"),
            node("Concat", "r q", "z", axis=1),
            node("Conv", "z t", "y", name="last"),
        ],
        {"x": [1, 3, 8, 8]},
        {"w": random(4, 3, 3, 3), "t": random(2, 8, 1, 1)},
    )
    path = folder / "net.onnx"
    onnx.save(model, path)
    return path


EDGES = [
    {"from_address": None, "to_address": "net/left", "via": [], "channel_offset": 0, "tensor": "x"},
    {"from_address": None, "to_address": "net/right", "via": [], "channel_offset": 0, "tensor": "x"},
    {
        "from_address": "net/left",
        "to_address": "net/last",
        "via": ["Relu", "Concat"],
        "channel_offset": 0,
        "tensor": None,
    },
    {
        "from_address": "net/right",
        "to_address": "net/last",
        "via": ["Concat"],
        "channel_offset": 4,
        "tensor": None,
    },
    {
        "from_address": "net/last",
        "to_address": None,
        "via": [],
        "channel_offset": None,
        "tensor": "y",
    },
]


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    with filterkit.open(tmp_path / "catalog.db", progress=False) as bench:
        bench.add(network(tmp_path))
    return tmp_path / "catalog.db"


def make_older(catalog: Path) -> None:
    """As a filterkit wrote it that knew no edges."""
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute("DELETE FROM edge")
        connection.execute("UPDATE model SET edges = NULL")


def stored(catalog: Path) -> tuple[list[tuple[int | None]], int]:
    with closing(sqlite3.connect(catalog)) as connection:
        counts = connection.execute("SELECT edges FROM model").fetchall()
        return counts, connection.execute("SELECT count(*) FROM edge").fetchone()[0]


def test_edges_are_in_the_catalog_since_the_model_was_added(catalog: Path) -> None:
    assert stored(catalog) == ([(5,)], 5)
    with filterkit.open(catalog) as bench:
        found = bench.edges("net")
        assert [{name: row[name] for name in EDGES[0]} for row in found] == EDGES
        assert {row["model"] for row in found} == {"net"} and not found.left_out
        assert bench.edges() == found
        sql = """SELECT a.name AS one, b.name AS other FROM edge e
            JOIN layer a ON a.model_id = e.model_id AND a.position = e.from_layer
            JOIN layer b ON b.model_id = e.model_id AND b.position = e.to_layer"""
        assert [*bench.query(sql)] == [{"one": "left", "other": "last"}, {"one": "right", "other": "last"}]


def test_the_edges_of_a_layer_are_those_from_and_to_it(catalog: Path) -> None:
    with filterkit.open(catalog) as bench:
        ends = [(row["from_address"], row["to_address"]) for row in bench.edges("net/right")]
        assert ends == [(None, "net/right"), ("net/right", "net/last")]
        assert len(bench.edges("net/*")) == 5
        with pytest.raises(NotFoundError):
            bench.edges("net/middle")


def test_a_replaced_and_a_removed_model_leave_no_edges(catalog: Path) -> None:
    with filterkit.open(catalog, progress=False) as bench:
        bench.add(catalog.with_name("net.onnx"), replace=True)
        assert stored(catalog) == ([(5,)], 5)
        bench.remove("net")
    assert stored(catalog) == ([], 0)


def test_edges_of_an_older_catalog_are_traced_and_written(catalog: Path) -> None:
    make_older(catalog)
    with filterkit.open(catalog) as bench:
        assert [{name: row[name] for name in EDGES[0]} for row in bench.edges("net")] == EDGES
        assert stored(catalog) == ([(5,)], 5)
        shutil.rmtree(catalog.with_name("catalog.store"))
        assert len(bench.edges("net")) == 5
        assert bench.examine()["catalog"]["usable"]


def test_a_catalog_that_may_not_be_written_stays_as_it_is(catalog: Path) -> None:
    make_older(catalog)
    with closing(sqlite3.connect(catalog)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    catalog.chmod(0o444)
    before = catalog.read_bytes()
    with filterkit.open(catalog) as bench:
        assert len(bench.edges("net")) == 5
        shutil.rmtree(catalog.with_name("catalog.store"))
        assert len(bench.edges("net")) == 5  # in memory
    assert catalog.read_bytes() == before
    with filterkit.open(catalog) as bench, pytest.raises(CatalogError, match="not in the store"):
        bench.edges("net")


def test_weights_without_a_network_have_no_edges(catalog: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"conv.weight": random(4, 3, 3, 3)}, tmp_path / "weights.safetensors")
    with filterkit.open(catalog, progress=False) as bench:
        bench.add(f"weights:{tmp_path / 'weights.safetensors'}", name="loose")
        with pytest.raises(ModelError, match="without a network"):
            bench.edges("loose")
        found = bench.edges("*")
        assert len(found) == 5 and [*found.left_out] == ["loose"]
        assert bench.examine()["faults"] == [] or "edges" not in str(bench.examine()["faults"])


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM edge WHERE position = 2",
        "UPDATE model SET edges = 4",
        "UPDATE model SET edges = NULL",
        "UPDATE edge SET to_layer = 3 WHERE position = 1",
        "UPDATE edge SET from_layer = -1 WHERE position = 2",
        "UPDATE edge SET via = '[1]'",
    ],
)
def test_edges_that_cannot_be_are_found(catalog: Path, change: str) -> None:
    with filterkit.open(catalog) as bench:
        assert not [fault for fault in bench.examine()["faults"] if "edge" in fault["what"]]
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute(change)
    with filterkit.open(catalog) as bench:
        faults = [fault["what"] for fault in bench.examine()["faults"]]
        assert [fault for fault in faults if "edge" in fault]
        if "to_layer" in change or "from_layer" in change or "via" in change:
            with pytest.raises(CatalogError, match="corrupted"):
                bench.edges("net")
