"""Listing models."""

from __future__ import annotations

import hashlib

import filterkit


def test_one_row_per_model_in_the_order_of_adding(small: filterkit.Workbench) -> None:
    rows = small.models()
    assert [row["model"] for row in rows] == ["net", "classic"]
    assert all(tuple(row) == rows.columns for row in rows)
    net = rows[0]
    assert (net["layers"], net["filters"], net["kernels"]) == (2, 6, 20)
    assert net["parameters"] == 4 * 27 + 4 + 2 * 36
    [file] = (small.catalog().store.folder / "models" / net["sha256"]).glob("*.onnx")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == net["sha256"]
