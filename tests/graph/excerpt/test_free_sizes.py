"""Sizes are made symbolic where the graph accepts others, and only there; checked by running it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from filterkit.errors import NotFoundError
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.excerpt.free_sizes import free_sizes, skeleton_of, window_too_large

Zoo = Callable[[str], Path]
FLOAT = TensorProto.FLOAT


def input_shape(model: onnx.ModelProto) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]


def output_of(model: onnx.ModelProto, shape: tuple[int, ...]) -> tuple[int, ...]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: np.zeros(shape, np.float32)})[0].shape


def small(*nodes: onnx.NodeProto, shape: tuple[int, ...] = (1, 2, 8, 8), **constants: Any) -> onnx.ModelProto:
    """x (1×2×8×8) → the nodes → y."""
    weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


CONV = helper.make_node("Conv", ["x", "w"], ["c"])
W = np.ones((4, 2, 3, 3), np.float32)


def test_a_convolution_accepts_any_size() -> None:
    model = small(CONV, helper.make_node("Relu", ["c"], ["y"]), w=W)
    assert free_sizes(model, "x", "NCHW") is model
    assert input_shape(model) == ["N", 2, "H", "W"]
    assert output_of(model, (3, 2, 20, 11)) == (3, 4, 18, 9)
    onnx.checker.check_model(model)


def test_a_reshape_to_constants_fixes_the_size() -> None:
    model = small(CONV, helper.make_node("Reshape", ["c", "to"], ["y"]), w=W, to=np.array([1, 144], np.int64))
    assert input_shape(free_sizes(model, "x", "NCHW")) == [1, 2, 8, 8]


def test_a_dense_head_fixes_the_size_but_not_the_batch() -> None:
    model = small(
        CONV,
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("Gemm", ["f", "d"], ["y"]),
        w=W,
        d=np.ones((144, 5), np.float32),
    )
    assert input_shape(free_sizes(model, "x", "NCHW")) == ["N", 2, 8, 8]
    assert output_of(model, (7, 2, 8, 8)) == (7, 5)


def test_positions_must_not_become_batch_entries() -> None:
    """Pooled, and reshaped to (-1, channels): a larger picture would give several rows."""
    model = small(
        CONV,
        helper.make_node("AveragePool", ["c"], ["p"], kernel_shape=[6, 6]),
        helper.make_node("Reshape", ["p", "to"], ["y"]),
        w=W,
        to=np.array([-1, 4], np.int64),
    )
    assert input_shape(free_sizes(model, "x", "NCHW")) == ["N", 2, 8, 8]


def test_batch_entries_must_not_be_mixed() -> None:
    model = small(
        CONV,
        helper.make_node("Reshape", ["c", "to"], ["y"]),
        shape=(2, 2, 8, 8),
        w=W,
        to=np.array([2, 4, -1], np.int64),
    )
    assert input_shape(free_sizes(model, "x", "NCHW"))[0] == 2


def test_a_reshape_to_a_computed_shape_accepts_any_size() -> None:
    model = small(
        CONV,
        helper.make_node("Shape", ["c"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["c", "to"], ["y"]),
        w=W,
        zero=np.array([0], np.int64),
        rest=np.array([4, -1], np.int64),
    )
    assert input_shape(free_sizes(model, "x", "NCHW")) == ["N", 2, "H", "W"]
    assert output_of(model, (3, 2, 10, 12)) == (3, 4, 80)


def test_a_bias_per_position_fixes_the_size() -> None:
    model = small(
        CONV, helper.make_node("Add", ["c", "bias"], ["y"]), w=W, bias=np.ones((1, 4, 6, 6), np.float32)
    )
    assert input_shape(free_sizes(model, "x", "NCHW")) == ["N", 2, 8, 8]


def test_an_explicit_output_shape_fixes_the_size() -> None:
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], output_shape=[16, 16])
    model = free_sizes(small(node, w=np.ones((2, 4, 3, 3), np.float32)), "x", "NCHW")
    assert input_shape(model) == ["N", 2, 8, 8]
    assert output_of(model, (3, 2, 8, 8)) == (3, 4, 16, 16)


def test_a_custom_operator_fixes_the_size() -> None:
    model = small(CONV, helper.make_node("Secret", ["c"], ["y"], domain="custom"), w=W)
    model.opset_import.append(helper.make_opsetid("custom", 1))
    assert input_shape(free_sizes(model, "x", "NCHW")) == [1, 2, 8, 8]


def test_obsolete_shapes_are_cleared() -> None:
    model = small(CONV, helper.make_node("Relu", ["c"], ["y"]), w=W)
    model.graph.value_info.append(helper.make_tensor_value_info("c", FLOAT, [1, 4, 6, 6]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", FLOAT, [1, 4, 6, 6]))
    free_sizes(model, "x", "NCHW")
    assert not model.graph.value_info
    dims = model.graph.output[0].type.tensor_type.shape.dim
    assert dims[0].dim_param == "N" and dims[1].dim_value == 4 and dims[2].dim_value == 0


def test_other_ranks_and_other_inputs() -> None:
    signal = small(
        helper.make_node("Conv", ["x", "w"], ["y"]), shape=(1, 2, 64), w=np.ones((4, 2, 5), np.float32)
    )
    assert input_shape(free_sizes(signal, "x", "NCW")) == ["N", 2, "W"]
    assert input_shape(free_sizes(signal, "x", "NCHW")) == [
        "N",
        2,
        "W",
    ]  # four letters for three axes: unchanged
    with pytest.raises(NotFoundError, match="no input 'z'"):
        free_sizes(signal, "z", "NCW")


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("name", "layout", "whole", "until_last_convolution"),
    [
        ("open-nsfw", "NHWC", ["N", 224, 224, 3], ["N", "H", "W", 3]),
        ("mnist-cnn", "NCHW", [1, 1, 28, 28], ["N", 1, "H", "W"]),
        ("vgg16", "NHWC", ["N", "H", "W", 3], ["N", "H", "W", 3]),
    ],
)
def test_real_networks(
    zoo_model: Zoo, name: str, layout: str, whole: list[Any], until_last_convolution: list[Any]
) -> None:
    model = onnx.load(zoo_model(name))
    picture = model.graph.input[0].name
    last = [node.output[0] for node in model.graph.node if node.op_type == "Conv"][-1]
    trunk = free_sizes(cut(model, [last]), picture, layout)
    assert input_shape(trunk) == until_last_convolution
    everything = free_sizes(cut(model, [output.name for output in model.graph.output]), picture, layout)
    assert input_shape(everything) == whole
    channels = trunk.graph.input[0].type.tensor_type.shape.dim[layout.index("C")].dim_value
    sizes = tuple({"N": 2, "C": channels, "H": 40, "W": 56}[axis] for axis in layout)
    assert output_of(trunk, sizes)[0] == 2


def test_windows_that_are_too_large_are_named() -> None:
    model = skeleton_of(
        small(
            CONV,
            helper.make_node("MaxPool", ["c"], ["y"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
            w=W,
        )
    )
    assert window_too_large(model, "x", (1, 2, 4, 4)) is None
    assert window_too_large(model, "x", (1, 2, 3, 9)) == "MaxPool 'pool' slides a window of 2×2 over 1×7"
    assert window_too_large(model, "x", (1, 2, 2, 9)) == "Conv 'c' slides a window of 3×3 over 2×9"


def test_the_window_of_a_quantized_convolution_follows_from_its_weights() -> None:
    names = ["x", "xs", "xz", "w", "s", "wz", "s", "xz"]
    weights = {
        "xs": np.float32(1),
        "xz": np.uint8(0),
        "w": np.zeros((2, 2, 3, 3), np.int8),
        "s": np.float32(1),
        "wz": np.int8(0),
    }
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", names, ["y"], name="q")],
        "quantized",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 2, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert window_too_large(model, "x", (1, 2, 3, 3)) is None
    assert window_too_large(model, "x", (1, 2, 2, 9)) == "QLinearConv 'q' slides a window of 3×3 over 2×9"
