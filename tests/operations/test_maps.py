"""Feature maps from the catalog: converted networks, branches, left-out layers and caching."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import FLOAT, build, node, random
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    quantize_dynamic,
    quantize_static,
)

import filterkit
from filterkit.errors import RuntimeFailure
from filterkit.runtime.network import Network

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def plain() -> onnx.ModelProto:
    """Two convolutions with activations, a pooling in between."""
    return build(
        [
            node("Conv", "x v p", "a", "first", pads=[1, 1, 1, 1]),
            node("Relu", "a", "b"),
            node("MaxPool", "b", "m", kernel_shape=[2, 2], strides=[2, 2]),
            node("Conv", "m w q", "c", "second"),
            node("Relu", "c", "d"),
        ],
        {"x": ["N", 3, 24, 24]},
        {
            "v": random(8, 3, 3, 3, seed=1),
            "p": random(8, seed=2),
            "w": random(6, 8, 3, 3, seed=3),
            "q": random(6, seed=4),
        },
        outputs=["d"],
        opset=17,
    )


class Noise(CalibrationDataReader):  # type: ignore[misc]
    """Calibration data for static quantization: the same picture that is run."""

    def __init__(self) -> None:
        picture = (PIXELS / 255).astype(np.float32).transpose(2, 0, 1)[None]
        self._left = iter([{"x": picture}])

    def get_next(self) -> Any:
        return next(self._left, None)


def halved(source: Path, target: Path) -> None:
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
        )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(model, target)


CONVERSIONS: dict[str, tuple[Callable[[Path, Path], Any], float]] = {
    "float16": (halved, 0.005),
    "qoperator": (lambda a, b: quantize_static(a, b, Noise(), quant_format=QuantFormat.QOperator), 0.05),
    "qdq": (lambda a, b: quantize_static(a, b, Noise(), quant_format=QuantFormat.QDQ), 0.05),
    "dynamic": (lambda a, b: quantize_dynamic(a, b), 0.05),
}


@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_converted_networks_answer_as_the_original(tmp_path: Path, conversion: str) -> None:
    convert, tolerance = CONVERSIONS[conversion]
    onnx.save(plain(), tmp_path / "plain.onnx")
    convert(tmp_path / "plain.onnx", tmp_path / "converted.onnx")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        for name in ("plain", "converted"):
            bench.add(tmp_path / f"{name}.onnx")
        original = bench.feature_maps("plain", PIXELS, provider="cpu")
        found = bench.feature_maps("converted", PIXELS, provider="cpu")
    assert len(found.maps) == len(original.maps) == 2 and not found.left_out
    for (name, values), expected in zip(found.maps.items(), original.maps.values(), strict=True):
        if conversion == "qdq":  # the quantizer leaves the Relu out: its codes begin at zero
            values = np.maximum(values, 0)
        assert values.dtype.kind == "f" and values.shape == expected.shape
        assert np.abs(values - expected).max() <= tolerance * np.abs(expected).max(), name


def choosing(*, loop: bool = False) -> onnx.ModelProto:
    """A layer followed by one in each branch of an If that depends on a second input."""

    def branch(name: str, kernel: Any) -> onnx.GraphProto:
        return helper.make_graph(
            [node("Conv", f"a {name}_w", name, name)],
            name,
            [],
            [helper.make_tensor_value_info(name, FLOAT, None)],
            [numpy_helper.from_array(kernel, f"{name}_w")],
        )

    chosen = helper.make_node(
        "If",
        ["fine"],
        ["y"],
        name="quality",
        then_branch=branch("small", random(2, 4, 3, 3)),
        else_branch=branch("large", random(3, 4, 5, 5)),
    )
    if loop:
        body = helper.make_graph(
            [node("Identity", "go", "on"), node("Conv", "h k", "i", "again", pads=[1, 1, 1, 1])],
            "body",
            [
                helper.make_tensor_value_info("n", TensorProto.INT64, []),
                helper.make_tensor_value_info("go", TensorProto.BOOL, []),
                helper.make_tensor_value_info("h", FLOAT, None),
            ],
            [
                helper.make_tensor_value_info("on", TensorProto.BOOL, []),
                helper.make_tensor_value_info("i", FLOAT, None),
            ],
        )
        chosen = helper.make_node("Loop", ["three", "fine", "a"], ["y"], name="loop", body=body)
    graph = helper.make_graph(
        [node("Conv", "x v", "a", "front"), chosen],
        "choosing",
        [
            helper.make_tensor_value_info("x", FLOAT, ["N", 3, "H", "W"]),
            helper.make_tensor_value_info("fine", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [
            numpy_helper.from_array(random(4, 3, 3, 3), "v"),
            numpy_helper.from_array(random(4, 4, 3, 3), "k"),
            numpy_helper.from_array(np.array(3), "three"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[filterkit.Workbench]:
    onnx.save(choosing(), tmp_path / "choosing.onnx")
    onnx.save(choosing(loop=True), tmp_path / "looping.onnx")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "choosing.onnx")
        bench.add(tmp_path / "looping.onnx")
        yield bench


@pytest.mark.parametrize(("fine", "taken", "left"), [(True, "small", "large"), (False, "large", "small")])
def test_a_branch_answers_where_the_input_leads_there(
    bench: filterkit.Workbench, fine: bool, taken: str, left: str
) -> None:
    front, *inside = (row["layer"] for row in bench.layers("choosing"))
    [taken_name] = (name for name in inside if taken in name)
    [left_name] = (name for name in inside if left in name)
    inputs = {"x": random(1, 3, 9, 9), "fine": np.array(fine)}
    found = bench.feature_maps("choosing", inputs=inputs, provider="cpu")
    assert list(found.maps) == [front, taken_name]
    assert found.left_out.keys() == {left_name}
    assert "takes the other branch" in found.left_out[left_name]
    with pytest.raises(RuntimeFailure, match=f"{left_name} did not run: for this input the network takes"):
        bench.feature_maps(f"choosing/{left_name}", inputs=inputs, provider="cpu")


def test_the_body_of_a_loop_is_left_out_with_the_reason(bench: filterkit.Workbench) -> None:
    names = [row["layer"] for row in bench.layers("looping")]
    inputs = {"x": random(1, 3, 9, 9), "fine": np.array(True)}
    found = bench.feature_maps("looping", inputs=inputs, provider="cpu")
    assert list(found.maps) == names[:1]
    assert found.left_out == {
        names[1]: "it is in the body of the Loop 'loop', which runs any number of times for one input"
    }
    with pytest.raises(RuntimeFailure, match="cannot be run: it is in the body of the Loop 'loop'"):
        bench.feature_maps(f"looping/{names[1]}", inputs=inputs, provider="cpu")


def test_cut_graphs_are_kept_for_the_next_process_and_go_with_the_model(
    bench: filterkit.Workbench, tmp_path: Path
) -> None:
    inputs = {"x": random(1, 3, 9, 9), "fine": np.array(True)}
    expected = bench.feature_maps("choosing/front", inputs=inputs, provider="cpu").array
    cuts = tmp_path / "catalog.store" / "cuts"
    [file] = cuts.rglob("*.onnx")
    np.savez(tmp_path / "inputs.npz", **inputs)
    words = ["maps", "choosing/front", "--input", "inputs.npz", "-o", "maps.npy", "--provider", "cpu"]
    made = subprocess.run([sys.executable, "-m", "filterkit", *words], cwd=tmp_path, capture_output=True)
    assert made.returncode == 0, made.stderr
    assert list(cuts.rglob("*.onnx")) == [file]
    np.testing.assert_array_equal(np.load(tmp_path / "maps.npy")[0], expected)
    bench.remove("choosing")
    assert not cuts.exists()
    assert bench.feature_maps("looping", inputs=inputs, provider="cpu").maps


def test_closing_lets_go_of_the_networks(tmp_path: Path) -> None:
    """Closing a workbench frees the weights and threads of its networks, not those of another catalog."""

    def networks() -> weakref.WeakSet[Network]:
        gc.collect()
        return weakref.WeakSet(each for each in gc.get_objects() if isinstance(each, Network))

    onnx.save(plain(), tmp_path / "plain.onnx")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    before = networks()
    with filterkit.open(tmp_path / "one" / "catalog.db") as one:
        one.add(tmp_path / "plain.onnx")
        one.feature_maps("plain", PIXELS, provider="cpu")
        with filterkit.open(tmp_path / "two" / "catalog.db") as two:
            two.add(tmp_path / "plain.onnx")
            two.feature_maps("plain", PIXELS, provider="cpu")
            assert len(networks() - before) == 2
        assert len(networks() - before) == 1
    assert len(networks() - before) == 0
