"""The examples on the pages about events and response metrics do what they say."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

import filterkit
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.testing import check_response_metric

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_kurtosis_agrees_with_scipy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the feature maps themselves, of several sizes."""
    stats = pytest.importorskip("scipy.stats")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = importlib.import_module("kurtosis_metric")
    check_response_metric(example.Kurtosis)
    host = load_plugins(discover=False, strict=True)
    host.add(example, name="filterkit-example")
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (20 + number, 24), np.uint8) for number in range(5)]
    with filterkit.Workbench(tmp_path / "catalog.db", registry=Registry(host)) as bench:
        bench.add("classic")
        bench.observe("classic", pictures, batch=2, metrics=["kurtosis"])
        results = list(bench.iter_feature_maps("classic", pictures))
        rows = bench.filters("classic", columns="layer,response_kurtosis")
    for row in rows:
        values = np.concatenate([result.maps[row["layer"]].ravel() for result in results]).astype(np.float64)
        assert row["response_kurtosis"] == pytest.approx(stats.kurtosis(values, fisher=False), rel=1e-9)


def test_what_was_added_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    host = load_plugins(discover=False, strict=True)
    host.add(importlib.import_module("ingest_log"), name="filterkit-log")
    with filterkit.Workbench(tmp_path / "catalog.db", registry=Registry(host)) as bench:
        bench.add("classic")
        bench.add("classic")
    assert (tmp_path / "catalog.log").read_text() == "classic: 13 layers, 13 filters\n"


def test_what_was_observed_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    host = load_plugins(discover=False, strict=True)
    host.add(importlib.import_module("observe_log"), name="filterkit-log")
    pictures = list(np.random.default_rng(0).integers(0, 256, (3, 9, 9), np.uint8))
    with filterkit.Workbench(tmp_path / "catalog.db", registry=Registry(host)) as bench:
        bench.add("classic")
        for count in (1, 3, 3):
            bench.observe("classic", pictures[:count], name="noise")
    assert (tmp_path / "catalog.log").read_text().splitlines() == [
        "classic: noise, 1 pictures, 1 of them new",
        "classic: noise, 3 pictures, 2 of them new",
    ]
