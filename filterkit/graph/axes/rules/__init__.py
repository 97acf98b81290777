"""Tracing rules: how the axes of an operator's outputs follow those of its inputs, i.e. receptive fields.

`windows`: convolution, pooling, resizing. `data_movement`: padding, slicing, joining, reshaping.
`arithmetic`: elementwise operators, reductions, norms, matrix products. The tables below give each operator
its rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from onnx import NodeProto

from filterkit.geometry import MOST_AXES
from filterkit.graph.axes.rules import arithmetic, data_movement, windows
from filterkit.graph.axes.tensor_axes import Rule, Step, Tracks, Untraceable, untracked_output
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.walk import STANDARD

__all__ = ["Step", "trace_node"]


def trace_node(step: Step) -> list[Tracks]:
    """Tracks of all outputs of a node with at least one input that depends on the graph's inputs."""
    outputs, rule = step.node.output, _rule(step.node)
    found: list[Tracks] = []
    try:
        if rule is not None:
            found = [_bounded(rule(step))] * len(outputs)
        elif step.node.op_type in MULTI_OUTPUT_RULES and step.node.domain in STANDARD:
            for _, part in zip(outputs, MULTI_OUTPUT_RULES[step.node.op_type](step), strict=False):
                found.append(_bounded(part))
    except (Untraceable, NotConstant, LookupError, ValueError, TypeError, AttributeError, ArithmeticError):
        pass
    if len(found) < len(outputs):
        ranks = [len(step.shapes.get(name) or ()) for name in outputs[len(found) :]]
        by_rank = {rank: untracked_output(step.tracks.values(), rank) for rank in set(ranks)}
        found += [by_rank[rank] for rank in ranks]
    return found


def _bounded(tracks: Tracks) -> Tracks:
    if len(tracks.axes) > MOST_AXES:
        raise Untraceable
    return tracks


def _rule(node: NodeProto) -> Rule | None:
    if node.domain == "com.microsoft":
        return ONNXRUNTIME_RULES.get(node.op_type)
    return RULES.get(node.op_type) if node.domain in STANDARD else None


ELEMENTWISE = (
    *("Identity", "Dropout", "Cast"),
    *(
        "Relu",
        "LeakyRelu",
        "PRelu",
        "Elu",
        "Selu",
        "Celu",
        "Gelu",
        "Sigmoid",
        "HardSigmoid",
        "Swish",
        "HardSwish",
    ),
    *(
        "Mish",
        "Tanh",
        "Softplus",
        "Softsign",
        "ThresholdedRelu",
        "Clip",
        "Shrink",
        "Erf",
        "Sign",
        "Not",
        "IsNaN",
    ),
    *("Neg", "Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Round", "Sin", "Cos", "Tan"),
    *("Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "IsInf"),
    *("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "Where", "And", "Or", "Xor"),
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "LRN"),
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, arithmetic.elementwise),
    **dict.fromkeys(
        ["Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "LpPool"],
        windows.window,
    ),
    **dict.fromkeys(["QuantizeLinear", "DequantizeLinear", "CastLike", "Trilu"], arithmetic.first_input_only),
    **dict.fromkeys(["Scatter", "ScatterElements", "ScatterND"], arithmetic.scatter),
    "BatchNormalization": arithmetic.batch_norm,
    "MeanVarianceNormalization": arithmetic.mean_variance_norm,
    "DepthToSpace": data_movement.depth_to_space,
    "SpaceToDepth": data_movement.space_to_depth,
    **dict.fromkeys(["Resize", "Upsample"], windows.resize),
    "Pad": data_movement.pad,
    "Slice": data_movement.slice_,
    "Concat": data_movement.concat,
    "Transpose": data_movement.transpose,
    **dict.fromkeys(["Reshape", "Flatten", "Squeeze", "Unsqueeze"], data_movement.reshape),
    "Gather": data_movement.gather,
    "ReverseSequence": data_movement.reverse_sequence,
    "Expand": data_movement.expand,
    "Tile": data_movement.tile,
    **dict.fromkeys(
        [
            f"Reduce{how}"
            for how in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")
        ],
        arithmetic.reduction,
    ),
    **dict.fromkeys(["ArgMax", "ArgMin"], arithmetic.arg_reduction),
    **dict.fromkeys(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"], windows.global_pooling),
    **dict.fromkeys(["InstanceNormalization", "GroupNormalization"], arithmetic.instance_norm),
    **dict.fromkeys(["Softmax", "LogSoftmax", "Hardmax", "LpNormalization"], arithmetic.softmax),
    **dict.fromkeys(["LayerNormalization", "RMSNormalization"], arithmetic.layer_norm),
    "CumSum": arithmetic.cumulative_sum,
    **dict.fromkeys(["MatMul", "MatMulInteger", "QLinearMatMul"], arithmetic.matmul),
    "Gemm": arithmetic.gemm,
    "Einsum": arithmetic.einsum,
    "Attention": arithmetic.attention,
}
"""By standard operator; operators without a rule are assumed to mix all elements."""

MULTI_OUTPUT_RULES: dict[str, Callable[[Step], Iterable[Tracks]]] = {
    "Split": data_movement.split,
    "DynamicQuantizeLinear": arithmetic.dynamic_quantization,
    "TopK": arithmetic.top_k,
    **dict.fromkeys(["LSTM", "GRU", "RNN"], arithmetic.recurrent),
}
"""Rules of operators whose outputs differ from each other."""

ONNXRUNTIME_RULES: dict[str, Rule] = {
    **dict.fromkeys(["FusedConv", "QLinearConv", "QLinearConvTranspose"], windows.fused),
    **dict.fromkeys(["QuantizeLinear", "DequantizeLinear"], arithmetic.first_input_only),
    **dict.fromkeys(["Gelu", "FastGelu", "QuickGelu", "BiasGelu"], arithmetic.elementwise),
    **dict.fromkeys(
        ["QLinearAdd", "QLinearMul", "QLinearLeakyRelu", "QLinearSigmoid"], arithmetic.elementwise
    ),
    "QLinearGlobalAveragePool": windows.global_pooling,
    "GroupNorm": arithmetic.instance_norm,
}
"""By operator of ONNX Runtime's own domain, as its optimizer writes them."""
