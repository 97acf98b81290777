"""Filters of any shape, and with any weights, on one sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import filterkit
from filterkit.errors import NotFoundError, UsageError
from filterkit.sheets import picked

Add = Callable[[str, np.ndarray], None]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[filterkit.Workbench]:
    with filterkit.open(tmp_path / "catalog.db") as opened:
        yield opened


@pytest.fixture
def add(bench: filterkit.Workbench, tmp_path: Path) -> Add:
    """Add a model of one convolution, layer ``conv``, with these weights."""

    def add(name: str, weights: np.ndarray) -> None:
        axes = ["N", weights.shape[1], *"DHW"[: weights.ndim - 2]]
        graph = helper.make_graph(
            [helper.make_node("Conv", ["x", "weight"], ["y"], name="conv")],
            "one",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(weights.astype(np.float32), "weight")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / f"{name}.onnx")
        bench.add(tmp_path / f"{name}.onnx")

    return add


def stretched(kernel: np.ndarray, side: int) -> np.ndarray:
    kernel = (kernel - kernel.min()) / (kernel.max() - kernel.min())
    return np.kron(kernel, np.ones((side // kernel.shape[0], side // kernel.shape[1])))


def test_kernels_of_every_rank_and_size(bench: filterkit.Workbench, add: Add) -> None:
    made = np.random.default_rng(0)
    add("two", made.normal(size=(2, 1, 3, 2)))
    add("line", made.normal(size=(2, 1, 4)))
    add("three", made.normal(size=(2, 1, 2, 3, 2)))
    sheet = bench.sheet(["line/conv/1", "two/conv/0", "three/conv/0"])
    assert sheet.note == "min-max per kernel; kernels of 4, 3×2, 2×3×2 drawn at the same size"
    assert sheet.tile_labels == ("line/conv/1", "two/conv/0", "three/conv/0")
    tiles = sheet.tiles.reshape(-1, *sheet.tile_shape)
    slices = bench.bank("three/conv/0")[0, 0]
    wanted = [bench.bank("line/conv/1")[0], bench.bank("two/conv/0")[0, 0], np.hstack(list(slices))]
    assert sheet.tile_shape == (12, 12)
    for tile, kernel in zip(tiles, wanted, strict=False):
        np.testing.assert_allclose(tile, stretched(kernel, 12), atol=1e-6)
    assert sheet.values is None, "a stretched kernel has other numbers"
    assert sheet.addresses == ("line/conv/1/0", "two/conv/0/0", "three/conv/0/0")
    same = bench.sheet(["line/conv/1", "line/conv/0"])
    assert same.tile_shape == (1, 4), "one size stays as it is"
    assert same.values is not None
    shown = same.values.reshape(-1, 4)[: same.count]
    np.testing.assert_array_equal(shown, bench.bank("line/conv")[::-1, 0])


def test_sizes_without_a_common_one(bench: filterkit.Workbench, add: Add) -> None:
    made = np.random.default_rng(0)
    for side in (7, 9, 11):
        add(f"n{side}", made.normal(size=(1, 1, side, side)))
    add("long", made.normal(size=(1, 1, 100)))
    sheet = bench.sheet([f"n{side}/conv/0" for side in (7, 9, 11)])
    assert sheet.tile_shape == (64, 64)
    for tile, side in zip(sheet.tiles.reshape(-1, 64, 64), (7, 9, 11), strict=False):
        kernel = bench.bank(f"n{side}/conv")[0, 0]
        assert len(np.unique(tile)) == len(np.unique(kernel)), "every value is to be seen"
    assert bench.sheet(["n7/conv/0", "long/conv/0"]).tile_shape == (100, 100), "nothing is left out"


def test_the_strongest_kernel_in_spite_of_weights_that_are_no_numbers(
    bench: filterkit.Workbench, add: Add
) -> None:
    weights = np.ones((4, 3, 2, 2))
    weights[0] = 0
    weights[1, 0, 0, 0] = np.nan
    weights[2, 1] = np.inf
    weights[3] *= np.array([1, -3, 2])[:, None, None]
    add("odd", weights)
    sheet = bench.sheet([f"odd/conv/{n}" for n in range(4)])
    assert sheet.tile_labels == ("conv/0/0 R", "conv/1/1 G", "conv/2/0 R", "conv/3/1 G")
    assert np.isfinite(sheet.tiles).all()


def test_groups_have_the_kernels_that_they_have(bench: filterkit.Workbench, add: Add) -> None:
    add("deep", np.random.default_rng(0).normal(size=(4, 1, 3, 3)))
    assert bench.sheet(["deep/conv/1:3"]).tile_labels == ("conv/1", "conv/2")
    assert bench.sheet("deep/conv", channels="strongest").count == 4


def test_what_makes_no_sheet(bench: filterkit.Workbench, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    add("two", np.ones((2, 3, 3, 3)))
    for nothing in ([], ["two/conv/5:"]):
        with pytest.raises(NotFoundError, match="name no filters"):
            bench.sheet(nothing)
    with pytest.raises(UsageError, match="channels cannot be 'all'") as caught:
        bench.sheet(["two/conv/0"], channels="all")  # type: ignore[arg-type]
    assert "strongest" in str(caught.value.hint)
    with pytest.raises(UsageError, match="channels cannot be 'seperate'") as caught:
        next(bench.sheets("two", channels="seperate"))  # type: ignore[arg-type]
    assert caught.value.hint == "did you mean 'separate'?"
    monkeypatch.setattr(picked, "MOST_VALUES", 10)
    with pytest.raises(UsageError, match="too many kernels of these sizes"):
        bench.sheet(["two"])
    monkeypatch.setattr(picked, "MOST", 1)
    with pytest.raises(UsageError, match="2 filters do not fit"):
        bench.sheet(["two"])
