"""Expanded weights: the path up to a filter multiplied out, compared with responses to single pixels."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from expandable_networks import CONSTANTS, FIRST, NETWORKS, PICTURE, SAME, Nodes, linearized, saved
from onnx_graphs import node, random

import filterkit
from filterkit.errors import ModelError, RuntimeFailure, UsageError
from filterkit.runtime import expanded_weights
from filterkit.testing import tiny_model


def responses(nodes: Nodes, shape: tuple[int, ...], tmp_path: Path) -> Iterator[np.ndarray]:
    """What every pixel contributes to positions near the middle of every map: (filters, channels, *pixels).

    After an upsampling they differ.
    """
    free = saved(nodes, ("N", *shape[1:]), tmp_path / "linear.onnx")  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(free, providers=["CPUExecutionProvider"])
    channels_last = shape[-1] == 3
    count = int(np.prod(shape))
    pixels = np.eye(count, dtype=np.float32).reshape(count, *shape[1:])
    zero = session.run(None, {"x": np.zeros(shape, np.float32)})[0]
    parts = [
        session.run(None, {"x": pixels[start : start + 512]})[0] - zero for start in range(0, count, 512)
    ]
    maps = np.moveaxis(np.concatenate(parts), -1, 1) if channels_last else np.concatenate(parts)
    for near in itertools.product((0, 1), repeat=maps.ndim - 2):
        places = (size // 2 + step for size, step in zip(maps.shape[2:], near, strict=True))
        seen = maps[(slice(None), slice(None), *places)].T.reshape(-1, *shape[1:])
        yield np.moveaxis(seen, -1, 1) if channels_last else seen


def windows(picture: np.ndarray, size: tuple[int, ...]) -> Iterator[np.ndarray]:
    """The windows of this size that contain all of a picture, (filters, channels, *pixels), but zeros."""
    starts = []
    for axis, width in enumerate(size, 2):
        rows = np.moveaxis(picture, axis, 0).reshape(picture.shape[axis], -1)
        used = np.flatnonzero(rows.any(axis=1))
        starts.append(range(max(used[-1] + 1 - width, 0), used[0] + 1))
    for start in itertools.product(*starts):
        yield picture[(..., *(slice(first, first + width) for first, width in zip(start, size, strict=True)))]


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_what_single_pixels_contribute(bench: filterkit.Workbench, name: str, tmp_path: Path) -> None:
    nodes, shape = NETWORKS[name]
    bench.add(saved(nodes, shape, tmp_path / "net.onnx"))
    found = bench.bank("net/last", expand=True)
    (row,) = bench.query("select receptive_fields from layer where name = 'last'")
    assert found.shape[2:] == tuple(map(int, json.loads(row["receptive_fields"])))
    assert found.dtype == np.float32
    assert not found.flags.writeable
    seen = responses(linearized(nodes), shape, tmp_path)
    wanted = [window for each in seen for window in windows(each, found.shape[2:])]
    errors = [np.abs(each - found).max() for each in wanted if each.shape == found.shape]
    assert min(errors) <= 1e-5 * np.abs(found).max()


def added(
    bench: filterkit.Workbench, tmp_path: Path, nodes: Nodes, shape: Any = PICTURE, **more: Any
) -> None:
    saved(nodes, shape, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", replace=True, **more)


LAST = node("Conv", "b v", "y", **SAME)
LINEAR = [FIRST, node("Relu", "a", "b"), LAST]


@pytest.mark.parametrize(
    "activation",
    [
        [node("Sigmoid", "a", "s"), node("Mul", "a s", "b")],
        [node("Softplus", "a", "s"), node("Tanh", "s", "h"), node("Mul", "a h", "b")],
        [
            node("Add", "a three", "s"),
            node("Clip", "s low six", "k"),
            node("Mul", "a k", "m"),
            node("Div", "m six", "b"),
        ],
        [
            node("Div", "a root", "s"),
            node("Erf", "s", "e"),
            node("Add", "e one", "o"),
            node("Mul", "a o", "m"),
            node("Mul", "m half", "b"),
        ],
    ],
    ids=["silu", "mish", "hard swish", "gelu"],
)
def test_activations_of_several_nodes_are_the_identity(
    bench: filterkit.Workbench, tmp_path: Path, activation: Nodes
) -> None:
    added(bench, tmp_path, LINEAR)
    wanted = bench.bank("net/last", expand=True)
    added(bench, tmp_path, [FIRST, *activation, LAST])
    np.testing.assert_allclose(bench.bank("net/last", expand=True), wanted, atol=1e-5)


def test_a_batch_norm_before_such_an_activation_counts(bench: filterkit.Workbench, tmp_path: Path) -> None:
    norm = node("BatchNormalization", "a scale bias mean variance", "n")
    added(bench, tmp_path, [FIRST, norm, node("Relu", "n", "b"), LAST])
    wanted = bench.bank("net/last", expand=True)
    added(bench, tmp_path, [FIRST, norm, node("Sigmoid", "n", "s"), node("Mul", "n s", "b"), LAST])
    np.testing.assert_allclose(bench.bank("net/last", expand=True), wanted, atol=1e-5)


def test_a_folded_batch_norm_scales_as_in_the_bank(bench: filterkit.Workbench, tmp_path: Path) -> None:
    norm = node("BatchNormalization", "a scale bias mean variance", "y")
    added(bench, tmp_path, [FIRST, norm], fold_batchnorm=True)
    np.testing.assert_allclose(bench.bank("net/first", expand=True), bench.bank("net/first"), atol=1e-6)


def test_quantized_activations_are_passed_through(bench: filterkit.Workbench, tmp_path: Path) -> None:
    CONSTANTS.update(q=np.float32(0.02), z=np.uint8(3))
    added(bench, tmp_path, LINEAR)
    wanted = bench.bank("net/last", expand=True)
    quantized = [node("QuantizeLinear", "r q z", "i"), node("DequantizeLinear", "i q z", "b")]
    added(bench, tmp_path, [FIRST, node("Relu", "a", "r"), *quantized, LAST])
    np.testing.assert_allclose(bench.bank("net/last", expand=True), wanted, atol=1e-5)


def test_filters_and_kernels_can_be_selected(bench: filterkit.Workbench, tmp_path: Path) -> None:
    added(bench, tmp_path, [FIRST, node("Relu", "a", "b"), node("Conv", "b g", "y", group=2, **SAME)])
    whole = bench.bank("net/last", expand=True)
    np.testing.assert_array_equal(bench.bank("net/last/4,0", expand=True), whole[[4, 0]])
    parts = [bench.bank(f"net/last/0:6:2/{kernel}", expand=True) for kernel in range(2)]
    assert all(part.any() for part in parts)
    np.testing.assert_allclose(sum(parts), whole[::2], atol=1e-5)


def test_a_fixed_batch_and_size_are_kept(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """A Reshape to constants does not allow others."""
    sizes = {"to": np.array([3, 4, 25 * 27], np.int64), "back": np.array([3, 4, 25, 27], np.int64)}
    CONSTANTS.update(sizes)
    fixed = [FIRST, node("Reshape", "a to", "r"), node("Reshape", "r back", "b"), LAST]
    added(bench, tmp_path, fixed, (3, *PICTURE[1:]))
    found = bench.bank("net/last", expand=True)
    added(bench, tmp_path, LINEAR)
    np.testing.assert_allclose(found, bench.bank("net/last", expand=True), atol=1e-5)


POOL = node("GlobalAveragePool", "a", "b")
GATE = [node("GlobalAveragePool", "a", "m"), node("Sigmoid", "m", "s"), node("Mul", "a s", "b")]
BRANCHES = [node("Conv", "a p", "p1", name="point"), node("Mul", "a p1", "b")]


@pytest.mark.parametrize(
    ("between", "message", "hint"),
    [
        ([POOL], r"unbounded or unknown, because of node 'b' \(GlobalAveragePool\)", "a layer before that"),
        (BRANCHES, r"node 'b' \(Mul\) has no linear form", "choose a layer before it"),
        ([node("Softmax", "a", "b", axis=1)], r"\(Softmax\) has no linear form", "layer before it"),
        ([node("LRN", "a", "b", size=3)], r"\(LRN\) has no linear form", "layer before it"),
        (GATE, r"because of node 'm' \(GlobalAveragePool\)", "layer before that"),
        ([node("InstanceNormalization", "a scale bias", "b")], r"\(InstanceNorm", "layer before that"),
        ([node("Mul", "a a", "b")], r"\(Mul\) has no linear form", "layer before it"),
    ],
)
def test_what_has_no_linear_form_is_named(
    bench: filterkit.Workbench, tmp_path: Path, between: Nodes, message: str, hint: str
) -> None:
    added(bench, tmp_path, [FIRST, *between, LAST])
    with pytest.raises(ModelError, match=message) as raised:
        bench.bank("net/last", expand=True)
    assert hint in str(raised.value.hint)


def test_a_field_that_does_not_fit(bench: filterkit.Workbench, tmp_path: Path) -> None:
    CONSTANTS.update(to4=np.array([1, 4, 16], np.int64), back4=np.array([1, 4, 4, 4], np.int64))
    fixed = [FIRST, node("Reshape", "a to4", "r"), node("Reshape", "r back4", "b"), LAST]
    added(bench, tmp_path, fixed, (1, 3, 4, 4))
    with pytest.raises(ModelError, match="field of 5 × 5 does not fit") as raised:
        bench.bank("net/last", expand=True)
    assert "layer before" in str(raised.value.hint)


def test_too_many_values(bench: filterkit.Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added(bench, tmp_path, LINEAR)
    monkeypatch.setattr(expanded_weights, "MOST_VALUES", 6 * 3 * 25)
    assert bench.bank("net/last", expand=True).size == 6 * 3 * 25
    with pytest.raises(UsageError, match="more than 450 values"):
        bench.export("net", tmp_path / "all.npz", expand=True)
    monkeypatch.setattr(expanded_weights, "MOST_VALUES", 6 * 3 * 25 - 1)
    with pytest.raises(UsageError, match="450 values; the limit is 449") as raised:
        bench.bank("net/last", expand=True)
    assert "net/last/0:5" in str(raised.value.hint)


def test_an_input_that_is_too_large(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """Of a batch size that a Reshape fixes."""
    CONSTANTS.update(many=np.array([2**20, 4, 625], np.int64), many2=np.array([2**20, 4, 25, 25], np.int64))
    fixed = [FIRST, node("Reshape", "a many", "r"), node("Reshape", "r many2", "b"), LAST]
    added(bench, tmp_path, fixed, (2**20, 3, 25, 25))
    with pytest.raises(ModelError, match="needs an input of 1048576 × 3 × 25 × 25"):
        bench.bank("net/last", expand=True)


@pytest.mark.parametrize(
    "kind", ["plain", "pointwise", "conv1d", "conv3d", "half", "constant", "computed", "huge"]
)
def test_a_first_layer_is_its_bank(bench: filterkit.Workbench, tmp_path: Path, kind: str) -> None:
    bench.add(tiny_model(kind, tmp_path).path, name="tiny")
    first = bench.layers("tiny")[0]["address"]
    np.testing.assert_array_equal(bench.bank(first, expand=True), bench.bank(first))


def test_an_operator_without_a_gradient_is_named(bench: filterkit.Workbench, tmp_path: Path) -> None:
    bench.add(tiny_model("quantized", tmp_path).path)
    with pytest.raises(ModelError, match=r"'conv' \(QLinearConv\)") as raised:
        bench.bank("quantized/conv", expand=True)
    assert raised.value.hint
    bench.add(tiny_model("inside-if", tmp_path).path)
    with pytest.raises(RuntimeFailure, match="in the body 'choose/else_branch'"):
        bench.bank("inside-if/else", expand=True)


def test_a_checkpoint_has_no_path(bench: filterkit.Workbench, tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", conv=random(4, 3, 3, 3))
    bench.add(f"weights:{tmp_path / 'weights.npz'}?layout=OIHW")
    with pytest.raises(RuntimeFailure, match="weights without a network"):
        bench.bank("weights", expand=True)


def test_exported_arrays(bench: filterkit.Workbench, tmp_path: Path) -> None:
    added(bench, tmp_path, LINEAR)
    bench.export("net", tmp_path / "all.npz", expand=True)
    with np.load(tmp_path / "all.npz") as stored:
        np.testing.assert_array_equal(stored["first"], bench.bank("net/first"))
        np.testing.assert_array_equal(stored["last"], bench.bank("net/last", expand=True))


@pytest.mark.zoo
def test_two_layers_of_vgg16_are_the_convolution_of_their_banks(vgg16_catalog: Path) -> None:
    signal = pytest.importorskip("scipy.signal")
    with filterkit.open(vgg16_catalog) as bench:
        first, second = (bench.bank(f"vgg16/block1_conv{number}").astype(float) for number in (1, 2))
        found = bench.bank("vgg16/block1_conv2/0:8", expand=True)
        np.testing.assert_array_equal(bench.bank("vgg16/block1_conv1", expand=True), first)
    wanted = [
        [sum(map(signal.convolve, filter_, first[:, channel])) for channel in range(3)]
        for filter_ in second[:8]
    ]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.zoo
def test_the_hint_refers_to_a_node_only_if_one_is_named(
    bench: filterkit.Workbench, zoo_model: Callable[[str], Path]
) -> None:
    bench.add(zoo_model("gtcrn"), name="gtcrn")
    with pytest.raises(ModelError, match="unbounded or unknown\n") as caught:
        bench.bank("gtcrn/Conv_75", expand=True)
    assert caught.value.hint == "choose another layer; `filterkit layers` lists receptive fields"
