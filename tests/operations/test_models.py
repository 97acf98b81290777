"""Listing models."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import filterkit
from filterkit.errors import NotFoundError


def test_one_row_per_model_in_the_order_of_adding(small: filterkit.Workbench) -> None:
    rows = small.models()
    assert [row["model"] for row in rows] == ["net", "classic"]
    assert all(tuple(row) == rows.columns for row in rows)
    net = rows[0]
    assert (net["layers"], net["filters"], net["kernels"]) == (2, 6, 20)
    assert net["parameters"] == 4 * 27 + 4 + 2 * 36
    [file] = (small.catalog().store.folder / "models" / net["sha256"]).glob("*.onnx")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == net["sha256"]


def test_a_name_or_a_pattern(small: filterkit.Workbench) -> None:
    every = {row["model"]: row for row in small.models()}
    assert list(small.models("net")) == [every["net"]]
    assert list(small.models("cl*c")) == [every["classic"]]
    assert list(small.models("*e*")) == [every["net"]]
    with pytest.raises(NotFoundError) as caught:
        small.models("nets")
    assert "net" in str(caught.value.hint)


def test_an_empty_catalog_has_no_models(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
        bench.remove("classic")
        assert len(bench.models()) == 0
        with pytest.raises(NotFoundError):
            bench.models("c*")
