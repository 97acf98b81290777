"""Activations decomposed into several nodes: each way to write them, with random parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import banks, build, node, opened, random

from filterkit.records import FilterBank

Array = np.ndarray[Any, Any]

erf = np.vectorize(math.erf)


class Writer:
    """Writes nodes after the tensor ``t``, with random order of operands and random forms of constants."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.random = np.random.default_rng(seed)

    def __call__(self, op: str, *inputs: str | float, **attributes: Any) -> str:
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        if op in ("Add", "Mul", "Max", "Min") and self.random.random() < 0.5:
            names.reverse()
        if self.random.random() < 0.1:
            output = f"v{len(self.nodes)}"
            self.nodes.append(node("Identity", names[0], output))
            names[0] = output
        output = f"v{len(self.nodes)}"
        self.nodes.append(node(op, " ".join(names), output, **attributes))
        return output

    def constant(self, value: float, shape: tuple[int, ...] | None = None) -> str:
        name = f"k{len(self.constants)}"
        rank = self.random.choice([0, 0, 1, 4]) if shape is None else 0
        self.constants[name] = np.full(shape or (1,) * rank, value, np.float32)
        return name

    def clip(self, x: str, low: float, high: float) -> str:
        """One of the ways in which exporters clip a tensor."""
        way = self.random.integers(4 if low == 0 else 3)
        if way == 0:
            bounds = self.constant(low, ()), self.constant(high, ())
            return self("Clip", x, *bounds)
        if way == 1:
            return self("Min", self("Max", x, low), high)
        if way == 2:
            return self("Max", self("Min", x, high), low)
        return self("Min", self("Relu", x), high)

    def scaled(self, x: str, factor: float) -> str:
        if self.random.random() < 0.5:
            return self("Div", x, 1 / factor)
        return self("Mul", x, factor)

    def sigmoid(self, x: str) -> str:
        if self.random.random() < 0.5:
            return self("Sigmoid", x)
        below = self("Add", self("Exp", self("Neg", x)), 1.0)
        return self("Reciprocal", below) if self.random.random() < 0.5 else self("Div", 1.0, below)

    def softplus(self, x: str) -> str:
        return (
            self("Softplus", x)
            if self.random.random() < 0.5
            else self("Log", self("Add", self("Exp", x), 1.0))
        )

    def finish(self, last: str) -> None:
        for each in self.nodes:
            each.output[:] = ["y" if name == last else name for name in each.output]


def hard_sigmoid(w: Writer, x: str, a: float) -> str:
    way = w.random.integers(3)
    if way == 0:
        return w.scaled(w.clip(w("Add", x, 3.0), 0, 6), 1 / 6)
    if way == 1:
        return w.clip(w("Add", w.scaled(x, 1 / 6), 0.5), 0, 1)
    return w("Add", w.scaled(w.clip(x, -3, 3), 1 / 6), 0.5)


def hard_swish(w: Writer, x: str, a: float) -> str:
    way = w.random.integers(4)
    if way == 0:
        return w("Mul", x, hard_sigmoid(w, x, a))
    gate = w.clip(w("Add", x, 3.0), 0, 6)
    if way == 1:
        return w.scaled(w("Mul", x, gate), 1 / 6)
    return w("Mul", w.scaled(x, 1 / 6), gate)


def gelu_erf(w: Writer, x: str, a: float) -> str:
    inner = w("Add", w("Erf", w.scaled(x, 1 / math.sqrt(2))), 1.0)
    way = w.random.integers(3)
    if way == 0:
        return w("Mul", w("Mul", x, inner), 0.5)
    if way == 1:
        return w("Mul", w("Mul", x, 0.5), inner)
    return w("Mul", x, w("Mul", inner, 0.5))


def gelu_tanh(w: Writer, x: str, a: float) -> str:
    cube = w("Pow", x, 3.0) if w.random.random() < 0.5 else w("Mul", x, w("Mul", x, x))
    inner = w("Tanh", w("Mul", w("Add", x, w("Mul", cube, 0.044715)), math.sqrt(2 / math.pi)))
    return w("Mul", w("Mul", x, 0.5), w("Add", inner, 1.0))


def leaky(w: Writer, x: str, a: float) -> str:
    way = w.random.integers(4)
    if way == 0:
        return w("Max", x, w("Mul", x, a))
    if way == 1:
        return w("Where", w("Greater", x, 0.0), x, w("Mul", x, a))
    if way == 2:
        return w("Sub", w("Relu", x), w("Mul", w("Relu", w("Neg", x)), a))
    return w("Add", w("Mul", x, (1 + a) / 2), w("Mul", w("Abs", x), (1 - a) / 2))


def prelu(w: Writer, x: str, a: float) -> str:
    slopes = w.constant(0, (4, 1, 1))
    w.constants[slopes] = (a + 0.05 * np.arange(4, dtype=np.float32)).reshape(4, 1, 1)
    if w.random.random() < 0.5:
        return w("Add", w("Relu", x), w("Mul", w("Min", x, 0.0), slopes))
    w.constants[slopes] *= -1
    return w("Add", w("Relu", x), w("Mul", w("Relu", w("Neg", x)), slopes))


def swish_by_channel(w: Writer, x: str, a: float) -> str:
    factors = w.constant(0, (4, 1, 1))
    w.constants[factors] = (a + np.arange(-1, 3, dtype=np.float32)).reshape(4, 1, 1)
    return w("Mul", x, w.sigmoid(w("Mul", x, factors)))


def relu(w: Writer, x: str, a: float) -> str:
    way = w.random.integers(3)
    if way == 0:
        return w("Max", x, 0.0)
    if way == 1:
        return w("Mul", w("Add", x, w("Abs", x)), 0.5)
    return w("Where", w("Less", x, 0.0), 0.0, x)


def elu(w: Writer, x: str, a: float) -> str:
    below = w("Mul", w("Sub", w("Exp", w("Min", x, 0.0)), 1.0), a)
    if w.random.random() < 0.5:
        return w("Add", w("Relu", x), below)
    return w("Where", w("Greater", x, 0.0), x, below)


def celu(w: Writer, x: str, a: float) -> str:
    below = w("Mul", w("Sub", w("Exp", w("Div", x, 2 + a)), 1.0), 2 + a)
    return w("Add", w("Relu", x), w("Min", below, 0.0))


def selu(w: Writer, x: str, a: float) -> str:
    if w.random.random() < 0.5:
        return w("Mul", w("Elu", x, alpha=1.6732632), 1.0507010)
    return w("Mul", elu(w, x, 1.6732632), 1.0507010)


def tanh(w: Writer, x: str, a: float) -> str:
    if w.random.random() < 0.5:
        return w("Sub", w("Mul", w.sigmoid(w("Mul", x, 2.0)), 2.0), 1.0)
    up, down = w("Exp", x), w("Exp", w("Neg", x))
    return w("Div", w("Sub", up, down), w("Add", up, down))


def thresholded(w: Writer, x: str, a: float) -> str:
    return w("Where", w("Greater", x, a), x, 0.0)


Form = tuple[Callable[[Writer, str, float], str], Callable[[Array, Array], Array]]

FORMS: dict[tuple[str, str], Form] = {
    ("relu", ""): (relu, lambda x, a: np.maximum(x, 0)),
    ("relu6", ""): (lambda w, x, a: w.clip(x, 0, 6), lambda x, a: np.clip(x, 0, 6)),
    ("clip", ""): (lambda w, x, a: w.clip(x, -1, 1), lambda x, a: np.clip(x, -1, 1)),
    ("clip", "random"): (lambda w, x, a: w.clip(x, -a, 3 * a), lambda x, a: np.clip(x, -a, 3 * a)),
    ("leaky_relu", ""): (leaky, lambda x, a: np.where(x < 0, a * x, x)),
    ("prelu", ""): (
        prelu,
        lambda x, a: np.where(x < 0, (a + 0.05 * np.arange(4).reshape(4, 1, 1)) * x, x),
    ),
    ("hard_sigmoid", ""): (hard_sigmoid, lambda x, a: np.clip(x / 6 + 0.5, 0, 1)),
    ("hard_sigmoid", "random"): (
        lambda w, x, a: w.clip(w("Add", w("Mul", x, a), 0.5), 0, 1),
        lambda x, a: np.clip(a * x + 0.5, 0, 1),
    ),
    ("hard_swish", ""): (hard_swish, lambda x, a: x * np.clip(x / 6 + 0.5, 0, 1)),
    ("gelu", "erf"): (gelu_erf, lambda x, a: 0.5 * x * (1 + erf(x / math.sqrt(2)))),
    ("gelu", "tanh"): (
        gelu_tanh,
        lambda x, a: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    ("quick_gelu", ""): (
        lambda w, x, a: w("Mul", x, w.sigmoid(w("Mul", x, 1.702))),
        lambda x, a: x / (1 + np.exp(-1.702 * x)),
    ),
    ("swish", ""): (
        lambda w, x, a: w("Mul", x, w.sigmoid(w("Mul", x, a))),
        lambda x, a: x / (1 + np.exp(-a * x)),
    ),
    ("swish", "by channel"): (
        swish_by_channel,
        lambda x, a: x / (1 + np.exp(-(a + np.arange(-1, 3).reshape(4, 1, 1)) * x)),
    ),
    ("silu", ""): (lambda w, x, a: w("Mul", x, w.sigmoid(x)), lambda x, a: x / (1 + np.exp(-x))),
    ("silu", "quotient"): (
        lambda w, x, a: w("Div", x, w("Add", w("Exp", w("Neg", x)), 1.0)),
        lambda x, a: x / (1 + np.exp(-x)),
    ),
    ("mish", ""): (
        lambda w, x, a: w("Mul", x, w("Tanh", w.softplus(x))),
        lambda x, a: x * np.tanh(np.log1p(np.exp(x))),
    ),
    ("elu", ""): (elu, lambda x, a: np.where(x < 0, a * np.expm1(x), x)),
    ("celu", ""): (celu, lambda x, a: np.where(x < 0, (2 + a) * np.expm1(x / (2 + a)), x)),
    ("selu", ""): (selu, lambda x, a: 1.0507010 * np.where(x < 0, 1.6732632 * np.expm1(x), x)),
    ("sigmoid", ""): (
        lambda w, x, a: w("Reciprocal", w("Add", w("Exp", w("Neg", x)), 1.0)),
        lambda x, a: 1 / (1 + np.exp(-x)),
    ),
    ("sigmoid", "tanh"): (
        lambda w, x, a: w("Mul", w("Add", w("Tanh", w("Mul", x, 0.5)), 1.0), 0.5),
        lambda x, a: 1 / (1 + np.exp(-x)),
    ),
    ("log_sigmoid", ""): (
        lambda w, x, a: w("Log", w.sigmoid(x)),
        lambda x, a: -np.log1p(np.exp(-x)),
    ),
    ("tanh", ""): (tanh, lambda x, a: np.tanh(x)),
    ("softplus", ""): (
        lambda w, x, a: w("Log", w("Add", w("Exp", x), 1.0)),
        lambda x, a: np.log1p(np.exp(x)),
    ),
    ("softplus", "scaled"): (
        lambda w, x, a: w("Div", w.softplus(w("Mul", x, 1 + a)), 1 + a),
        lambda x, a: np.log1p(np.exp((1 + a) * x)) / (1 + a),
    ),
    ("softsign", ""): (
        lambda w, x, a: w("Div", x, w("Add", w("Abs", x), 1.0)),
        lambda x, a: x / (1 + np.abs(x)),
    ),
    ("thresholded_relu", ""): (thresholded, lambda x, a: np.where(x > a, x, 0)),
    ("hard_shrink", ""): (
        lambda w, x, a: w("Where", w("Greater", w("Abs", x), a), x, 0.0),
        lambda x, a: np.where(np.abs(x) > a, x, 0),
    ),
    ("soft_shrink", ""): (
        lambda w, x, a: w("Mul", w("Sign", x), w("Relu", w("Sub", w("Abs", x), a))),
        lambda x, a: np.sign(x) * np.maximum(np.abs(x) - a, 0),
    ),
    ("tanh_shrink", ""): (lambda w, x, a: w("Sub", x, w("Tanh", x)), lambda x, a: x - np.tanh(x)),
    ("abs", ""): (lambda w, x, a: w("Max", x, w("Neg", x)), lambda x, a: np.abs(x)),
}


def shuffled(nodes: list[onnx.NodeProto], known: set[str], seed: int) -> list[onnx.NodeProto]:
    """The nodes in another topological order."""
    rng, left, made = np.random.default_rng(seed), list(nodes), set(known)
    order = []
    while left:
        ready = [each for each in left if made.issuperset(each.input)]
        order.append(ready[rng.integers(len(ready))])
        left.remove(order[-1])
        made.update(order[-1].output)
    return order


def values_of(model: onnx.ModelProto, x: Array, *tensors: str) -> list[Array]:
    """Values of tensors that ONNX Runtime computes without optimizations."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(tensors))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(list(tensors), {"x": x}))


def written(
    writer: Writer, last: str, bias: str, seed: int, **more: Any
) -> tuple[onnx.ModelProto, FilterBank]:
    """The model of a convolution, with its bias inside, in an Add, or without one, and the nodes written."""
    writer.finish(last)
    constants = {"w": random(4, 3, 3, 3), "b": random(4, seed=1), "added": random(4, 1, 1, seed=1)}
    head = [node("Conv", "x w b" if bias == "own" else "x w", "t" if bias != "add" else "c")]
    if bias == "add":
        head.append(node("Add", "c added", "t"))
    known = {"x", *constants, *writer.constants}
    model = build(
        shuffled([*head, *writer.nodes], known, seed),
        {"x": [1, 3, 8, 8]},
        constants | writer.constants,
        outputs=["y"],
        **more,
    )
    return model, banks(opened(model))[0]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(filter(None, form)))
@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    parameter=st.floats(0.05, 0.6),
    bias=st.sampled_from(["own", "add", "none"]),
)
def test_every_decomposition_of_an_activation(
    form: tuple[str, str], seed: int, parameter: float, bias: str
) -> None:
    write, formula = FORMS[form]
    writer = Writer(seed)
    model, bank = written(writer, write(writer, "t", parameter), bias, seed)
    assert (bank.activation, bank.pre_tensor, bank.post_tensor) == (form[0], "t", "y")
    if bias == "none":
        assert bank.bias is None
    else:
        np.testing.assert_array_equal(bank.bias, random(4, seed=1))
    before, after = values_of(model, random(1, 3, 8, 8, seed=2), bank.pre_tensor, bank.post_tensor)
    expected = formula(before.astype(np.float64), np.float64(parameter))
    np.testing.assert_allclose(after, expected, rtol=1e-3, atol=1e-4)
