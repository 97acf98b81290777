"""Weights and biases of a convolution as floats, whatever type they have in the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_graphs import banks, build, node, opened, random

from filterkit.extractors.layer_weights import as_float


@pytest.mark.parametrize(
    ("stored", "kept", "name"),
    [
        (np.float16, np.float16, "float16"),
        (np.float32, np.float32, "float32"),
        (np.float64, np.float32, "float64"),
    ],
)
def test_element_types(stored: type[np.generic], kept: type[np.generic], name: str) -> None:
    weight = random(2, 1, 3, 3, dtype=stored)
    model = build([node("Conv", "x w", "y")], {"x": [1, 1, 8, 8]}, {"w": weight})
    model.graph.input[0].type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(stored))
    model.graph.output[0].type.CopyFrom(model.graph.input[0].type)
    bank = banks(opened(model))[0]
    assert bank.weights.dtype == kept and bank.source_dtype == name
    np.testing.assert_array_equal(bank.weights, weight.astype(kept))


def test_bfloat16_becomes_float32() -> None:
    model = build([node("Conv", "x w", "y")], {"x": [1, 1, 8, 8]})
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.BFLOAT16, [1, 1, 1, 2], [0.5, -2.0]))
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.BFLOAT16
    bank = banks(opened(model))[0]
    assert bank.weights.tolist() == [[[[0.5, -2.0]]]] and bank.source_dtype == "bfloat16"


def test_a_weight_behind_cast_and_transpose_tells_how_it_is_stored() -> None:
    """Keras stores kernels as H W I O."""
    stored = random(3, 5, 2, 4, dtype=np.float16)
    nodes = [
        node("Cast", "k", "f", to=TensorProto.FLOAT),
        node("Transpose", "f", "w", perm=[3, 2, 0, 1]),
        node("Conv", "x w", "y"),
    ]
    bank = banks(opened(build(nodes, {"x": [1, 2, 8, 8]}, {"k": stored})))[0]
    np.testing.assert_array_equal(bank.weights, stored.astype(np.float32).transpose(3, 2, 0, 1))
    assert (bank.source_dtype, bank.source_layout) == ("float16", "HWIO")


@pytest.mark.parametrize(
    ("value", "dtype", "same"),
    [
        (np.ones((2, 3), np.float32), np.float32, True),
        (np.ones((2, 3), np.float16), np.float16, True),
        (np.ones((2, 3), ">f4"), np.float32, False),
        (np.ones((2, 3), np.float32).T, np.float32, False),
        (np.ones((2, 3), np.float64), np.float32, False),
        (np.ones((2, 3), np.int8), np.float32, False),
        (np.full(1, 1e300), np.float32, False),
    ],
)
def test_only_what_must_be_is_copied(value: np.ndarray, dtype: Any, same: bool) -> None:
    made = as_float(value)
    assert made.dtype == dtype and made.dtype.isnative and made.flags.c_contiguous
    assert (made is value) == same
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(made, value.astype(dtype))
