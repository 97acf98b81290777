"""The gradient of a target as a whole: what it selects, batches, several tensors, and what is refused."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from gradient_checks import rules, run
from onnx_graphs import build, node, random

from filterkit.errors import FilterkitError, ModelError, NotFoundError, UsageError
from filterkit.graph.gradient.backward import Backward
from filterkit.graph.gradient.facts import UnknownShapes
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target

X = random(2, 3, 6, 5)
WEIGHTS = {"w": random(4, 3, 3, 3, seed=1), "b": random(4, seed=2)}
CONV = node("Conv", "x w b", "c", pads=[1, 1, 1, 1])


def model_of(*nodes: onnx.NodeProto, shape: Any = X.shape, **given: Any) -> onnx.ModelProto:
    return build(list(nodes), {"x": shape}, WEIGHTS, **given)


def value_and_slope(target: Target, *nodes: onnx.NodeProto) -> list[np.ndarray]:
    return run(gradient(model_of(*nodes), target, "x", rules=rules()), {"x": X})


def by_hand(mask: np.ndarray) -> np.ndarray:
    """The gradient of the sum of the convolution's outputs where `mask` is 1, by scattering its weights."""
    slope = np.zeros((2, 3, 8, 7), np.float32)
    for picture, channel, y, x in np.argwhere(mask):
        factor = mask[picture, channel, y, x]
        slope[picture, :, y : y + 3, x : x + 3] += factor * WEIGHTS["w"][channel]
    return slope[:, :, 1:-1, 1:-1]


MAPS = run(model_of(CONV), {"x": X})[0]


@pytest.mark.parametrize("channels", [(1,), (3, 0), None])
@pytest.mark.parametrize("position", ["mean", "max", (0, 0), (5, 2)])
def test_what_is_selected(channels: tuple[int, ...] | None, position: Any) -> None:
    chosen = list(range(4)) if channels is None else list(channels)
    mask = np.zeros(MAPS.shape, np.float32)
    for picture in range(2):
        for channel in chosen:
            if position == "mean":
                mask[picture, channel] = 1 / 30
            elif position == "max":
                largest = MAPS[picture, channel].argmax()
                mask[picture, channel][np.unravel_index(largest, (6, 5))] = 1
            else:
                mask[picture, channel][position] = 1
    value, slope = value_and_slope(Target("c", "NCHW", channels, position), CONV)
    np.testing.assert_allclose(value, (MAPS * mask).sum(axis=(1, 2, 3)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(slope, by_hand(mask), atol=1e-5)


@pytest.mark.parametrize("channels", [(3, 1), (2, 2)])
@pytest.mark.parametrize("position", ["mean", "max", (5, 2)])
def test_a_channel_of_its_own_for_each_picture(channels: tuple[int, int], position: Any) -> None:
    value, slope = value_and_slope(Target("c", "NCHW", channels, position, own=True), CONV)
    for picture, channel in enumerate(channels):
        alone = value_and_slope(Target("c", "NCHW", (channel,), position), CONV)
        np.testing.assert_allclose(value[picture], alone[0][picture], rtol=1e-5)
        np.testing.assert_allclose(slope[picture], alone[1][picture], atol=1e-6)


def test_as_many_channels_as_pictures() -> None:
    with pytest.raises(UsageError, match="2 pictures cannot have 3 channels"):
        value_and_slope(Target("c", "NCHW", (0, 1, 2), own=True), CONV)


def test_other_layouts() -> None:
    """The same target with its axes in another order, and with channels on two axes."""
    expected = value_and_slope(Target("c", "NCHW", (2,), (1, 3)), CONV)
    turned = node("Transpose", "c", "t", perm=[0, 2, 3, 1])
    for found, other in zip(
        value_and_slope(Target("t", "NHWC", (2,), (1, 3)), CONV, turned), expected, strict=True
    ):
        np.testing.assert_allclose(found, other, atol=1e-6)
    flat = 2 * 30 + 1 * 5 + 3
    for found, other in zip(value_and_slope(Target("c", "NCCC", (flat,)), CONV), expected, strict=True):
        np.testing.assert_allclose(found, other, atol=1e-6)


def test_the_first_of_equal_maxima() -> None:
    zeros = {"x": np.zeros(X.shape, np.float32)}
    built = gradient(model_of(node("Relu", "x", "y")), Target("x", "NCHW", (1,), "max"), "x", rules=rules())
    slope = run(built, zeros)[1]
    assert slope.sum() == 2 and (slope[:, 1, 0, 0] == 1).all()


def test_only_the_selected_filters_are_computed() -> None:
    """The result is the same, and neither the other filters nor their gradients are."""
    nodes = [CONV, node("Relu", "c", "r")]
    built = gradient(model_of(*nodes), Target("r", "NCHW", (2,)), "x", rules=rules())
    exposed = onnx.ModelProto.FromString(built.SerializeToString())
    exposed.graph.output.append(onnx.ValueInfoProto(name="c"))
    assert run(exposed, {"x": X})[-1].shape == (2, 1, 6, 5)
    masked = [*nodes, node("Mul", "r m", "y")]
    mask = np.zeros((1, 4, 1, 1), np.float32)
    mask[0, 2] = 1
    whole = build(masked, {"x": X.shape}, {**WEIGHTS, "m": mask})
    expected = run(gradient(whole, Target("y", "NCHW"), "x", rules=rules()), {"x": X})
    np.testing.assert_allclose(run(built, {"x": X})[1], expected[1], atol=1e-6)


@pytest.mark.parametrize(
    "nodes",
    [
        [CONV, node("Relu", "c", "r"), node("Add", "c r", "y")],
        [node("Conv", "x d", "c", group=3, pads=[1, 1, 1, 1]), node("Relu", "c", "y")],
        [CONV, node("Transpose", "c", "y", perm=[0, 1, 3, 2])],
    ],
    ids=["read twice", "groups", "not elementwise"],
)
def test_a_layer_that_must_be_computed_whole(nodes: list[onnx.NodeProto]) -> None:
    model = build(nodes, {"x": X.shape}, {**WEIGHTS, "d": random(3, 1, 3, 3, seed=5)})
    one = run(gradient(model, Target("y", "NCHW", (1,)), "x", rules=rules()), {"x": X})
    every = [
        run(gradient(model, Target("y", "NCHW", (channel,)), "x", rules=rules()), {"x": X})[1]
        for channel in range(3 if len(nodes[0].attribute) > 1 else 4)
    ]
    total = run(gradient(model, Target("y", "NCHW"), "x", rules=rules()), {"x": X})[1]
    np.testing.assert_array_equal(one[1], every[1])
    np.testing.assert_allclose(sum(every), total, atol=1e-5)


def test_tensors_inside_the_network() -> None:
    """What Grad-CAM needs: the gradient with respect to a feature map, and the map itself."""
    nodes = [CONV, node("Relu", "c", "r"), node("GlobalAveragePool", "r", "y")]
    built = gradient(model_of(*nodes), Target("y", "NCHW", (1,)), ["r", "x"], rules=rules())
    value, at_map, at_input, maps = run(built, {"x": X})
    np.testing.assert_allclose(maps, np.maximum(MAPS, 0), atol=1e-5)
    expected = np.zeros(MAPS.shape, np.float32)
    expected[:, 1] = 1 / 30
    np.testing.assert_allclose(at_map, expected)
    np.testing.assert_allclose(at_input, by_hand(expected * (MAPS > 0)), atol=1e-5)
    np.testing.assert_allclose(value, np.maximum(MAPS[:, 1], 0).mean(axis=(1, 2)), rtol=1e-5)


def test_the_target_itself() -> None:
    value, slope = value_and_slope(Target("x", "NCHW", (0,)), node("Relu", "x", "y"))
    np.testing.assert_allclose(value, X[:, 0].mean(axis=(1, 2)), rtol=1e-5)
    assert np.allclose(slope[:, 0], 1 / 30) and not slope[:, 1:].any()


def test_free_sizes_are_fixed() -> None:
    model = model_of(CONV, shape=["N", 3, "H", "W"])
    built = gradient(model, Target("c"), "x", rules=rules(), shapes={"x": X.shape})
    assert [dim.dim_value for dim in built.graph.input[0].type.tensor_type.shape.dim] == list(X.shape)
    assert [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim] == ["N", "", "H", "W"]
    with pytest.raises(ModelError, match="the input 'x' has no fixed shape"):
        gradient(model, Target("c"), "x", rules=rules())


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_types_of_numbers(dtype: type[np.generic]) -> None:
    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [node("Mul", "x x", "s"), node("Relu", "s", "y")]
    model = build(nodes, {"x": [2, 3]}, {}, dtype=element)
    x = random(2, 3).astype(dtype)
    value, slope = run(gradient(model, Target("y", "NC"), "x", rules=rules()), {"x": x})
    assert value.dtype == slope.dtype == dtype
    np.testing.assert_allclose(slope, 2 * x, rtol=1e-3)


def test_weights_outside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = model_of(CONV, node("Relu", "c", "y"))
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    outside = onnx.load(path, load_external_data=False)
    built = gradient(outside, Target("y", "NCHW", (1,)), "x", rules=rules(), path=path)
    assert [t.data_location for t in built.graph.initializer if t.name == "w"] == [onnx.TensorProto.EXTERNAL]
    onnx.save(built, tmp_path / "built.onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "built.onnx")
    expected = value_and_slope(Target("y", "NCHW", (1,)), CONV, node("Relu", "c", "y"))
    for found, other in zip(session.run(None, {"x": X}), expected, strict=True):
        np.testing.assert_allclose(found, other, atol=1e-6)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 18, 21])
def test_all_opsets(opset: int) -> None:
    model = model_of(
        CONV, node("Relu", "c", "r"), node("MaxPool", "r", "y", kernel_shape=[3, 3]), opset=opset
    )
    expected = gradient(model_of(*model.graph.node), Target("y"), "x", rules=rules())
    built = gradient(model, Target("y"), "x", rules=rules())
    onnx.checker.check_model(_described(built), full_check=True)
    for found, other in zip(run(built, {"x": X}), run(expected, {"x": X}), strict=True):
        np.testing.assert_allclose(found, other, atol=1e-6)


def _described(model: onnx.ModelProto) -> onnx.ModelProto:
    """With types of the outputs, which onnx's checker requires."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for place, output in enumerate(copy.graph.output):
        output.CopyFrom(
            onnx.helper.make_tensor_value_info(output.name, 1, [f"{place}.{axis}" for axis in range(4)])
        )
        if not place:
            output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, 1, ["N"]))
    return copy


@pytest.mark.parametrize(
    ("nodes", "target", "wrt", "error", "message"),
    [
        ([CONV], Target("z"), "x", NotFoundError, "the graph has no tensor 'z'"),
        ([CONV], Target("c"), "z", NotFoundError, "the graph has no tensor 'z'"),
        (
            [CONV, node("Relu", "c", "r")],
            Target("c"),
            "r",
            ModelError,
            "the target does not depend on the tensor 'r'",
        ),
        ([CONV], Target("c", "NC"), "x", UsageError, "the tensor 'c' has 4 axes, not NC"),
        ([CONV], Target("c", "NCHW", (4,)), "x", UsageError, "channel 4 is outside the tensor 'c'"),
        (
            [CONV],
            Target("c", "NCHW", (0,), (6, 0)),
            "x",
            UsageError,
            "position 6, 0 is outside the tensor 'c'",
        ),
        ([CONV], Target("c", "NCHW", (0,), (1,)), "x", UsageError, "position 1 is outside the tensor 'c'"),
        (
            [node("Shape", "x", "s"), node("Cast", "s", "y", to=1)],
            Target("y", "C"),
            "x",
            ModelError,
            "no gradient flows from the target to the tensor 'x'",
        ),
        (
            [node("Floor", "x", "y")],
            Target("y"),
            "x",
            ModelError,
            "no gradient flows from the target to the tensor 'x'",
        ),
        (
            [node("Shrink", "x", "s", "one"), node("Shrink", "s", "y", "two")],
            Target("y"),
            "x",
            ModelError,
            "no gradient rule for 'one' (Shrink), 'two' (Shrink)",
        ),
        (
            [node("NonZero", "x", "i"), node("Cast", "i", "f", to=1), node("Relu", "x", "y")],
            Target("f", "CC"),
            "x",
            UnknownShapes,
            "no gradient: the shape of tensor 'f' is known only when the network runs",
        ),
    ],
)
def test_what_is_refused(
    nodes: list[onnx.NodeProto], target: Target, wrt: str, error: type[FilterkitError], message: str
) -> None:
    with pytest.raises(error) as caught:
        gradient(model_of(*nodes), target, wrt, rules=rules())
    assert caught.value.message == message


def test_integer_inputs_have_no_gradient() -> None:
    model = build([node("Cast", "x", "y", to=1)], {"x": X.shape}, {}, dtype=onnx.TensorProto.UINT8)
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    with pytest.raises(ModelError) as caught:
        gradient(model, Target("y"), "x", rules=rules())
    assert (
        caught.value.message
        == "no gradient flows from the target to the tensor 'x': its numbers are integers"
    )


def test_shapes_that_are_measured() -> None:
    """An operator that onnx knows nothing of has no shape before it runs."""

    class Rule:
        operators = (("some.domain", "Twice"),)

        def backward(self, step: Backward) -> list[str]:
            return [step.op("Add", step.gradient, step.gradient)]

    inner = node("Twice", "x", "y", domain="some.domain")
    model = build([inner, node("Relu", "y", "z")], {"x": [2, 3]})
    known = {**rules(), Rule.operators[0]: Rule()}
    with pytest.raises(UnknownShapes) as caught:
        gradient(model, Target("z", "NC"), "x", rules=known)
    assert caught.value.tensors == ("y", "z")
    shapes = dict.fromkeys(caught.value.tensors, (2, 3))
    assert gradient(model, Target("z", "NC"), "x", rules=known, shapes=shapes).graph.output


def test_a_size_that_no_memory_holds() -> None:
    wide = build(
        [node("Expand", "x s", "w"), node("Relu", "w", "y")], {"x": [1, 1]}, {"s": np.array([2**31, 9])}
    )
    pool = node("AveragePool", "x", "y", kernel_shape=[2**30, 1], pads=[2**29, 0, 2**29, 0])
    with pytest.raises(ModelError, match="its window is too large"):
        gradient(model_of(pool), Target("y"), "x", rules=rules())
    known = {**rules(), ("", "Expand"): rules()["", "Relu"]}
    with pytest.raises(ModelError, match=r"the tensor '\w' of shape 2147483648 × 9 is too large"):
        gradient(wide, Target("y", "NC"), "x", rules=known)


def test_long_chains_take_linear_time() -> None:
    def seconds(count: int) -> float:
        nodes = [node("Neg", f"t{place}", f"t{place + 1}") for place in range(count)]
        model = build(nodes, {"t0": [2, 3]})
        start = time.process_time()
        gradient(model, Target(f"t{count}", "NC"), "t0", rules=rules())
        return time.process_time() - start

    seconds(10)
    short = min(seconds(500) for _ in range(2))
    assert seconds(4000) < 24 * short


HALF: dict[str, list[onnx.NodeProto]] = {
    "disjoint windows": [node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[2, 2])],
    "overlapping windows": [node("MaxPool", "x", "y", kernel_shape=[3, 3])],
    "repeated elements": [node("Gather", "x i", "y", axis=1)],
    "computed indices": [
        node("ArgMax", "x", "m", axis=1),
        node("GatherElements", "x m", "y", axis=1),
    ],
    "points": [node("GatherND", "x p", "y")],
}


@pytest.mark.parametrize("name", HALF)
def test_half_precision(name: str) -> None:
    """ONNX Runtime does not add scattered numbers in half precision on the CPU."""
    constants = {"i": np.array([0] * 9 + [2]), "p": np.array([[0, 1], [0, 1], [1, 2]])}
    found = []
    for dtype, kind in ((np.float16, onnx.TensorProto.FLOAT16), (np.float32, onnx.TensorProto.FLOAT)):
        model = build(HALF[name], {"x": X.shape}, constants, opset=18, dtype=kind)
        built = gradient(model, Target("y", "CCC" if name == "points" else "CCCC"), "x", rules=rules())
        found.append(run(built, {"x": X.astype(np.float16).astype(dtype)})[1])
    assert found[0].dtype == np.float16
    np.testing.assert_allclose(found[0], found[1], rtol=2e-3)


def test_every_operator_with_a_rule_has_a_test() -> None:
    """Operators are written in quotes there."""
    files = Path(__file__).parent.glob("rules/test_*.py")
    named = set(re.findall(r'"(\w+)"', "".join(file.read_text(encoding="utf-8") for file in files)))
    assert {operator for _, operator in rules()} - named == set()
