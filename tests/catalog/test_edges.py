"""Edges as rows of a catalog."""

from __future__ import annotations

from pathlib import Path

import filterkit
from filterkit.catalog import Catalog
from filterkit.catalog.edges import edge_rows, edges_of, keep_edges
from filterkit.graph.layers.layer_edges import Edge

EDGES = [Edge(None, 0, ("Pad",), 0, "gray"), Edge(0, 1, (), 2), Edge(1, None, ("Relu",), None, "y")]


def test_edges_are_written_once_and_not_for_a_model_that_was_replaced(tmp_path: Path) -> None:
    location = tmp_path / "catalog.db"
    with filterkit.open(location, progress=False) as bench:
        bench.add("classic")
        [model] = bench.query("SELECT id, sha256 FROM model")
    rows = edge_rows(EDGES)
    with Catalog.open(location, write=True) as catalog:
        made = edges_of(catalog, model["id"], 13)
        keep_edges(catalog, model, rows)
        assert edges_of(catalog, model["id"], 13) == made, "it has edges already"
        with catalog.begin() as connection:
            connection.exec_driver_sql("DELETE FROM edge")
            connection.exec_driver_sql("UPDATE model SET edges = NULL")
        keep_edges(catalog, {**model, "sha256": "0" * 64}, rows)
        assert edges_of(catalog, model["id"], 13) == []
        keep_edges(catalog, model, rows)
        assert edges_of(catalog, model["id"], 13) == rows
