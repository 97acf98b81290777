"""ConvInteger as tools of several ages write it: real weights, bias and activation, or a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from onnx_graphs import build, found, node, opened, random

import filterkit
from filterkit.records import FilterBank, Skipped

PICTURE = [1, 4, 9, 8]

FLOAT, INT32 = TensorProto.FLOAT, TensorProto.INT32

CODES = np.random.default_rng(0).integers(0, 255, (3, 4, 3, 3), np.uint8)

CONSTANTS: dict[str, Any] = {
    "w": CODES, "wz": np.uint8(130), "ws": np.float32(0.02), "b": random(3), "b4": random(1, 3, 1, 1),
    "by_channel": np.array([0.01, 0.02, 0.03], np.float32).reshape(3, 1, 1), "shape": np.array([1, 3, 1, 1]),
    "xs_c": np.float32(0.03), "xz_c": np.uint8(120), "both": np.float32(0.0006),
    "bi_c": np.array([100, -2000, 3000], np.int32).reshape(1, 3, 1, 1), "floor": np.float32(0.5),
}  # fmt: skip

DYNAMIC = [node("DynamicQuantizeLinear", "x", "q xs xz"), node("ConvInteger", "q w xz wz", "i")]

STATIC = [node("QuantizeLinear", "x xs_c xz_c", "q"), node("ConvInteger", "q w xz_c wz", "i")]

BIAS = [
    node("Mul", "xs ws", "bs"),
    node("Div", "b bs", "bd"),
    node("Floor", "bd", "bf"),
    node("Cast", "bf", "bc", to=INT32),
    node("Reshape", "bc shape", "bi"),
]

SCALES = node("Mul", "xs ws", "s")

RELU = node("Relu", "m", "y")


def bank_of(nodes: list[onnx.NodeProto]) -> tuple[onnx.ModelProto, FilterBank | Skipped]:
    used = {name for each in nodes for name in each.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    model = build(nodes, {"x": PICTURE}, constants, outputs=[nodes[-1].output[0]])
    [only] = found(opened(model))
    return model, only


def check(model: onnx.ModelProto, bank: FilterBank) -> None:
    """Whether a plain Conv with the bank's weights, and a ReLU, makes the same but for rounding."""
    names = "x w b" if bank.bias is not None else "x w"
    constants = {"w": bank.weights} | ({} if bank.bias is None else {"b": bank.bias})
    plain = build([node("Conv", names, "c"), node("Relu", "c", "y")], {"x": PICTURE}, constants)
    x = random(*PICTURE)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    made = session.run(None, {"x": x})[0]
    np.testing.assert_allclose(made, ReferenceEvaluator(plain).run(None, {"x": x})[0], atol=0.3)


FORMS: dict[str, tuple[list[onnx.NodeProto], str, Any]] = {
    "bias among the integers": (
        [
            *DYNAMIC, *BIAS, node("Add", "i bi", "ib"), node("Cast", "ib", "f", to=FLOAT), SCALES,
            node("Mul", "f s", "m"), RELU,
        ],
        "ws", CONSTANTS["b"],
    ),
    "bias by rounding": (
        [
            *DYNAMIC, SCALES, node("Div", "b4 s", "bd"), node("Round", "bd", "br"),
            node("Cast", "br", "bi", to=INT32), node("Add", "bi i", "ib"), node("Cast", "ib", "f", to=FLOAT),
            node("Mul", "s f", "m"), RELU,
        ],
        "ws", CONSTANTS["b4"].ravel(),
    ),
    "bias behind": (
        [
            *DYNAMIC, node("Cast", "i", "f", to=FLOAT), SCALES, node("Mul", "f s", "r"),
            node("Add", "r b4", "m"), RELU,
        ],
        "ws", CONSTANTS["b4"].ravel(),
    ),
    "a product by each scale": (
        [
            *DYNAMIC, node("Cast", "i", "f", to=FLOAT), node("Mul", "f xs", "r"),
            node("Mul", "r by_channel", "m"), RELU,
        ],
        "by_channel", None,
    ),
    "scales by channel": (
        [
            *DYNAMIC, node("Cast", "i", "f", to=FLOAT), node("Mul", "xs by_channel", "s"),
            node("Mul", "f s", "m"), RELU,
        ],
        "by_channel", None,
    ),
    "scales that are constants": (
        [
            *STATIC, node("Add", "i bi_c", "ib"), node("Cast", "ib", "f", to=FLOAT),
            node("Mul", "f both", "m"), RELU,
        ],
        "ws", CONSTANTS["bi_c"].ravel() * CONSTANTS["both"],
    ),
    "a product by each scale, the weight's first": (
        [
            *DYNAMIC, node("Cast", "i", "f", to=FLOAT), node("Mul", "by_channel f", "r"),
            node("Mul", "xs r", "m"), RELU,
        ],
        "by_channel", None,
    ),
    "bias among the integers, the weight's scale first": (
        [
            *DYNAMIC, *BIAS, node("Add", "i bi", "ib"), node("Cast", "ib", "f", to=FLOAT),
            node("Mul", "f ws", "r"), node("Mul", "r xs", "m"), RELU,
        ],
        "ws", CONSTANTS["b"],
    ),
    "a product by each constant": (
        [
            *STATIC, node("Cast", "i", "f", to=FLOAT), node("Mul", "f xs_c", "r"),
            node("Mul", "r ws", "m"), RELU,
        ],
        "ws", None,
    ),
    "a product by each constant, the weight's first": (
        [
            *STATIC, node("Add", "i bi_c", "ib"), node("Cast", "ib", "f", to=FLOAT),
            node("Mul", "ws f", "r"), node("Mul", "r xs_c", "m"), RELU,
        ],
        "ws", CONSTANTS["bi_c"].ravel() * CONSTANTS["both"],
    ),
    "a dequantizer": ([*STATIC, node("DequantizeLinear", "i both", "m"), RELU], "ws", None),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_scales_bias_and_activation_are_found(form: str) -> None:
    nodes, scale, bias = FORMS[form]
    model, bank = bank_of(nodes)
    assert isinstance(bank, FilterBank), bank
    expected = (CODES.astype(np.float32) - 130) * np.resize(CONSTANTS[scale], (3, 1, 1, 1))
    np.testing.assert_allclose(bank.weights, expected, rtol=1e-5)
    assert (bank.activation, bank.pre_tensor, bank.post_tensor) == ("relu", "m", "y")
    if bias is None:
        assert bank.bias is None
    else:
        np.testing.assert_allclose(bank.bias, bias, rtol=1e-5)
    check(model, bank)


@pytest.mark.parametrize("form", [form for form in FORMS if form.startswith("a product")])
def test_maps_are_real_numbers(form: str, tmp_path: Path) -> None:
    nodes, _, _ = FORMS[form]
    model, _ = bank_of(nodes)
    onnx.save(model, tmp_path / "net.onnx")
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info("m"))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = random(*PICTURE)
    with filterkit.open(tmp_path / "net.db") as bench:
        bench.add(tmp_path / "net.onnx", name="net")
        for at, tensor in (("pre", "m"), ("post", "y")):
            [maps] = bench.feature_maps("net", inputs={"x": x}, at=at).maps.values()
            np.testing.assert_allclose(maps, session.run([tensor], {"x": x})[0][0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "nodes",
    [
        DYNAMIC,
        [*DYNAMIC, node("Cast", "i", "f", to=FLOAT)],
        [*DYNAMIC, node("Cast", "i", "f", to=FLOAT), node("Mul", "f xs", "y")],
        [*DYNAMIC, node("Cast", "i", "f", to=FLOAT), node("Mul", "f ws", "y")],
        [*DYNAMIC, node("DequantizeLinear", "i ws", "y")],
        [*DYNAMIC, node("Cast", "i", "f", to=FLOAT), node("Relu", "f", "y")],
        [*STATIC, node("Relu", "i", "y")],
    ],
    ids=[
        "nothing",
        "cast",
        "the input's scale alone",
        "the weight's scale alone",
        "dequantized so",
        "no scale",
        "integers on",
    ],
)
def test_codes_without_a_scale_are_skipped(nodes: list[onnx.NodeProto]) -> None:
    _, only = bank_of(nodes)
    assert isinstance(only, Skipped)
    assert "integer codes" in only.reason


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("scale", ["ws", "by_channel", "b4"])
def test_integers_that_are_cast_with_the_scale_after_the_layer(scale: str, op: str) -> None:
    codes = np.random.default_rng(1).integers(-128, 127, (4, 4, 3, 3), np.int8)
    values = {"ws": np.float32(0.02), "by_channel": random(4, 1, 1, seed=2), "b4": random(1, 4, 1, 1, seed=3)}
    constants = {"k": codes, "b": random(4), scale: values[scale]}
    nodes = [node("Cast", "k", "w", to=FLOAT), node(op, "x w b", "c"), node("Mul", f"{scale} c", "m"), RELU]
    model = build(nodes, {"x": PICTURE}, constants)
    [bank] = found(opened(model))
    assert isinstance(bank, FilterBank)
    assert (bank.pre_tensor, bank.activation, bank.source_dtype) == ("m", "relu", "int8")
    factor = np.broadcast_to(values[scale].ravel(), 4)
    canonical = codes.swapaxes(0, 1) if op == "ConvTranspose" else codes
    np.testing.assert_allclose(bank.weights, canonical * factor[:, None, None, None], rtol=1e-6)
    assert bank.bias is not None
    np.testing.assert_allclose(bank.bias, constants["b"] * factor, rtol=1e-6)


def test_integers_that_are_weights_stay_what_they_are() -> None:
    """Kernels of Sobel, say, with nothing behind that would scale them, or that two nodes read."""
    codes = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.int8).reshape(1, 1, 3, 3)
    cast = [node("Cast", "k", "w", to=FLOAT), node("Conv", "x w", "c")]
    for behind in (
        [node("Relu", "c", "y")],
        [node("Mul", "c c", "y")],
        [node("Mul", "c s", "m"), node("Add", "c m", "y")],
    ):
        model = build([*cast, *behind], {"x": [1, 1, 9, 8]}, {"k": codes, "s": np.float32(0.5)})
        [bank] = found(opened(model))
        assert isinstance(bank, FilterBank)
        np.testing.assert_array_equal(bank.weights, codes)
        assert bank.pre_tensor == "c"


@pytest.mark.parametrize(
    ("scale", "expected"), [(np.float32(0.5), [0.5] * 3), (random(3), random(3)), (random(2), None)]
)
@pytest.mark.parametrize("apart", [True, False])
def test_scale_after_integers(scale: np.ndarray, expected: Any, apart: bool) -> None:
    nodes = [
        node("MatMulInteger", "x w", "sums"),
        node("Cast", "sums", "floats", to=FLOAT),
        *([node("Mul", "found s", "scales")] if apart else []),
        node("Mul", "floats scales" if apart else "s floats", "y"),
    ]
    inputs = {"x": ["N", 4], **({"found": []} if apart else {})}
    model = build(nodes, inputs, {"w": np.ones((4, 3), np.int8), "s": np.asarray(scale)})
    found, tensor = filterkit.dynamic_scale(opened(model), "sums", 3)
    assert tensor == ("sums" if expected is None else "y")
    np.testing.assert_equal(found, None if expected is None else np.array(expected, np.float32))
