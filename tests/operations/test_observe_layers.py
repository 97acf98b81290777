"""Layers of all kinds: grouped, transposed, of one to three axes, with several outputs, in branches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from brute_force import compare_inputs, compare_pictures
from observed import write_pictures
from onnx_graphs import FLOAT, build, node, random

import filterkit
from filterkit.errors import UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos", 7, classes=1)


def add(bench: filterkit.Workbench, folder: Path, model: onnx.ModelProto) -> None:
    onnx.save(model, folder / "net.onnx")
    bench.add(folder / "net.onnx")


def test_unbounded_receptive_fields(bench: filterkit.Workbench, tmp_path: Path, photos: Path) -> None:
    """Squeeze and excitation: each position depends on the whole picture, and the box says so."""
    nodes = [
        node("Conv", "x w", "a", name="conv1", pads=[1] * 4),
        node("GlobalAveragePool", "a", "g"),
        node("Sigmoid", "g", "s"),
        node("Mul", "a s", "m"),
        node("Conv", "m v", "b", name="conv2", pads=[1] * 4),
        node("Relu", "b", "y"),
    ]
    constants = {"w": random(4, 3, 3, 3), "v": random(5, 4, 3, 3, seed=1)}
    add(bench, tmp_path, build(nodes, {"x": ["N", 3, "H", "W"]}, constants, opset=17))
    compare_pictures(bench, "net", photos, size="original")
    sizes = {row["path"]: [0, 0, row["height"], row["width"]] for row in bench.query("SELECT * FROM image")}
    assert len({tuple(each) for each in sizes.values()}) == 2
    for row in bench.exemplars("net/conv2"):
        assert (row["box"], row["at_border"]) == (sizes[row["image"]], True)
    for row in bench.exemplars("net/conv1"):
        top, left, bottom, right = row["box"]
        assert max(bottom - top, right - left) <= 3


@pytest.mark.parametrize("at", ["post", "pre"])
def test_grouped_and_transposed(bench: filterkit.Workbench, tmp_path: Path, photos: Path, at: str) -> None:
    """Before the activation or after it, also where there is none, or one of two."""
    nodes = [
        node("Conv", "x w", "a", name="depthwise", group=3, pads=[1] * 4),
        node("Relu", "a", "b"),
        node("ConvTranspose", "b t", "c", name="transposed", group=3, strides=[2, 2], output_padding=[1, 0]),
        node("LeakyRelu", "c", "d", alpha=0.1),
        node("Conv", "d v", "e", name="dilated", dilations=[2, 3], strides=[3, 1]),
        node("Relu", "e", "f"),
        node("Sigmoid", "e", "g"),
        node("Add", "f g", "h"),
        node("Conv", "h u", "y", name="last"),
    ]
    constants = {
        "w": random(6, 1, 3, 3),
        "t": random(6, 2, 3, 2, seed=1),
        "v": random(4, 6, 2, 2, seed=2),
        "u": random(3, 4, 1, 1, seed=3),
    }
    add(bench, tmp_path, build(nodes, {"x": ["N", 3, "H", "W"]}, constants, opset=17))
    assert bench.layers("net")["filters"] == [6, 6, 4, 3]
    compare_pictures(bench, "net", photos, size="original", at=at)


def test_several_outputs(bench: filterkit.Workbench, tmp_path: Path, photos: Path) -> None:
    """Layers that the graph itself puts out, and one input that several of them take."""
    nodes = [
        node("Conv", "x w", "a", name="first"),
        node("Conv", "x w", "b", name="second", pads=[2] * 4),
        node("Relu", "b", "c"),
    ]
    model = build(nodes, {"x": ["N", 3, "H", "W"]}, {"w": random(4, 3, 3, 3)}, opset=17)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in ("a", "b"))
    add(bench, tmp_path, model)
    compare_pictures(bench, "net", photos, size="original")


@pytest.mark.parametrize("axes", [1, 3])
def test_one_and_three_axes(bench: filterkit.Workbench, tmp_path: Path, axes: int) -> None:
    sizes = (9, 10, 11)[:axes]
    nodes = [
        node("Conv", "x w", "a", name="grouped", group=2, strides=[2] * axes),
        node("Relu", "a", "b"),
        node("ConvTranspose", "b t", "y", name="transposed", strides=[2] * axes),
    ]
    constants = {"w": random(6, 1, *[3] * axes), "t": random(6, 2, *[2] * axes, seed=1)}
    add(bench, tmp_path, build(nodes, {"x": ["N", 2, *sizes]}, constants, opset=17))
    arrays = random(6, 2, *sizes, seed=3)
    compare_inputs(bench, tmp_path, {"x": arrays})
    for row in bench.query(
        "SELECT exemplar.*, layer.name FROM exemplar JOIN layer ON layer.id = layer_id WHERE rank > 0"
    ):
        maps = bench.feature_maps("net", inputs={"x": arrays[row["image"] : row["image"] + 1]}).maps
        place = [row[name] for name in "zyx"]
        assert place[: 3 - axes] == [None] * (3 - axes)
        assert maps[row["name"]][row["position"]][tuple(place[3 - axes :])] == row["value"]


def test_integers(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """Quantized layers, whose feature maps are integers."""
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.integers(-128, 128, (4, 2, 3), dtype=np.int8),
        "s": np.array(0.5, np.float32),
        "z": np.array(100, np.uint8),
        "o": np.array(0, np.int8),
        "r": np.array(40, np.float32),
    }
    nodes = [
        node("QLinearConv", "x s z w s o r z", "a", name="quantized"),
        node("ConvInteger", "a w2 z", "y", name="integer"),
    ]
    constants["w2"] = rng.integers(-128, 128, (3, 4, 3), dtype=np.int8)
    model = build(nodes, {"x": [1, 2, 40]}, constants, opset=17)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT32
    add(bench, tmp_path, model)
    compare_inputs(bench, tmp_path, {"x": rng.integers(0, 256, (6, 2, 40), dtype=np.uint8)})


def branch(name: str, bias: str) -> onnx.GraphProto:
    nodes = [node("Conv", f"a v {bias}", f"{name}_y", name=f"in_{name}")]
    output = onnx.helper.make_tensor_value_info(f"{name}_y", FLOAT, None)
    return onnx.helper.make_graph(nodes, name, [], [output])


@pytest.mark.parametrize("outside", [True, False])
def test_layers_in_a_branch_are_refused(
    bench: filterkit.Workbench, tmp_path: Path, photos: Path, outside: bool
) -> None:
    """The hint lists the layers that can be observed."""
    choice = onnx.helper.make_node(
        "If", ["go"], ["y"], name="choice", then_branch=branch("then", "b"), else_branch=branch("else", "c")
    )
    first = node("Conv", "x w", "a", name="outside") if outside else node("Relu", "x", "a")
    constants: dict[str, Any] = {
        "w": random(3, 3, 3, 3),
        "v": random(2, 3, 3, 3),
        "b": random(2),
        "c": random(2, seed=1),
        "go": np.array(True),
    }
    if not outside:
        del constants["w"]
    add(bench, tmp_path, build([first, choice], {"x": [1, 3, 16, 16]}, constants, opset=17))
    inside = [name for name in bench.layers("net")["layer"] if "in_" in name]
    assert len(inside) == 2
    for address in ("net", f"net/{inside[0]}"):
        with pytest.raises(UsageError, match="cannot be observed: it is inside choice") as caught:
            bench.observe(address, [photos])
        hint = "these layers of net can be observed: net/outside" if outside else "no layer of net can be"
        assert str(caught.value.hint).startswith(hint)
    assert len(bench.observations()) == 0
    if outside:
        assert bench.observe("net/outside", [photos]).layers == 1
