"""Frequency responses: compared with sums of cosines and sines."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

import filterkit
from filterkit.errors import UsageError


def by_hand(kernel: np.ndarray, frequency: tuple[float, ...]) -> float:
    """|sum of w(n) exp(-2 pi i f n)|, value by value."""
    total = 0j
    for place in np.ndindex(kernel.shape):
        angle = 2 * math.pi * sum(f * n for f, n in zip(frequency, place, strict=True))
        total += float(kernel[place]) * complex(math.cos(angle), -math.sin(angle))
    return abs(total)


def add(bench: filterkit.Workbench, folder: Path, weights: np.ndarray) -> None:
    sizes = ["N", weights.shape[1], *(f"S{axis}" for axis in range(weights.ndim - 2))]
    onnx.save(
        build([node("Conv", "x w", "y", name="conv")], {"x": sizes}, {"w": weights}), folder / "net.onnx"
    )
    bench.add(folder / "net.onnx")


@pytest.mark.parametrize(
    ("shape", "size"), [((5,), 256), ((3, 3), 64), ((1, 7), 64), ((2, 3, 3), 32), ((300,), 512), ((1, 1), 64)]
)
def test_values_are_those_of_the_definition(
    shape: tuple[int, ...], size: int, bench: filterkit.Workbench, tmp_path: Path
) -> None:
    weights = random(2, 3, *shape)
    add(bench, tmp_path, weights)
    found = bench.frequency_response("net/conv")
    assert found.shape == (2, 3, *(size,) * len(shape))
    assert found.dtype == np.float32
    for seed in range(5):
        place = tuple(np.random.default_rng(seed).integers(0, size, len(shape)).tolist())
        expected = by_hand(weights[1, 2], tuple((each - size // 2) / size for each in place))
        assert found[1, 2][place] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_what_classic_kernels_let_through(small: filterkit.Workbench) -> None:
    sobel = small.frequency_response("classic/edge_sobel_x/0/0")[0, 0]
    assert np.allclose(sobel[:, 32], 0, atol=1e-5)  # nothing that is constant along x
    assert sobel[32, 16] == sobel.max() == pytest.approx(8)  # bars of two pixels each
    box = small.frequency_response("classic/blur_box_3/0/0")[0, 0]
    assert np.unravel_index(box.argmax(), box.shape) == (32, 32)


def test_limits(bench: filterkit.Workbench, tmp_path: Path) -> None:
    add(bench, tmp_path, random(64, 64, 3, 3))
    assert bench.frequency_response("net/conv").shape == (64, 64, 64, 64)
    assert bench.frequency_response("net/conv/0/0", size=3).shape == (1, 1, 3, 3)
    with pytest.raises(UsageError, match="would have 17,305,600 values; the limit is 16,777,216"):
        bench.frequency_response("net/conv", size=65)
    with pytest.raises(UsageError, match="size must be at least the 3 values of a side, not 2"):
        bench.frequency_response("net/conv/0", size=2)
    bench.add("classic")
    with pytest.raises(UsageError, match="a bank belongs to one layer"):
        bench.frequency_response("*")
