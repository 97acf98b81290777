"""Visualizations that are kept in the store: found without computing anything."""

from __future__ import annotations

import numpy as np
import pytest

import filterkit
from filterkit.errors import NotFoundError, UsageError

SHORT = {"size": 24, "steps": 3, "provider": "cpu"}
EDGES = "classic/edge_sobel_x"


def test_what_is_kept_is_found_without_computing(
    bench: filterkit.Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("classic")
    assert bench.kept_visualization(EDGES, **SHORT) is None
    made = bench.visualize(EDGES, **SHORT)
    monkeypatch.setattr("filterkit.visualization.ascent.ascend", None)  # nothing may be computed
    monkeypatch.setattr("filterkit.runtime.providers.choose", None)  # nor a provider be probed
    for provider in ("cpu", "auto"):
        found = bench.kept_visualization(f"{EDGES}/0", **SHORT | {"provider": provider})
        assert found is not None
        assert np.array_equal(found.array, made.array)
        assert [*found.to_rows()] == [*made.to_rows()]
    for other in ({"seed": 1}, {"steps": 4}, {"size": 25}, {"provider": "cuda"}, {"diversity": 2}):
        assert bench.kept_visualization(EDGES, **SHORT | other) is None


def test_what_cannot_be_kept_is_an_error(bench: filterkit.Workbench) -> None:
    bench.add("classic")
    for address, options, kind in (
        (f"{EDGES}/0/1", {}, NotFoundError),
        (f"{EDGES}/9", {}, NotFoundError),
        ("nothing", {}, NotFoundError),
        (EDGES, {"steps": 0}, UsageError),
        (EDGES, {"size": "original"}, UsageError),
    ):
        with pytest.raises(kind):
            bench.kept_visualization(address, **SHORT | options)
