"""Expanded weights: the path up to a filter multiplied out, compared with responses to single pixels."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import build, node, random

import filterkit
from filterkit.errors import ModelError, RuntimeFailure, UsageError
from filterkit.runtime import expanded_weights

Nodes = list[onnx.NodeProto]

W = {
    "w": random(4, 3, 3, 3),
    "v": random(6, 4, 3, 3, seed=1),
    "g": random(6, 2, 3, 3, seed=2),
    "t": random(4, 3, 4, 4, seed=3),
    "p": random(4, 4, 1, 1, seed=4),
    "u": random(6, 8, 3, 3, seed=5),
    **dict(zip(("scale", "mean"), random(2, 4, seed=6), strict=True)),
    "bias": random(4, seed=7),
    "variance": np.abs(random(4, seed=8)) + 0.5,
    "three": np.float32(3),
    "half": np.float32(0.5),
    "root": np.float32(2**0.5),
    "one": np.float32(1),
    "doubled": np.array([1, 1, 2, 2], np.float32),
    "low": np.float32(0),
    "six": np.float32(6),
    "upper": np.array([2, 0], np.int64),
    "lower": np.array([-1, 2**31], np.int64),
    "hw": np.array([2, 3], np.int64),
}
FIRST = node("Conv", "x w", "a", name="first", pads=[1] * 4)
SAME = {"name": "last", "pads": [1] * 4}
PICTURE = (1, 3, 33, 37)

NETWORKS: dict[str, tuple[Nodes, tuple[int, ...]]] = {
    "one": ([node("Conv", "x w", "y", name="last", pads=[1] * 4)], PICTURE),
    "two": ([FIRST, node("Relu", "a", "b"), node("Conv", "b v", "y", **SAME)], PICTURE),
    "strided": (
        [
            node("Conv", "x w", "a", name="first", pads=[1] * 4, strides=[2, 1]),
            node("Relu", "a", "b"),
            node("Conv", "b v", "y", strides=[2, 2], **SAME),
        ],
        PICTURE,
    ),
    "dilated": (
        [FIRST, node("Conv", "a v", "y", name="last", dilations=[2, 3], pads=[2, 3, 2, 3])],
        PICTURE,
    ),
    "grouped": ([FIRST, node("LeakyRelu", "a", "b"), node("Conv", "b g", "y", group=2, **SAME)], PICTURE),
    "same pads": (
        [
            node("Conv", "x w", "a", name="first", auto_pad="SAME_UPPER", strides=[2, 2]),
            node("Conv", "a v", "y", name="last", auto_pad="SAME_LOWER", strides=[2, 2]),
        ],
        PICTURE,
    ),
    "pooled": (
        [
            FIRST,
            node("MaxPool", "a", "b", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1),
            node("Conv", "b v", "y", **SAME),
        ],
        PICTURE,
    ),
    "transposed": (
        [FIRST, node("ConvTranspose", "a t", "y", name="last", strides=[2, 2], pads=[1] * 4)],
        PICTURE,
    ),
    "upsampled": (
        [
            node("Conv", "x w", "a", name="first", pads=[1] * 4, strides=[2, 2]),
            node("Resize", "a _ sizes", "b", mode="nearest"),
            node("Conv", "b v", "y", **SAME),
        ],
        PICTURE,
    ),
    "residual": (
        [
            FIRST,
            node("Relu", "a", "b"),
            node("Conv", "b p", "c", name="point"),
            node("Add", "b c", "d"),
            node("Conv", "d v", "y", **SAME),
        ],
        PICTURE,
    ),
    "concatenated": (
        [
            FIRST,
            node("Sigmoid", "a", "b"),
            node("MaxPool", "a", "c", kernel_shape=[3, 3], pads=[1] * 4),
            node("Concat", "b c", "d", axis=1),
            node("Conv", "d u", "y", **SAME),
        ],
        PICTURE,
    ),
    "normalized": (
        [
            FIRST,
            node("BatchNormalization", "a scale bias mean variance", "b"),
            node("Relu", "b", "c"),
            node("Conv", "c v", "y", **SAME),
        ],
        PICTURE,
    ),
    "NHWC": (
        [
            node("Transpose", "x", "n", perm=[0, 3, 1, 2]),
            node("Conv", "n w", "a", name="first"),
            node("Relu", "a", "b"),
            node("Conv", "b v", "c", name="last"),
            node("Transpose", "c", "y", perm=[0, 2, 3, 1]),
        ],
        (1, 33, 37, 3),
    ),
    "cropped": (
        [FIRST, node("Slice", "a upper lower hw", "b"), node("Conv", "b v", "y", **SAME)],
        PICTURE,
    ),
    "line": (
        [
            node("Conv", "x w1", "a", name="first", strides=[2]),
            node("Relu", "a", "b"),
            node("Conv", "b v1", "y", name="last", pads=[2, 2]),
        ],
        (1, 2, 101),
    ),
    "volume": (
        [
            node("Conv", "x w3", "a", name="first", pads=[1] * 6),
            node("MaxPool", "a", "b", kernel_shape=[1, 2, 2], strides=[1, 2, 2]),
            node("Conv", "b v3", "y", name="last", pads=[0, 1, 1, 0, 1, 1]),
        ],
        (1, 1, 9, 16, 18),
    ),
}
OTHERS = {
    "sizes": np.array([1, 1, 2, 2], np.float32),
    "w1": random(3, 2, 5),
    "v1": random(2, 3, 5, seed=1),
    "w3": random(2, 1, 3, 3, 3),
    "v3": random(3, 2, 3, 3, 3, seed=1),
}


def saved(nodes: Nodes, shape: tuple[int, ...], path: Path) -> Path:
    names = {name for each in nodes for name in each.input}
    constants = {name: value for name, value in {**W, **OTHERS}.items() if name in names}
    onnx.save(build(nodes, {"x": list(shape)}, constants, opset=17), path)
    return path


def linearized(nodes: Nodes) -> Nodes:
    """The same network without activations, and with means for maxima."""
    found = [onnx.NodeProto.FromString(each.SerializeToString()) for each in nodes]
    for each in found:
        if each.op_type in ("Relu", "LeakyRelu", "Sigmoid"):
            each.CopyFrom(node("Identity", each.input[0], each.output[0]))
        each.op_type = each.op_type.replace("MaxPool", "AveragePool")
    return found


def responses(nodes: Nodes, shape: tuple[int, ...], tmp_path: Path) -> np.ndarray:
    """What every pixel contributes to the middle of every map: shape (filters, channels, *pixels)."""
    free = saved(nodes, ("N", *shape[1:]), tmp_path / "linear.onnx")  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(free, providers=["CPUExecutionProvider"])
    count = int(np.prod(shape))
    pixels = np.eye(count, dtype=np.float32).reshape(count, *shape[1:])
    zero = session.run(None, {"x": np.zeros(shape, np.float32)})[0]
    parts = []
    for start in range(0, count, 512):
        found = session.run(None, {"x": pixels[start : start + 512]})[0] - zero
        found = np.moveaxis(found, -1, 1) if shape[-1] == 3 else found
        parts.append(found[(slice(None), slice(None), *(size // 2 for size in found.shape[2:]))])
    seen = np.concatenate(parts).T.reshape(-1, *shape[1:])
    return np.moveaxis(seen, -1, 1) if shape[-1] == 3 else seen


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_what_single_pixels_contribute(bench: filterkit.Workbench, name: str, tmp_path: Path) -> None:
    nodes, shape = NETWORKS[name]
    bench.add(saved(nodes, shape, tmp_path / "net.onnx"))
    found = bench.bank("net/last", expand=True)
    wanted = responses(linearized(nodes), shape, tmp_path)
    (row,) = bench.query("select receptive_fields from layer where name = 'last'")
    assert found.shape[2:] == tuple(map(int, json.loads(row["receptive_fields"])))
    assert found.dtype == np.float32
    assert not found.flags.writeable
    places = [
        np.nonzero(wanted.any(axis=tuple({*range(wanted.ndim)} - {axis})))[0]
        for axis in range(2, wanted.ndim)
    ]
    fits = [
        wanted[
            (
                slice(None),
                slice(None),
                *(slice(s, s + size) for s, size in zip(starts, found.shape[2:], strict=True)),
            )
        ]
        for starts in itertools.product(
            *(
                range(max(p[-1] + 1 - size, 0), p[0] + 1)
                for p, size in zip(places, found.shape[2:], strict=True)
            )
        )
    ]
    errors = [np.abs(fit - found).max() for fit in fits if fit.shape == found.shape]
    assert min(errors) <= 1e-5 * np.abs(wanted).max(), "another phase or another picture"
