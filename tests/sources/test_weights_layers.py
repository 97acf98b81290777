"""The order of the axes of a weights file, and when it is uncertain."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import random
from safetensors.numpy import save_file
from weight_files import banks_of, read, write_h5

from filterkit.errors import FilterkitWarning

FLAX = {"params/conv_init/kernel": (7, 7, 3, 64), "params/block/conv/kernel": (3, 3, 64, 128)}
BIT = {
    "resnet/root_block/standardized_conv2d/kernel": (7, 7, 3, 64),
    "resnet/block1/unit01/a/standardized_conv2d/kernel": (1, 1, 64, 64),
    "resnet/block1/unit01/b/standardized_conv2d/kernel": (3, 3, 64, 64),
}
MLX = {"conv1.weight": (64, 7, 7, 3), "layer1.conv.weight": (64, 3, 3, 64), "down.weight": (128, 1, 1, 64)}
MLX_DEPTHWISE = {"stem.weight": (32, 3, 3, 3), "dw.weight": (32, 3, 3, 1), "pw.weight": (64, 1, 1, 32)}
TORCH = {"conv1.weight": (32, 3, 3, 3), "dw.weight": (32, 1, 3, 3), "pw.weight": (64, 32, 1, 1)}
TINY = {"a.weight": (8, 1, 5, 5), "b.weight": (16, 8, 5, 5)}
WAVES = {"a.weight": (64, 1, 80), "b.weight": (64, 64, 3), "c.weight": (128, 64, 3)}
AUDIO_FLAX = {"a/kernel": (11, 1, 16), "b/kernel": (3, 16, 32)}
TALL = {"a.weight": (32, 1, 9, 1), "b.weight": (32, 32, 1, 9)}
VOXELS = {"a/kernel": (3, 3, 3, 1, 16), "b/kernel": (3, 3, 3, 16, 32)}


@pytest.mark.parametrize(
    ("shapes", "layout"),
    [
        *((FLAX, "HWIO"), (BIT, "HWIO"), (MLX, "OHWI"), (MLX_DEPTHWISE, "OHWI"), (TORCH, "OIHW")),
        *((TINY, "OIHW"), (WAVES, "OIHW"), (AUDIO_FLAX, "HWIO"), (TALL, "OIHW"), (VOXELS, "HWIO")),
    ],
)
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_order_of_axes_is_found(shapes: dict[str, Any], layout: str, suffix: str, tmp_path: Path) -> None:
    arrays = {name: random(*shape) for name, shape in shapes.items()}
    path = tmp_path / f"net{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        banks = read(path, tmp_path / "work")
    space = {1: "W", 2: "HW", 3: "DHW"}[len(next(iter(banks.values())).kernel_shape)]
    assert {bank.source_layout for bank in banks.values()} == {layout.replace("HW", space)}
    for array, bank in zip(arrays.values(), banks.values(), strict=True):
        perm = {"OIHW": range(array.ndim), "OHWI": (0, array.ndim - 1, *range(1, array.ndim - 1))}.get(
            layout, (array.ndim - 1, array.ndim - 2, *range(array.ndim - 2))
        )
        if suffix == ".npz":  # in the order of the file
            np.testing.assert_array_equal(bank.weights, array.transpose(*perm))


def test_a_bias_decides_where_shapes_do_not(tmp_path: Path) -> None:
    arrays = {"a": random(3, 3, 5, 16), "b": random(3, 3, 16, 16)}
    np.savez(
        tmp_path / "net.npz", **{f"{name}.w": array for name, array in arrays.items()}, **{"a.b": random(16)}
    )
    banks = read(tmp_path / "net.npz", tmp_path / "work")
    assert [bank.weights.shape for bank in banks.values()] == [(16, 5, 3, 3), (16, 16, 3, 3)]


def test_what_is_in_doubt_is_said_with_the_option(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", a=random(3, 3, 16, 16))
    with pytest.warns(
        FilterkitWarning, match=r"assuming axis order OIHW .* override with \?layout=HWIO or \?layout=OHWI"
    ):
        [bank] = read(tmp_path / "net.npz", tmp_path / "work").values()
    assert bank.source_layout == "OIHW"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for layout in ("OIHW", "HWIO", "OHWI"):
            [bank] = read(f"{tmp_path / 'net.npz'}?layout={layout}", tmp_path / "work").values()
            assert bank.source_layout == layout


@pytest.mark.parametrize(
    "shapes",
    [
        {"weight": (16, 3, 3, 3)},
        {"c1.weight": (32, 3, 3, 3), "c1.bias": (32,)},
        {"c1.weight": (8, 3, 3, 3), "c2.weight": (8, 3, 3, 3)},
        {"c1.weight": (3, 3, 3, 3)},
    ],
)
def test_a_tie_is_taken_as_pytorchs_order_and_said(shapes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.warns(
        FilterkitWarning, match=r"assuming axis order OIHW .* override with \?layout=HWIO or \?layout=OHWI"
    ):
        banks = banks_of({name: random(*shape) for name, shape in shapes.items()}, tmp_path)
    assert {bank.source_layout for bank in banks.values()} == {"OIHW"}


@pytest.mark.parametrize(
    "shapes",
    [
        {"c1.weight": (16, 3, 3, 3), "c2.weight": (32, 16, 3, 3)},
        {"c1.weight": (8, 3, 3, 3), "c2.weight": (8, 8, 1, 1), "fc.weight": (10, 8)},
        {"c1.weight": (64, 3, 7, 7), "c1.bias": (64,)},
        {"c1.weight": (6, 1, 5, 5), "c2.weight": (16, 6, 5, 5)},
        {"c1.weight": (64, 32, 1, 1)},
        {"c1.weight": (16, 1, 3, 3, 3), "c2.weight": (32, 16, 3, 3, 3)},
        {"c1.weight": (8, 1, 3), "c2.weight": (16, 8, 3)},
        {"c1.weight": (32, 1, 3, 3), "c1.bias": (32,)},
    ],
)
def test_ordinary_files_are_in_no_doubt(shapes: dict[str, Any], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        banks = banks_of({name: random(*shape) for name, shape in shapes.items()}, tmp_path)
    assert {bank.source_layout[:2] for bank in banks.values()} == {"OI"}


def test_a_name_decides_where_shapes_do_not(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [bank] = banks_of({"c/kernel": random(3, 3, 3, 3)}, tmp_path).values()
    assert bank.source_layout == "HWIO"


def test_keras_files_stay_hwio(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "net.h5", {"a/vars/0": random(64, 3, 3, 3)})
    [bank] = read(path, tmp_path / "work").values()
    assert bank.source_layout == "HWIO"
