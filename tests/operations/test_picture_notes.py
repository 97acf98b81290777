"""Messages about pictures and sizes that a network probably does not expect."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import node
from picture_networks import PIXELS, add, maps_of, network
from PIL import Image

import filterkit
from filterkit.errors import ImageError

DEEP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (DEEP, "16-bit pixels of at most 4095; they are interpreted as 0 to 65535"),
        (DEEP + 1, ""),
        (DEEP // 16, "16-bit pixels of at most 255"),
        (DEEP * 0, ""),
        (np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64), ""),
        (
            np.linspace(0, 255, 4096, dtype=np.float32).reshape(64, 64),
            "of at most 255; they are interpreted as 0 to 255",
        ),
        (
            np.linspace(0, 0.01, 4096, dtype=np.float32).reshape(64, 64),
            "of at most 0.01; they are interpreted as 0 to 1",
        ),
        (np.full((9, 9), 1, np.uint8), ""),
    ],
)
@pytest.mark.parametrize("suffix", ["tiff", "npy"])
def test_pixels_far_from_full_range_are_reported(
    bench: filterkit.Workbench,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    image: Any,
    words: str,
    suffix: str,
) -> None:
    add(bench, network(["N", 1, "H", "W"], 1), tmp_path)
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        np.save(path, image) if suffix == "npy" else Image.fromarray(image).save(path)
    with caplog.at_level(logging.WARNING, "filterkit"):
        assert len(list(bench.iter_feature_maps("net/conv", paths, provider="cpu"))) == 2
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == bool(words), told
    assert not words or (words in told[0] and f"a.{suffix}" in told[0])


@pytest.mark.parametrize(
    ("size", "spec", "asked_for", "is_told"),
    [
        ([32, 32], None, None, True),
        ([32, 32], "unit", None, True),
        ([64, 64], None, None, True),
        ([65, 64], None, None, False),
        ([32, 32], "unit:size=32", None, False),
        ([32, 32], None, "32", False),
        ([32, "W"], None, None, False),
        (["H", "W"], None, None, False),
    ],
)
def test_a_placeholder_for_a_size_is_reported(
    bench: filterkit.Workbench,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    size: list[Any],
    spec: str | None,
    asked_for: str | None,
    is_told: bool,
) -> None:
    onnx.save(network([1, 3, *size], 3), tmp_path / "net.onnx")
    added = bench.add(tmp_path / "net.onnx", preprocessing=spec)
    assert added.placeholder_size == (tuple(size) if is_told or asked_for else None)
    large, small = np.zeros((70, 70, 3), np.uint8), np.zeros((9, 9, 3), np.uint8)
    with caplog.at_level(logging.WARNING, "filterkit"):
        if is_told:
            maps_of(bench, np.zeros((*size, 3), np.uint8), size=asked_for)
            assert not caplog.records
            maps_of(bench, small, size=asked_for)
            assert len(caplog.records) == 1
            caplog.clear()
        list(bench.iter_feature_maps("net/conv", [large, large], size=asked_for, provider="cpu"))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == is_told
    assert not is_told or f"resized to {size[0]} × {size[1]}" in told[0]


def test_a_size_that_the_graph_needs_is_no_placeholder(
    bench: filterkit.Workbench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = network([1, 3, 32, 32], 3, [node("Reshape", "x to", "q")], to=np.array([1, 3, 32, 32]))
    add(bench, model, tmp_path)
    with caplog.at_level(logging.WARNING, "filterkit"):
        assert maps_of(bench, PIXELS).shape == (4, 30, 30)
    assert not caplog.records


def test_of_a_network_without_pictures_no_input_is_said_to_be_one(
    bench: filterkit.Workbench, tmp_path: Path
) -> None:
    for shape, is_possible in (([3, 16], False), ([1, 3, 16], False), (None, True)):
        model = network([1, 3, "H", "W"], 3, [node("Reshape", "x to", "q")], to=np.array([1, 3, 4, 4]))
        dims = model.graph.input[0].type.tensor_type
        dims.ClearField("shape")
        for size in shape or ():
            dims.shape.dim.add(dim_value=size)
        add(bench, model, tmp_path)
        with pytest.raises(ImageError, match="takes no pictures") as caught:
            maps_of(bench, PIXELS)
        assert ("input=NAME" in str(caught.value.hint)) == is_possible
