"""Tiny ONNX models with known filters, one for each way a convolution is stored, and catalogs of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, NDArray[np.floating[Any]]]

PICTURE: Mapping[str, list[int | str | None]] = {"image": ["N", 3, 16, 24]}


@dataclass(frozen=True, eq=False)
class TinyModel:
    """An ONNX file and the filters in it.

    Attributes
    ----------
    path
        The file, with embedded weights.
    weights
        Filter banks by node (`FilterBank.node`), in graph order; O I H W, as floats.
    biases
        Shape (filters,) each; only for nodes with a bias.
    skipped
        Convolution nodes without constant weights.
    """

    path: Path
    weights: Weights
    biases: Weights = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Made:
    model: onnx.ModelProto
    weights: Weights
    biases: Weights = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


def tiny_model(kind: str, folder: str | os.PathLike[str]) -> TinyModel:
    """Write ``KIND.onnx`` to `folder`, with reproducible bytes.

    Parameters
    ----------
    kind
        One of `TINY_MODELS`.

    Raises
    ------
    KeyError
        If there is no such kind.
    """
    if kind not in _MAKERS:
        raise KeyError(f"unknown tiny model {kind!r}; choose from {', '.join(_MAKERS)}")
    made = _MAKERS[kind]()
    path = Path(folder) / f"{kind}.onnx"
    shaped = onnx.shape_inference.infer_shapes(made.model, strict_mode=True)  # outputs get shapes, too
    path.write_bytes(shaped.SerializeToString(deterministic=True))
    return TinyModel(path, made.weights, made.biases, made.skipped)


def _values(*shape: int, seed: int = 0, dtype: type[np.floating[Any]] = np.float32) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def _one(
    weights: NDArray[Any],
    shape: list[int | str | None],
    *,
    op: str = "Conv",
    canonical: NDArray[Any] | None = None,
    dtype: int = TensorProto.FLOAT,
    **attributes: Any,
) -> _Made:
    """A single convolution without bias, and a ReLU."""
    nodes = [
        node(op, "image w", "maps", "conv", kernel_shape=weights.shape[2:], **attributes),
        node("Relu", "maps", "out", "act"),
    ]
    model = build_model(nodes, {"image": shape}, {"w": weights}, dtype=dtype)
    return _Made(model, {"conv": weights if canonical is None else canonical})


def _plain() -> _Made:
    first, second, bias = _values(4, 3, 3, 3), _values(5, 4, 3, 3, seed=1), _values(4, seed=2)
    nodes = [
        node("Conv", "image w1 b1", "maps1", "conv1", pads=[1, 1, 1, 1]),
        node("Relu", "maps1", "out1", "act1"),
        node("Conv", "out1 w2", "maps2", "conv2", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", "maps2", "out2", "act2"),
    ]
    model = build_model(nodes, PICTURE, {"w1": first, "b1": bias, "w2": second})
    return _Made(model, {"conv1": first, "conv2": second}, {"conv1": bias})


def _transposed() -> _Made:
    stored = _values(3, 4, 2, 2)
    canonical = np.ascontiguousarray(stored.swapaxes(0, 1))
    return _one(stored, PICTURE["image"], op="ConvTranspose", canonical=canonical, strides=[2, 2])


def _quantized() -> _Made:
    codes = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    scale = np.array([0.01, 0.02, 0.005, 0.1], np.float32)
    bias = np.array([100, -50, 0, 7])
    x_scale = np.float32(0.05)
    nodes = [
        node("QuantizeLinear", "image xs xz", "codes"),
        node("QLinearConv", "codes xs xz w ws wz ys yz b", "maps", "conv"),
        node("DequantizeLinear", "maps ys yz", "out"),
    ]
    constants = {
        "xs": x_scale,
        "xz": np.uint8(128),
        "w": codes,
        "ws": scale,
        "wz": np.zeros(4, np.int8),
        "ys": np.float32(0.2),
        "yz": np.uint8(128),
        "b": bias.astype(np.int32),
    }
    weights = codes.astype(np.float32) * scale.reshape(4, 1, 1, 1)
    biases = bias.astype(np.float32) * (x_scale * scale)
    return _Made(build_model(nodes, PICTURE, constants), {"conv": weights}, {"conv": biases})


def _constant() -> _Made:
    weights, bias = _values(4, 3, 3, 3), _values(4, seed=1)
    nodes = [
        node("Constant", "", "w", value=numpy_helper.from_array(weights)),
        node("Constant", "", "b", value=numpy_helper.from_array(bias)),
        node("Conv", "image w b", "maps", "conv"),
        node("Relu", "maps", "out", "act"),
    ]
    return _Made(build_model(nodes, PICTURE), {"conv": weights}, {"conv": bias})


def _inside_if() -> _Made:
    banks = {"else": _values(4, 3, 3, 3), "then": _values(4, 3, 3, 3, seed=1)}
    branches = {
        f"{name}_branch": helper.make_graph(
            [node("Conv", f"image {name}_w", f"{name}_maps", "conv", pads=[1, 1, 1, 1])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_maps", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(weights, f"{name}_w")],
        )
        for name, weights in banks.items()
    }
    nodes = [
        node("ReduceMax", "image", "most", keepdims=0),
        node("Greater", "most zero", "bright"),
        node("If", "bright", "out", "choose", **branches),
    ]
    model = build_model(nodes, PICTURE, {"zero": np.float32(0)})
    return _Made(model, {f"choose/{name}_branch/conv": weights for name, weights in banks.items()})


def _not_finite() -> _Made:
    weights = _values(4, 3, 3, 3)
    weights[0, 0, 0, 0], weights[1, 1, 1, 1], weights[2, 2, 2, 2] = np.nan, np.inf, -np.inf
    return _one(weights, PICTURE["image"])


def _computed() -> _Made:
    """A convolution whose weights are an input of the model, and an ordinary one."""
    weights = _values(4, 3, 3, 3)
    nodes = [node("Conv", "image w", "maps", "conv"), node("Conv", "maps given", "out", "computed")]
    model = build_model(nodes, {**PICTURE, "given": [2, 4, 3, 3]}, {"w": weights})
    return _Made(model, {"conv": weights}, skipped=("computed",))


def _classifier(change: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray) -> _Made:
    """A convolution followed by two matrices: one in a Gemm, one in a MatMul."""
    weights = change(_values(4, 3, 3, 3))
    nodes = [
        node("Conv", "image w", "maps", "conv"),
        node("Relu", "maps", "positive", "act"),
        node("GlobalAveragePool", "positive", "pooled", "pool"),
        node("Flatten", "pooled", "flat", "flatten"),
        node("Gemm", "flat w1 b1", "hidden", "hidden", transB=1),
        node("Relu", "hidden", "hidden_out", "hidden_act"),
        node("MatMul", "hidden_out w2", "scores", "scores"),
    ]
    others = {"w1": _values(6, 4, seed=1), "b1": _values(6, seed=2), "w2": _values(6, 5, seed=3)}
    constants = {"w": weights, **{name: change(values) for name, values in others.items()}}
    return _Made(build_model(nodes, PICTURE, constants), {"conv": weights})


_MAKERS: Mapping[str, Callable[[], _Made]] = {
    "plain": _plain,
    "grouped": lambda: _one(_values(9, 2, 3, 3), ["N", 6, 16, 24], group=3),
    "depthwise": lambda: _one(_values(4, 1, 3, 3), ["N", 4, 16, 24], group=4),
    "dilated": lambda: _one(_values(4, 3, 3, 3), PICTURE["image"], dilations=[2, 3]),
    "pointwise": lambda: _one(_values(4, 3, 1, 1), PICTURE["image"]),
    "transposed": _transposed,
    "conv1d": lambda: _one(_values(4, 3, 5), ["N", 3, 40]),
    "conv3d": lambda: _one(_values(4, 3, 2, 3, 3), ["N", 3, 6, 16, 24]),
    "quantized": _quantized,
    "half": lambda: _one(_values(4, 3, 3, 3, dtype=np.float16), PICTURE["image"], dtype=TensorProto.FLOAT16),
    "constant": _constant,
    "inside-if": _inside_if,
    "not-finite": _not_finite,
    "computed": _computed,
    "classifier": _classifier,
    "zero": lambda: _classifier(np.zeros_like),
    "equal": lambda: _classifier(lambda values: np.full_like(values, 0.25)),
    "huge": lambda: _classifier(lambda values: values * np.float32(8e37)),
}

TINY_MODELS: tuple[str, ...] = tuple(_MAKERS)
"""The kinds of tiny models."""


def tiny_catalog(folder: str | os.PathLike[str], kinds: Iterable[str] = TINY_MODELS) -> Path:
    """Create a catalog of tiny models, with its store, in `folder`, as ``filterkit add`` would.

    All installed plugins are used, so it contains the columns of their metrics.

    Parameters
    ----------
    kinds
        A subset of `TINY_MODELS`; each is also the name of the model.

    Returns
    -------
    Path
        Path of the catalog, for ``filterkit.open`` or ``--catalog``.
    """
    from filterkit.workbench import open as open_workbench

    catalog = Path(folder) / "catalog.db"
    with tempfile.TemporaryDirectory() as models, open_workbench(catalog) as bench:
        for kind in kinds:
            bench.add(str(tiny_model(kind, models).path))
    return catalog


OPSET = 17
IR_VERSION = 9
DOMAIN_VERSION = 1


def node(
    op: str, inputs: str, output: str, name: str = "", domain: str = "", **values: Any
) -> onnx.NodeProto:
    """Create a node.

    Parameters
    ----------
    op, domain
        The operator, and its domain unless it is the default one.
    inputs, output
        Names of tensors, separated by spaces; ``_`` for an omitted input.
    values
        Attributes of the node.
    """
    names = ["" if word == "_" else word for word in inputs.split()]
    return helper.make_node(op, names, output.split(), name=name, domain=domain, **values)


def build_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str | None] | None],
    constants: Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    opset: int = OPSET,
    ir_version: int = IR_VERSION,
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """Create a model from `nodes` in topological order.

    Parameters
    ----------
    inputs
        Maps names of inputs to shapes, e.g. ``["N", 3, "H", "W"]``; None for an unknown shape.
    constants
        Maps names of initializers to values.
    outputs
        Names of tensors; by default, the first output of the last node.
    dtype
        ONNX element type of inputs and outputs.
    """
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, None) for name in outputs or [nodes[-1].output[0]]],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    domains = sorted({one.domain for one in nodes} - {""})
    opsets = [("", opset), *((domain, DOMAIN_VERSION) for domain in domains)]
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid(*each) for each in opsets], ir_version=ir_version
    )
