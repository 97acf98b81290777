"""Listing observations."""

from __future__ import annotations

from pathlib import Path

import pytest
from observed import write_pictures
from small_network import write_network

import filterkit
from filterkit.errors import NotFoundError


def test_oldest_first(bench: filterkit.Workbench, tmp_path: Path) -> None:
    bench.add(write_network(tmp_path / "net.onnx"))
    assert bench.observations().columns[:3] == ("model", "observation", "pictures")
    assert len(bench.observations()) == 0
    photos = write_pictures(tmp_path / "photos", 3)
    for name in ("b", "a"):
        bench.observe("net", [photos], name=name)
    assert bench.observations()["observation"] == ["b", "a"]
    assert bench.observations("n*")["pictures"] == [3, 3]
    with pytest.raises(NotFoundError, match="no model 'x'"):
        bench.observations("x")
