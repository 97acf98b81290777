"""How each operator moves the axes of its inputs: the rules by which a graph is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from onnx import NodeProto

from filterkit.geometry import MOST_AXES
from filterkit.graph.axes.followed_axes import Tracks, nothing_followed
from filterkit.graph.axes.rules import mixing, moves, windows
from filterkit.graph.axes.rules.step import Rule, Step, Untraceable
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.walk import STANDARD

__all__ = ["Step", "trace_node"]


def trace_node(step: Step) -> list[Tracks]:
    """Tracks of all outputs of a node, of whose inputs at least one depends on the graph's input."""
    outputs, rule = step.node.output, _rule(step.node)
    found: list[Tracks] = []
    try:
        if rule is not None:
            found = [_bounded(rule(step))] * len(outputs)
        elif step.node.op_type in SEVERAL and step.node.domain in STANDARD:
            for _, part in zip(outputs, SEVERAL[step.node.op_type](step), strict=False):
                found.append(_bounded(part))
    except (Untraceable, NotConstant, LookupError, ValueError, TypeError, AttributeError, ArithmeticError):
        pass
    if len(found) < len(outputs):
        ranks = [len(step.shapes.get(name) or ()) for name in outputs[len(found) :]]
        by_rank = {rank: nothing_followed(step.tracks.values(), rank) for rank in set(ranks)}
        found += [by_rank[rank] for rank in ranks]
    return found


def _bounded(tracks: Tracks) -> Tracks:
    if len(tracks.axes) > MOST_AXES:
        raise Untraceable
    return tracks


def _rule(node: NodeProto) -> Rule | None:
    if node.domain == "com.microsoft":
        return OPTIMIZED.get(node.op_type)
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
    **dict.fromkeys(ELEMENTWISE, mixing.elementwise),
    **dict.fromkeys(
        ["Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "LpPool"],
        windows.window,
    ),
    **dict.fromkeys(["QuantizeLinear", "DequantizeLinear", "CastLike", "Trilu"], mixing.first_alone),
    **dict.fromkeys(["Scatter", "ScatterElements", "ScatterND"], mixing.scattered),
    "BatchNormalization": mixing.batch_norm,
    "MeanVarianceNormalization": mixing.mean_variance_norm,
    "DepthToSpace": moves.depth_to_space,
    "SpaceToDepth": moves.space_to_depth,
    **dict.fromkeys(["Resize", "Upsample"], windows.resize),
    "Pad": moves.pad,
    "Slice": moves.slice_,
    "Concat": moves.concat,
    "Transpose": moves.transpose,
    **dict.fromkeys(["Reshape", "Flatten", "Squeeze", "Unsqueeze"], moves.reshape),
    "Gather": moves.gather,
    "ReverseSequence": moves.reverse_sequence,
    "Expand": moves.expand,
    "Tile": moves.tile,
    **dict.fromkeys(
        [
            f"Reduce{how}"
            for how in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")
        ],
        mixing.reduction,
    ),
    **dict.fromkeys(["ArgMax", "ArgMin"], mixing.arg_reduction),
    **dict.fromkeys(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"], mixing.whole_space),
    **dict.fromkeys(["InstanceNormalization", "GroupNormalization"], mixing.instance_norm),
    **dict.fromkeys(["Softmax", "LogSoftmax", "Hardmax", "LpNormalization"], mixing.along_axis),
    **dict.fromkeys(["LayerNormalization", "RMSNormalization"], mixing.layer_norm),
    "CumSum": mixing.cumulative,
    **dict.fromkeys(["MatMul", "MatMulInteger", "QLinearMatMul"], mixing.matmul),
    "Gemm": mixing.gemm,
    "Einsum": mixing.einsum,
    "Attention": mixing.attention,
}
"""By standard operator; what is not here is taken to mix everything with everything."""

SEVERAL: dict[str, Callable[[Step], Iterable[Tracks]]] = {
    "Split": moves.split,
    "DynamicQuantizeLinear": mixing.dynamically_quantized,
    "TopK": mixing.largest,
    **dict.fromkeys(["LSTM", "GRU", "RNN"], mixing.recurrent),
}
"""Operators whose outputs are not alike."""

OPTIMIZED: dict[str, Rule] = {
    **dict.fromkeys(["FusedConv", "QLinearConv", "QLinearConvTranspose"], windows.fused),
    **dict.fromkeys(["QuantizeLinear", "DequantizeLinear"], mixing.first_alone),
    **dict.fromkeys(["Gelu", "FastGelu", "QuickGelu", "BiasGelu"], mixing.elementwise),
    **dict.fromkeys(["QLinearAdd", "QLinearMul", "QLinearLeakyRelu", "QLinearSigmoid"], mixing.elementwise),
    "QLinearGlobalAveragePool": mixing.whole_space,
    "GroupNorm": mixing.instance_norm,
}
"""By operator of ONNX Runtime's own, as its optimizer writes them."""
