"""Run an ONNX graph in torch, in float64: an oracle for the gradients of whole networks.

Operators that a picture passes through are those of torch; what does not depend on it (shapes, indices,
scales) is computed by onnx's reference implementation, and so are the matrices of Resize.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from filterkit.graph.view.walk import attributes

find = importlib.import_module if os.environ.get("FILTERKIT_REQUIRE_KERAS") else pytest.importorskip
torch = find("torch")
F = torch.nn.functional

Function = Callable[..., Any]


def outputs_in_torch(
    model: onnx.ModelProto,
    inputs: Mapping[str, Any],
    names: Sequence[str],
    sides: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Tensors of a model with standard operators of opset 18, and without bodies.

    Parameters
    ----------
    inputs
        Tensors of torch, and NumPy arrays for what no gradient is needed of.
    sides
        By tensor, values that decide on which side of a kink its elements are, instead of their own: those of
        a run in float32 where that is compared with.
    """
    values: dict[str, Any] = {
        tensor.name: _float64(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer
    }
    values.update(inputs)
    for node in model.graph.node:
        if set(names) <= values.keys():
            break
        given = [values[name] if name else None for name in node.input]
        differentiable = node.op_type not in WITHOUT_GRADIENT
        if differentiable and any(torch.is_tensor(one) and one.requires_grad for one in given):
            options = attributes(node)
            if node.op_type in ("Split", "Resize"):
                options["node"] = node
            if node.op_type in KINKED:
                side = (sides or {}).get(node.input[0])
                options["side"] = given[0].detach() if side is None else torch.from_numpy(side).double()
            made = OPERATORS[node.op_type](*given, **options)
        else:
            made = _evaluated(node, given, model.opset_import)
        made = made if isinstance(made, tuple | list) else [made]
        values.update(zip(node.output, made, strict=False))
    return [values[name] for name in names]


def _evaluated(node: onnx.NodeProto, given: Sequence[Any], opsets: Any) -> list[Any]:
    arrays = {name: _array(one) for name, one in zip(node.input, given, strict=True) if name}
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [onnx.ValueInfoProto(name=name) for name in arrays],
        [onnx.ValueInfoProto(name=name) for name in node.output],
    )
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return [_float64(np.asarray(made)) for made in ReferenceEvaluator(model).run(None, arrays)]


def _float64(array: Any) -> Any:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _array(one: Any) -> Any:
    return one.detach().numpy() if torch.is_tensor(one) else one


def _tensor(one: Any) -> Any:
    return one if torch.is_tensor(one) or one is None else torch.from_numpy(np.array(one))


def _ints(one: Any) -> list[int]:
    return [int(number) for number in np.ravel(one)]


def of_tensors(function: Function) -> Function:
    """A function of any number of tensors, which ignores attributes."""
    return lambda *given, **_: function(*map(_tensor, given))


def _pads(x: Any, kernel: Sequence[int], given: Mapping[str, Any]) -> list[int]:
    rank = x.dim() - 2
    auto = given.get("auto_pad", "NOTSET")
    if not auto.startswith("SAME"):
        return list(given.get("pads") or [0] * (2 * rank))
    strides, dilations = given.get("strides") or [1] * rank, given.get("dilations") or [1] * rank
    before, after = [], []
    for size, wide, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + (wide - 1) * dilation + 1 - size, 0)
        before.append((total + (auto == "SAME_LOWER")) // 2)
        after.append(total - before[-1])
    return before + after


def _padded(x: Any, pads: Sequence[int], fill: float = 0.0) -> Any:
    half = len(pads) // 2
    ends = [end for axis in reversed(range(half)) for end in (pads[axis], pads[half + axis])]
    return F.pad(x, ends, value=fill) if any(ends) else x


def conv(x: Any, weights: Any, bias: Any = None, **given: Any) -> Any:
    x, weights, bias = _tensor(x), _tensor(weights), _tensor(bias)
    rank = x.dim() - 2
    function = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    x = _padded(x, _pads(x, weights.shape[2:], given))
    strides, dilations = given.get("strides") or [1] * rank, given.get("dilations") or [1] * rank
    return function(x, weights, bias, strides, 0, dilations, given.get("group", 1))


def conv_transpose(x: Any, weights: Any, bias: Any = None, **given: Any) -> Any:
    x, weights, bias = _tensor(x), _tensor(weights), _tensor(bias)
    rank = x.dim() - 2
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    strides, dilations = given.get("strides") or [1] * rank, given.get("dilations") or [1] * rank
    more, pads = given.get("output_padding") or [0] * rank, given.get("pads") or [0] * 2 * rank
    made = function(x, weights, bias, strides, 0, more, given.get("group", 1), dilations)
    return _padded(made, [-pad for pad in pads])


def _windows(x: Any, given: Mapping[str, Any]) -> tuple[list[int], list[int], list[int]]:
    """Kernel, strides and pads, with the last windows that ceil_mode adds."""
    kernel = list(given["kernel_shape"])
    strides, pads = list(given.get("strides") or [1] * len(kernel)), _pads(x, kernel, given)
    for axis, size in enumerate(x.shape[2:]) if given.get("ceil_mode", 0) else ():
        whole = size + pads[axis] + pads[axis + len(kernel)] - kernel[axis]
        count = -(-whole // strides[axis])
        if count * strides[axis] < size + pads[axis]:
            pads[axis + len(kernel)] += max(count * strides[axis] - whole, 0)
    return kernel, strides, pads


def max_pool(x: Any, side: Any, **given: Any) -> Any:
    kernel, strides, pads = _windows(x, given)
    function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(kernel) - 1]
    dilations = given.get("dilations") or 1
    _, places = function(_padded(side, pads, -np.inf), kernel, strides, 0, dilations, return_indices=True)
    flat = _padded(x, pads).flatten(2)
    return flat.gather(2, places.flatten(2)).reshape(places.shape)


def average_pool(x: Any, **given: Any) -> Any:
    kernel, strides, pads = _windows(x, given)
    function = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
    inside = torch.ones_like(x)
    if given.get("count_include_pad", 0):
        assert not given.get("ceil_mode", 0)
        inside = F.pad(inside, [0] * 2 * len(kernel))
        return function(_padded(x, pads), kernel, strides)
    return function(_padded(x, pads), kernel, strides) / function(_padded(inside, pads), kernel, strides)


def batch_norm(x: Any, scale: Any, offset: Any, mean: Any, variance: Any, **given: Any) -> Any:
    mean, variance, scale, offset = map(_tensor, (mean, variance, scale, offset))
    return F.batch_norm(x, mean, variance, scale, offset, eps=given.get("epsilon", 1e-5))


def reduction(function: Function) -> Function:
    def reduced(x: Any, axes: Any = None, **given: Any) -> Any:
        places = _ints(axes) if axes is not None and np.size(axes) else list(range(x.dim()))
        return function(x, places, bool(given.get("keepdims", 1)))

    return reduced


def reshape(x: Any, shape: Any, **_: Any) -> Any:
    return x.reshape([size or x.shape[axis] for axis, size in enumerate(_ints(shape))])


def squeeze(x: Any, axes: Any = None, **_: Any) -> Any:
    return x.squeeze() if axes is None else x.squeeze(_ints(axes))


def unsqueeze(x: Any, axes: Any, **_: Any) -> Any:
    rank = x.dim() + np.size(axes)
    for axis in sorted(axis % rank for axis in _ints(axes)):
        x = x.unsqueeze(axis)
    return x


def flatten(x: Any, axis: int = 1) -> Any:
    return x.reshape(int(np.prod(x.shape[:axis])), -1)


def split(x: Any, sizes: Any = None, *, node: onnx.NodeProto, axis: int = 0, **_: Any) -> Any:
    if sizes is None:
        return torch.split(x, -(-x.shape[axis] // len(node.output)), axis)
    return torch.split(x, _ints(sizes), axis)


def slice_(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None, **_: Any) -> Any:
    starts, ends = _ints(starts), _ints(ends)
    axes = _ints(axes) if axes is not None else range(len(starts))
    steps = _ints(steps) if steps is not None else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        x = x.index_select(axis, torch.arange(x.shape[axis])[np.arange(x.shape[axis])[start:end:step].copy()])
    return x


def pad(x: Any, pads: Any, value: Any = None, axes: Any = None, mode: str = "constant") -> Any:
    pads, fill = _ints(pads), 0.0 if value is None else float(np.ravel(value)[0])
    axes = _ints(axes) if axes is not None else list(range(x.dim()))
    for place, axis in enumerate(axes):
        before, after = pads[place], pads[place + len(axes)]
        if mode == "constant":
            x = F.pad(x.movedim(axis, -1), (before, after), value=fill).movedim(-1, axis)
        elif before or after:
            x = x.index_select(
                axis, torch.from_numpy(np.pad(np.arange(x.shape[axis]), (before, after), mode))
            )
    return x


def gather(x: Any, indices: Any, axis: int = 0) -> Any:
    places = torch.from_numpy(np.ravel(indices) % x.shape[axis])
    taken = x.index_select(axis, places)
    axis %= x.dim()
    return taken.reshape([*x.shape[:axis], *np.shape(indices), *x.shape[axis + 1 :]])


def resize(x: Any, region: Any = None, scales: Any = None, sizes: Any = None, *, node: Any, **_: Any) -> Any:
    """By the matrix of each axis, from onnx's reference implementation."""
    target = _ints(sizes) if sizes is not None else np.floor(x.shape * np.float32(scales)).astype(int)
    assert len(target) == x.dim()
    for axis, after in enumerate(target):
        before = x.shape[axis]
        if before == after:
            continue
        one = onnx.NodeProto.FromString(node.SerializeToString())
        one.input[:] = ["x", "", "scales"] if sizes is None else ["x", "", "", "sizes"]
        given = [np.eye(before), None, np.array([1, np.ravel(scales)[axis]], np.float32)]
        if sizes is not None:
            given = [np.eye(before), None, None, np.array([before, after])]
        (matrix,) = _evaluated(one, given, [onnx.helper.make_opsetid("", 19)])
        x = torch.tensordot(x, torch.from_numpy(matrix), ([axis], [0])).movedim(-1, axis)
    return x


def gemm(a: Any, b: Any, c: Any = None, **given: Any) -> Any:
    a, b = _tensor(a), _tensor(b)
    product = (a.T if given.get("transA") else a) @ (b.T if given.get("transB") else b)
    return product * given.get("alpha", 1.0) + (0 if c is None else _tensor(c) * given.get("beta", 1.0))


def clip(x: Any, least: Any = None, most: Any = None, *, side: Any) -> Any:
    least, most = (None if limit is None else float(limit) for limit in (least, most))
    if least is not None:
        x = torch.where(side > least, x, least)
    return x if most is None else torch.where(side < most, x, most)


def hard_sigmoid(x: Any, side: Any, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return clip(x * alpha + beta, 0, 1, side=side * alpha + beta)


def depth_to_space(x: Any, blocksize: int, mode: str = "DCR") -> Any:
    assert mode == "CRD"
    return F.pixel_shuffle(x, blocksize)


def cast(x: Any, to: int) -> Any:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(to)
    return x if dtype.kind == "f" else _array(x).astype(dtype)


WITHOUT_GRADIENT = frozenset({"Shape", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "ArgMax"})
KINKED = frozenset({"Relu", "LeakyRelu", "PRelu", "Clip", "HardSigmoid", "HardSwish", "MaxPool"})

OPERATORS: dict[str, Function] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.dim())), keepdim=True),
    "GlobalMaxPool": lambda x: x.amax(tuple(range(2, x.dim())), keepdim=True),
    "BatchNormalization": batch_norm,
    "InstanceNormalization": lambda x, s, b, epsilon=1e-5: F.instance_norm(
        x, weight=_tensor(s), bias=_tensor(b), eps=epsilon
    ),
    "LayerNormalization": lambda x, s, b=None, axis=-1, epsilon=1e-5, **_: F.layer_norm(
        x, x.shape[axis % x.dim() :], _tensor(s), _tensor(b), epsilon
    ),
    "LRN": lambda x, size, alpha=1e-4, beta=0.75, bias=1.0: F.local_response_norm(x, size, alpha, beta, bias),
    "Relu": lambda x, side: torch.where(side > 0, x, 0.0),
    "LeakyRelu": lambda x, side, alpha=0.01: torch.where(side > 0, x, x * alpha),
    "PRelu": lambda x, slope, side: torch.where(side > 0, x, x * _tensor(slope)),
    "Elu": lambda x, alpha=1.0: F.elu(x, alpha),
    "Sigmoid": torch.sigmoid,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": lambda x, side: x * hard_sigmoid(x, side, 1 / 6),
    "Tanh": torch.tanh,
    "Erf": torch.erf,
    "Softplus": lambda x: torch.log1p(torch.exp(x)),
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Abs": torch.abs,
    "Neg": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Clip": clip,
    "Pow": of_tensors(torch.pow),
    "Add": of_tensors(torch.add),
    "Sub": of_tensors(torch.sub),
    "Mul": of_tensors(torch.mul),
    "Div": of_tensors(torch.div),
    "Sum": of_tensors(lambda *xs: reduce(torch.add, xs)),
    "Min": of_tensors(lambda *xs: reduce(torch.minimum, xs)),
    "Max": of_tensors(lambda *xs: reduce(torch.maximum, xs)),
    "Where": of_tensors(torch.where),
    "MatMul": of_tensors(torch.matmul),
    "Gemm": gemm,
    "Einsum": lambda *xs, equation: torch.einsum(equation, *map(_tensor, xs)),
    "Softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "LogSoftmax": lambda x, axis=-1: torch.log_softmax(x, axis),
    "ReduceSum": reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "ReduceMean": reduction(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceMax": reduction(lambda x, axes, keep: torch.amax(x, axes, keep)),
    "ReduceMin": reduction(lambda x, axes, keep: torch.amin(x, axes, keep)),
    "ReduceL2": reduction(lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep)),
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": lambda x, perm=None: x.permute(*(perm or reversed(range(x.dim())))),
    "Concat": lambda *xs, axis: torch.cat([_tensor(x) for x in xs], axis),
    "Split": split,
    "Slice": slice_,
    "Pad": pad,
    "Gather": gather,
    "Resize": resize,
    "Expand": lambda x, shape: x.expand(np.broadcast_shapes(tuple(x.shape), tuple(_ints(shape)))),
    "Tile": lambda x, repeats: x.tile(_ints(repeats)),
    "Identity": lambda x: x,
    "DepthToSpace": depth_to_space,
    "Dropout": lambda x, *_, **__: x,
    "Cast": cast,
}
