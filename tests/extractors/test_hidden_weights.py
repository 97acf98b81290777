"""A known bank, hidden behind random chains of constants in every form that ONNX has, comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import FLOAT, banks, node, opened

from filterkit.graph.view.view import GraphView
from filterkit.records import FilterBank

ml_dtypes = pytest.importorskip("ml_dtypes")  # of newer versions of onnx only

NEWEST = onnx.defs.onnx_opset_version()
STORED: dict[str, Any] = {
    "float32": np.float32,
    "float16": np.float16,
    "float64": np.float64,
    "int8": np.int8,
    "uint8": np.uint8,
    "bfloat16": ml_dtypes.bfloat16,
    "float8e4m3fn": ml_dtypes.float8_e4m3fn,
    "int4": ml_dtypes.int4,
}
"""Element types that hold small whole numbers exactly."""
ALWAYS = ("float32", "float16", "float64", "int8", "uint8")


@dataclass
class Hiding:
    """What is built from the end: `value` is what the tensor `name` has to hold."""

    opset: int
    value: np.ndarray
    name: str = "w"
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    sparse: list[onnx.SparseTensorProto] = field(default_factory=list)
    count: int = 0

    def fresh(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def constant(self, value: Any) -> str:
        name = self.fresh()
        self.constants[name] = np.asarray(value)
        return name

    def behind(self, op: str, before: np.ndarray, others: str = "", **values: Any) -> None:
        """Let a node make the tensor, out of `before` and what `others` names."""
        name = self.fresh()
        self.nodes.insert(0, node(op, f"{name} {others}", self.name, **values))
        self.name, self.value = name, before


def identity(hiding: Hiding, draw: st.DrawFn) -> None:
    hiding.behind("Identity", hiding.value)


def transpose(hiding: Hiding, draw: st.DrawFn) -> None:
    perm = draw(st.permutations(range(hiding.value.ndim)))
    hiding.behind("Transpose", hiding.value.transpose(np.argsort(perm)), perm=perm)


def reshape(hiding: Hiding, draw: st.DrawFn) -> None:
    hiding.behind("Reshape", hiding.value.reshape(-1), hiding.constant(hiding.value.shape))


def squeeze(hiding: Hiding, draw: st.DrawFn) -> None:
    axes = [draw(st.integers(0, hiding.value.ndim))]
    before = np.expand_dims(hiding.value, axes)
    if hiding.opset < 13:
        hiding.behind("Squeeze", before, axes=axes)
    else:
        hiding.behind("Squeeze", before, hiding.constant(axes))


def unsqueeze(hiding: Hiding, draw: st.DrawFn) -> None:
    axes = [axis for axis, size in enumerate(hiding.value.shape) if size == 1][:1]
    if not axes:
        return
    before = np.squeeze(hiding.value, axes[0])
    if hiding.opset < 13:
        hiding.behind("Unsqueeze", before, axes=axes)
    else:
        hiding.behind("Unsqueeze", before, hiding.constant(axes))


def slice_(hiding: Hiding, draw: st.DrawFn) -> None:
    value = hiding.value
    begin, end = [1], [1 + value.shape[0]]
    before = np.concatenate([value[:1], value, value[-1:]])
    if hiding.opset < 10:
        hiding.behind("Slice", before, starts=begin, ends=end, axes=[0])
    else:
        hiding.behind("Slice", before, f"{hiding.constant(begin)} {hiding.constant(end)}")


def concat(hiding: Hiding, draw: st.DrawFn) -> None:
    axis = draw(st.integers(0, hiding.value.ndim - 1))
    if hiding.value.shape[axis] < 2:
        return
    first, rest = np.split(hiding.value, [1], axis)
    hiding.behind("Concat", first, hiding.constant(rest), axis=axis)


def multiply(hiding: Hiding, draw: st.DrawFn) -> None:
    scale = np.float32(draw(st.sampled_from([0.25, -2, 8])))
    if draw(st.booleans()):
        hiding.behind("Mul", hiding.value / scale, hiding.constant(scale))
    else:
        hiding.behind("Div", hiding.value * scale, hiding.constant(scale))


def gather(hiding: Hiding, draw: st.DrawFn) -> None:
    order = draw(st.permutations(range(len(hiding.value))))
    hiding.behind("Gather", hiding.value[np.argsort(order)], hiding.constant(order), axis=0)


STEPS: list[Callable[[Hiding, st.DrawFn], None]] = [
    *(identity, transpose, reshape, squeeze, unsqueeze, slice_, concat, multiply, gather)
]


def cast(hiding: Hiding, draw: st.DrawFn) -> str:
    """Stored in another type, that holds the same numbers."""
    fits = [name for name in (STORED if hiding.opset >= 21 else ALWAYS) if _holds(name, hiding.value)]
    name = draw(st.sampled_from(fits))
    stored = hiding.value.astype(STORED[name])
    if name != "float32":
        hiding.behind("Cast", stored, to=FLOAT)
    hiding.value = stored
    return name


def _holds(name: str, values: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.array_equal(values.astype(STORED[name]).astype(np.float32), values))


def dequantize(hiding: Hiding, draw: st.DrawFn) -> str:
    """Stored as codes: a scale for all, for a channel, or for a block; with a zero point or without."""
    channels = hiding.opset >= 13 and hiding.value.ndim > 0
    kinds = ["tensor"] + ["channel"] * channels + ["blocked"] * (hiding.opset >= 21)
    kind = draw(st.sampled_from(kinds))
    scale: np.ndarray = np.float32(0.5)
    value, values = hiding.value, {}
    if kind == "channel":
        axis = draw(st.integers(0, value.ndim - 1))
        scale, values = np.float32([0.5, 2, 0.25, 1] * value.size)[: value.shape[axis]], {"axis": axis}
        spread = scale.reshape([-1 if place == axis else 1 for place in range(value.ndim)])
    elif kind == "blocked":
        axis = next((place for place, size in enumerate(value.shape) if size % 2 == 0), None)
        if axis is None:
            return "float32"
        shape = [size // 2 if place == axis else size for place, size in enumerate(value.shape)]
        scale = np.resize(np.float32([0.5, 2, 0.25]), shape)
        values, spread = {"axis": axis, "block_size": 2}, np.repeat(scale, 2, axis)
    else:
        spread = scale
    zero = draw(st.sampled_from([None, 0, 3]))
    codes = value / spread + (zero or 0)
    types = ["int8", "uint8"] + ["int4"] * (hiding.opset >= 21)
    fits = [name for name in types if _holds(name, codes)]
    if not fits:
        return "float32"
    stored = STORED[draw(st.sampled_from(fits))]
    names = [hiding.constant(scale)]
    if zero is not None:
        names.append(hiding.constant(np.full(np.shape(scale), zero).astype(stored)))
    domain = draw(st.sampled_from(["", "com.microsoft"]))
    hiding.behind("DequantizeLinear", codes.astype(stored), " ".join(names), domain=domain, **values)
    event(f"dequantized, {kind}")
    return str(next(name for name, kind in STORED.items() if kind == stored))


def store(hiding: Hiding, draw: st.DrawFn) -> None:
    """Put what is left into the model, in one of the ways that there are."""
    value = np.asarray(hiding.value, order="C")
    forms = ["initializer", "constant"]
    if value.dtype == np.float32:
        forms += ["sparse"] * (hiding.opset >= 11) + ["floats"] * (hiding.opset >= 12)
        forms += ["filled"] * (hiding.opset >= 9 and len(np.unique(value)) == 1)
    form = draw(st.sampled_from(forms))
    event(f"stored as {form}")
    if form == "initializer":
        hiding.constants[hiding.name] = value
    elif form == "constant":
        made = helper.make_node("Constant", [], [hiding.name], value=numpy_helper.from_array(value))
        hiding.nodes.insert(0, made)
    elif form == "floats":
        flat = hiding.fresh()
        shape = hiding.constant(np.int64(value.shape))
        hiding.nodes.insert(0, node("Reshape", f"{flat} {shape}", hiding.name))
        hiding.nodes.insert(0, helper.make_node("Constant", [], [flat], value_floats=value.ravel().tolist()))
    elif form == "filled":
        fill = numpy_helper.from_array(value.ravel()[:1])
        shape = hiding.constant(np.int64(value.shape))
        hiding.nodes.insert(0, node("ConstantOfShape", shape, hiding.name, value=fill))
    else:
        places = np.flatnonzero(value)
        sparse = helper.make_sparse_tensor(
            numpy_helper.from_array(value.ravel()[places], hiding.name),
            numpy_helper.from_array(places.astype(np.int64), "places"),
            value.shape,
        )
        if draw(st.booleans()):
            hiding.sparse.append(sparse)
        else:
            made = helper.make_node("Constant", [], [hiding.name], sparse_value=sparse)
            hiding.nodes.insert(0, made)


@st.composite
def hidden(draw: st.DrawFn) -> tuple[Hiding, np.ndarray, str]:
    """A bank, what hides it, and the element type it is stored in."""
    opset = draw(st.sampled_from([7, 9, 10, 11, 12, 13, 17, 21, NEWEST]))
    shape = draw(st.sampled_from([(2, 4, 3, 3), (4, 1, 2), (1, 2, 2, 1, 3), (2, 2, 1, 1)]))
    seed = draw(st.integers(0, 99))
    numbers = np.random.default_rng(seed).integers(-3, 4, shape) if seed else np.full(shape, 2)
    hiding = Hiding(opset, numbers.astype(np.float32))
    for step in draw(st.lists(st.sampled_from(STEPS), max_size=6)):
        if hiding.value.ndim:
            step(hiding, draw)
    dtype = dequantize(hiding, draw) if opset >= 10 and draw(st.booleans()) else cast(hiding, draw)
    if dtype == "float32" and hiding.value.dtype != np.float32:
        hiding.value = hiding.value.astype(np.float32)
    store(hiding, draw)
    return hiding, numbers.astype(np.float32), dtype


def graph_of(hiding: Hiding, op: str, shape: tuple[int, ...], ir_version: int, in_body: bool) -> GraphView:
    conv = node(op, "x w", "y", name="conv")
    output = helper.make_tensor_value_info("y", FLOAT, None)
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in hiding.constants.items()]
    inputs = [helper.make_tensor_value_info("x", FLOAT, [1, None, *[9] * (len(shape) - 2)])]
    if ir_version < 4:
        inputs += [helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in stored]
    nodes = hiding.nodes
    if in_body:
        body = helper.make_graph([*nodes[len(nodes) // 2 :], conv], "body", [], [output])
        condition = helper.make_node("If", ["c"], ["y"], name="if", then_branch=body, else_branch=body)
        nodes, conv = nodes[: len(nodes) // 2], condition
        inputs.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    graph = helper.make_graph([*nodes, conv], "test", inputs, [output], stored)
    graph.sparse_initializer.extend(hiding.sparse)
    opsets = [helper.make_opsetid("", hiding.opset), helper.make_opsetid("com.microsoft", 1)]
    return opened(helper.make_model(graph, opset_imports=opsets, ir_version=ir_version))


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(hidden(), st.sampled_from(["Conv", "ConvTranspose"]), st.sampled_from([3, 4, 8, 10]), st.booleans())
def test_a_known_bank_comes_back(
    case: tuple[Hiding, np.ndarray, str], op: str, ir_version: int, in_body: bool
) -> None:
    hiding, wanted, dtype = case
    for bank in banks(graph_of(hiding, op, wanted.shape, ir_version, in_body)):
        assert isinstance(bank, FilterBank)
        expected = wanted.swapaxes(0, 1) if op == "ConvTranspose" else wanted
        np.testing.assert_array_equal(bank.weights, expected)
        assert bank.source_dtype == dtype


@pytest.mark.parametrize("dtype", STORED)
def test_every_element_type(dtype: str) -> None:
    """Each as it lies in the file, cast to float behind it."""
    values = np.arange(8).reshape(2, 1, 2, 2).astype(STORED[dtype])
    hiding = Hiding(NEWEST, values)
    hiding.behind("Cast", values, to=FLOAT)
    hiding.constants[hiding.name] = values
    (bank,) = banks(graph_of(hiding, "Conv", values.shape, 10, False))
    assert (bank.source_dtype, bank.weights.ravel().tolist()) == (dtype, list(range(8)))
