"""Targets: addresses, and outputs as MODEL@OUTPUT:INDEX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random
from picture_networks import PIXELS

import filterkit
from filterkit.errors import FilterkitError, NotFoundError, RuntimeFailure, UsageError

WEIGHTS = {"w": random(4, 3, 3, 3), "d": random(4, 6, seed=3)}

NODES = [
    node("Conv", "x w", "maps", name="conv"),
    node("GlobalAveragePool", "maps", "g"),
    node("Flatten", "g", "flat"),
    node("Gemm", "flat d", "scores"),
    node("Softmax", "scores", "p", axis=1),
    node("Identity", "p", "_"),
    node("Shape", "maps", "s"),
    node("Cast", "s", "sizes", to=1),
]
NODES[5].output[:] = ["chances:0"]
OUTPUTS = ["chances:0", "maps", "1", "sizes"]


@pytest.fixture
def net(bench: filterkit.Workbench, tmp_path: Path) -> filterkit.Workbench:
    last = node("Neg", "scores", "1")
    model = build([*NODES, last], {"x": ["N", 3, "H", "W"]}, WEIGHTS, OUTPUTS, opset=17)
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    return bench


def scores(net: filterkit.Workbench) -> np.ndarray:
    maps = np.asarray(net.feature_maps("net/conv", PIXELS, at="pre"))
    return maps.mean(axis=(1, 2)) @ WEIGHTS["d"]


@pytest.mark.parametrize(
    ("text", "name", "tensor"),
    [
        ("net@0:2", "net@0:2", "scores"),
        ("net@chances:0:2", "net@0:2", "scores"),
        ("net@1:2", "net@2:2", "1"),  # a name before a number
        ("net@2:3", "net@2:3", "1"),
        ("net@", "net@0:{best}", "scores"),
        ("net@0", "net@0:{best}", "scores"),
        ("net@chances:0", "net@0:{best}", "scores"),
        ("net@1", "net@2:{least}", "1"),
    ],
)
def test_outputs(net: filterkit.Workbench, text: str, name: str, tensor: str) -> None:
    found, values = net.attribute(text, PIXELS), scores(net)
    expected = name.format(best=values.argmax(), least=values.argmin())
    assert found.target == expected
    entry = int(expected.rpartition(":")[2])
    assert found.value == pytest.approx(values[entry] * (-1 if tensor == "1" else 1), rel=1e-4)
    assert any("before the final Softmax" in note for note in found.notes) == (tensor == "scores")


def test_after_the_softmax(net: filterkit.Workbench) -> None:
    found, values = net.attribute("net@0:1", PIXELS, after_softmax=True), scores(net)
    assert found.value == pytest.approx(np.exp(values[1]) / np.exp(values).sum(), rel=1e-4)
    assert found.notes == ()


def test_options_without_effect_are_refused(net: filterkit.Workbench) -> None:
    with pytest.raises(UsageError, match="at=pre has no effect on an output") as caught:
        net.attribute("net@0", PIXELS, at="pre")
    assert "before it, without --after-softmax" in str(caught.value.hint)
    with pytest.raises(UsageError, match="after-softmax has no effect on filters") as caught:
        net.attribute("net/conv/1", PIXELS, after_softmax=True)
    assert caught.value.hint == "it is for outputs, e.g. net@0"


@pytest.mark.parametrize(
    ("sizes", "shape"), [([-1, 2, 3], (1, 2, 3)), ([1, 6], (1, 6)), ([6], None), ([1, 1, 2, 3], (1, 1, 2, 3))]
)
def test_an_output_whose_number_of_axes_is_known_only_when_it_runs(
    bench: filterkit.Workbench, tmp_path: Path, sizes: list[int], shape: tuple[int, ...] | None
) -> None:
    nodes = [
        *NODES[:4],
        node("ReduceMax", "x", "top", keepdims=0),
        node("GreaterOrEqual", "top zeros", "all"),
        node("Compress", "shape all", "free"),
        node("Reshape", "scores free", "y"),
    ]
    constants = WEIGHTS | {"shape": np.array(sizes), "zeros": np.zeros(len(sizes), np.float32)}
    model = build(nodes, {"x": ["N", 3, "H", "W"]}, constants, opset=17)
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", replace=True)
    if shape is None:
        with pytest.raises(RuntimeFailure, match=r"the output net@0:2 has the shape \(6,\)") as caught:
            bench.attribute("net@0:2", PIXELS)
        assert caught.value.hint == "choose a filter, or another output"
        with pytest.raises(RuntimeFailure) as same:
            bench.ablate("net/conv", PIXELS, target="net@0:2")
        assert (same.value.message, same.value.hint) == (caught.value.message, caught.value.hint)
        return
    assert bench.ablate("net/conv", PIXELS, target="net@0:2")[0]["before"] == pytest.approx(
        scores(bench)[2], rel=1e-4
    )
    found = bench.attribute("net@0:2", PIXELS)
    assert found.value == pytest.approx(scores(bench)[2], rel=1e-4)
    assert found.array.any()
    assert bench.attribute("net@", PIXELS).target == f"net@0:{scores(bench).argmax()}"


def test_an_output_with_positions(net: filterkit.Workbench) -> None:
    found = net.attribute("net@maps:1", PIXELS, position=(3, 4))
    same = net.attribute("net/conv/1", PIXELS, position=(3, 4), at="pre")
    assert np.array_equal(found.array, same.array)
    assert (found.position, found.box) == ((3, 4), (3, 4, 6, 7))
    best = net.attribute("net@maps", PIXELS)
    maps = np.asarray(net.feature_maps("net/conv", PIXELS, at="pre"))
    assert (int(best.target.rpartition(":")[2]), *best.position) == np.unravel_index(
        maps.argmax(), maps.shape
    )


def test_filters(net: filterkit.Workbench) -> None:
    one, other = (net.attribute(f"net/conv/{each}", PIXELS, position="mean").array for each in (1, 3))
    both = net.attribute("net/conv/1,3", PIXELS, position="mean")
    np.testing.assert_allclose(both.array, one + other, atol=1e-6)
    assert both.target == "net/conv/1,3"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("net@7", NotFoundError, "the network has no output '7'"),
        ("net@other:1", NotFoundError, "the network has no output 'other'"),
        ("net@:", NotFoundError, "the network has no output ':'"),
        ("net@0:6", UsageError, "entry 6 is outside the output 'chances:0'"),
        ("net@0:x", UsageError, "'x' is not the number of an entry of 'chances:0'"),
        ("net@0:-1", UsageError, "'-1' is not the number of an entry of 'chances:0'"),
        ("net@0:²", UsageError, "'²' is not the number of an entry of 'chances:0'"),
        ("other@0", NotFoundError, "there is no model 'other' in the catalog"),
        ("*/*", UsageError, None),
        ("net/conv/1/2", UsageError, "a target is the response of whole filters, not of single kernels"),
        ("net/conv@0", NotFoundError, "there is no layer 'conv@0' in net"),
        ("", FilterkitError, None),
    ],
)
def test_targets_that_are_none(
    net: filterkit.Workbench, text: str, kind: type[FilterkitError], message: Any
) -> None:
    net.add("classic")
    with pytest.raises(kind) as caught:
        net.attribute(text, PIXELS)
    assert message is None or caught.value.message == message
    assert caught.value.hint


IN_OTHER_ORDER: dict[str, tuple[list[onnx.NodeProto], str]] = {
    "channels last, channels first inside": (
        [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "y", name="conv")],
        "NHWC",
    ),
    "channels first, channels last at the end": (
        [node("Conv", "x w", "maps", name="conv"), node("Transpose", "maps", "y", perm=[0, 2, 3, 1])],
        "NCHW",
    ),
    "channels last throughout": (
        [
            node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
            node("Conv", "t w", "maps", name="conv"),
            node("Transpose", "maps", "y", perm=[0, 2, 3, 1]),
        ],
        "NHWC",
    ),
}


@pytest.mark.parametrize("name", IN_OTHER_ORDER)
def test_the_axes_of_an_output_are_traced(name: str, bench: filterkit.Workbench, tmp_path: Path) -> None:
    """They need not be in the order of the input's."""
    nodes, layout = IN_OTHER_ORDER[name]
    shape = ["N", 3, "H", "W"] if layout == "NCHW" else ["N", "H", "W", 3]
    onnx.save(build(nodes, {"x": shape}, WEIGHTS, ["y"], opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    for index in range(4):
        found = bench.attribute(f"net@0:{index}", PIXELS, position=(5, 2))
        same = bench.attribute(f"net/conv/{index}", PIXELS, position=(5, 2), at="pre")
        assert (found.value, found.position, found.box) == (same.value, same.position, same.box)
        assert np.array_equal(found.array, same.array)
    with pytest.raises(UsageError, match="entry 4 is outside"):
        bench.attribute("net@0:4", PIXELS)


def test_the_axes_of_an_output_without_positions(bench: filterkit.Workbench, tmp_path: Path) -> None:
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t w", "maps", name="conv"),
        node("GlobalAveragePool", "maps", "y"),
    ]
    onnx.save(build(nodes, {"x": ["N", "H", "W", 3]}, WEIGHTS, ["y"], opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    expected = np.asarray(bench.feature_maps("net/conv", PIXELS, at="pre")).mean(axis=(1, 2))
    for index in range(4):
        assert bench.attribute(f"net@0:{index}", PIXELS).value == pytest.approx(expected[index], rel=1e-4)


CONV = node("Conv", "x w", "maps", name="conv")
RESHAPED = {
    True: [
        CONV,
        node("GlobalAveragePool", "maps", "g"),
        node("Softmax", "g", "p", axis=1),
        node("Flatten", "p", "y"),
    ],
    False: [
        node("Transpose", "x", "t", perm=[0, 2, 3, 1]),
        node("Reshape", "t rows", "g"),
        node("Softmax", "g", "p", axis=1),
        node("Reshape", "p whole", "y"),
        CONV,
    ],
}


@pytest.mark.parametrize("is_final", RESHAPED)
def test_a_softmax_before_a_reshape(is_final: bool, bench: filterkit.Workbench, tmp_path: Path) -> None:
    """It is the final one if every picture keeps its entries, but not if positions become pictures."""
    constants = {**WEIGHTS, "rows": np.array([-1, 3]), "whole": np.array([1, -1])}
    model = build(RESHAPED[is_final], {"x": [1, 3, 40, 48]}, constants, ["y", "maps"], opset=17)
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    found = bench.attribute("net@0:2", PIXELS)
    assert any("before the final Softmax" in note for note in found.notes) == is_final
    if is_final:
        maps = np.asarray(bench.feature_maps("net/conv", PIXELS, at="pre"))
        assert found.value == pytest.approx(maps.mean(axis=(1, 2))[2], rel=1e-4)
    else:
        assert 0 < found.value < 1
