"""A catalog of a small network and the classic kernels, and feature maps of the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from picture_networks import PIXELS
from shared_folders import shared_folder
from small_network import write_network

import filterkit
from filterkit.results.maps import FeatureMaps


def _fill(folder: Path) -> None:
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(write_network(folder / "net.onnx"))
        bench.add("classic")


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[filterkit.Workbench]:
    with filterkit.open(shared_folder(tmp_path_factory, "results", _fill) / "catalog.db") as bench:
        yield bench


@pytest.fixture
def maps(bench: filterkit.Workbench) -> FeatureMaps:
    """Of one layer: four maps after ReLU."""
    return bench.feature_maps("net/conv1", PIXELS)


@pytest.fixture
def both(bench: filterkit.Workbench) -> FeatureMaps:
    """Of two layers, ``conv1`` and ``conv2``."""
    return bench.feature_maps("net", PIXELS)
