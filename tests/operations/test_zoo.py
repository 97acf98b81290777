"""The networks that are known by name."""

from __future__ import annotations

import filterkit


def test_one_row_per_network(small: filterkit.Workbench) -> None:
    rows = small.zoo()
    names = [row["name"] for row in rows]
    assert "vgg16" in names and len(set(names)) == len(names)
    assert all(tuple(row) == rows.columns for row in rows)
    [vgg16] = [row for row in rows if row["name"] == "vgg16"]
    assert vgg16["layers"] == 13
    assert len(vgg16["sha256"]) == 64 and vgg16["bytes"] > 0
    assert isinstance(vgg16["cached"], bool)
