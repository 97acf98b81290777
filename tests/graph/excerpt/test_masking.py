"""A mask as an input, and the two halves of a graph."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import build, node, random

from filterkit.errors import ModelError, NotFoundError
from filterkit.graph.excerpt.branches import Wanted
from filterkit.graph.excerpt.masking import halves, masked, typed

W, V = random(4, 3, 3, 3), random(2, 4, 1, 1, seed=1)
NODES = [
    node("Conv", "x w", "a", name="conv"),
    node("Relu", "a", "r"),
    node("Conv", "r v", "m"),
    node("Shape", "x", "s"),
    node("Conv", "x u", "k"),
    node("Add", "m k", "y"),
]
X = random(1, 3, 8, 8, seed=3)


def model() -> onnx.ModelProto:
    constants = {"w": W, "v": V, "u": random(2, 3, 3, 3, seed=2)}
    return build(NODES, {"x": ["N", 3, "H", "W"]}, constants, opset=17)


def run(graph: onnx.ModelProto, **inputs: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def mask(*removed: int, channels: int = 4) -> np.ndarray:
    kept = np.ones((1, channels, 1, 1), bool)
    kept[0, list(removed)] = False
    return kept


def test_a_mask_zeroes_channels() -> None:
    before = model()
    made = masked(before, Wanted("", "a"), "NCHW", 4)
    assert before == model()
    names = {"x": X, made.mask: mask()}
    assert np.array_equal(run(made.model, **names)[0], run(before, x=X)[0])
    for number in range(4):
        by_hand = model()
        values = W.copy()
        values[number] = 0
        by_hand.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "w"))
        found = run(made.model, **{"x": X, made.mask: mask(number)})[0]
        np.testing.assert_allclose(found, run(by_hand, x=X)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_a_quantized_tensor_becomes_the_code_of_zero(dtype: type[np.generic]) -> None:
    zero = np.array(7, dtype)
    nodes = [
        node("QuantizeLinear", "x scale zero", "q"),
        node("QLinearConv", "q scale zero codes wscale wzero yscale zero bias", "a", name="conv"),
        node("DequantizeLinear", "a yscale zero", "y"),
    ]
    constants = {
        "scale": np.float32(0.05),
        "zero": zero,
        "wscale": np.float32(0.01),
        "wzero": np.array(0, np.int8),
        "codes": np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
        "yscale": np.float32(0.1),
        "bias": np.array([50, -50, 100, 0], np.int32),
    }
    before = build(nodes, {"x": [1, 3, 8, 8]}, constants, opset=17)
    made = masked(before, Wanted("", "a"), "NCHW", 4)
    whole, (found,) = run(before, x=X)[0], run(made.model, **{"x": X, made.mask: mask(1)})
    assert (found[:, 1] == 0).all()
    assert np.array_equal(np.delete(found, 1, 1), np.delete(whole, 1, 1))


def test_half_precision() -> None:
    dtype = np.float16
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    before = build([NODES[0]], {"x": [1, 3, 8, 8]}, {"w": W.astype(dtype)}, opset=17, dtype=kind)
    made = masked(before, Wanted("", "a"), "NCHW", 4)
    (found,) = run(made.model, **{"x": X.astype(dtype), made.mask: mask(2)})
    assert (found[:, 2] == 0).all()
    assert found.dtype == dtype


def test_infinity_becomes_zero() -> None:
    made = masked(model(), Wanted("", "a"), "NCHW", 4)
    (found,) = run(made.model, **{"x": X * np.float32(3e38), made.mask: mask(0, 1, 2, 3)})
    whole = run(build([NODES[4]], {"x": ["N", 3, "H", "W"]}, {"u": random(2, 3, 3, 3, seed=2)}), x=X * 3e38)
    assert np.array_equal(found, whole[0], equal_nan=True)


def test_what_does_not_exist() -> None:
    with pytest.raises(ModelError, match="no node computes the tensor 'b'"):
        masked(model(), Wanted("", "b"), "NCHW", 4)
    with pytest.raises(NotFoundError, match="no body"):
        masked(model(), Wanted("if/then_branch", "a"), "NCHW", 4)


def test_halves_compute_the_same() -> None:
    made = masked(model(), Wanted("", "a"), "NCHW", 4)
    found = halves(made.model, made.mask, "y")
    assert found is not None
    assert found.is_separable
    assert set(found.between) == {made.raw, "k"}
    assert found.head is not None
    assert "Relu" not in {each.op_type for each in found.head.graph.node}
    names = [value.name for value in found.head.graph.output]
    values = dict(zip(names, run(found.head, x=X), strict=True))
    tail, largest = typed(found.tail, made.mask, "NCHW", values)
    assert largest == 4 * 6 * 6
    assert {each.op_type for each in tail.graph.node} == {"Constant", "Where", "Relu", "Conv", "Add"}
    both = np.concatenate([mask(), mask(1)])
    repeated = {name: np.repeat(value, 2, axis=0) for name, value in values.items()}
    (found_both,) = run(tail, **repeated, **{made.mask: both})
    for result, one in zip(found_both, both, strict=True):
        (expected,) = run(made.model, **{"x": X, made.mask: one[None]})
        np.testing.assert_allclose(result, expected[0], rtol=1e-5, atol=1e-6)


def test_an_output_that_does_not_depend_on_the_mask() -> None:
    before = model()
    before.graph.output.append(helper.make_tensor_value_info("k", TensorProto.FLOAT, None))
    made = masked(before, Wanted("", "a"), "NCHW", 4)
    assert halves(made.model, made.mask, "k") is None


def test_numbers_over_a_whole_batch_are_not_separable() -> None:
    nodes = [*NODES[:2], node("DynamicQuantizeLinear", "r", "q scale zero")]
    nodes.append(node("DequantizeLinear", "q scale zero", "y"))
    made = masked(build(nodes, {"x": [1, 3, 8, 8]}, {"w": W}, opset=17), Wanted("", "a"), "NCHW", 4)
    found = halves(made.model, made.mask, "y")
    assert found is not None
    assert not found.is_separable
