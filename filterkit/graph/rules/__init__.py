"""How each operator moves the axes of its inputs: the rules by which a graph is traced."""

from __future__ import annotations

from onnx import NodeProto

from filterkit.geometry import MOST_AXES
from filterkit.graph.constants import NotConstant
from filterkit.graph.rules import mixing, moves, windows
from filterkit.graph.rules.step import Rule, Step, Untraceable
from filterkit.graph.tracks import Tracks, nothing_followed
from filterkit.graph.walk import STANDARD

__all__ = ["Step", "trace_node"]


def trace_node(step: Step, place: int) -> Tracks:
    """Tracks of one output of a node, of whose inputs at least one depends on the graph's input."""
    name = step.node.output[place]
    rule = _rule(step.node, place)
    try:
        if rule is None:
            raise Untraceable
        tracks = rule(step)
        if len(tracks.axes) > MOST_AXES:
            raise Untraceable
        return tracks
    except (Untraceable, NotConstant, LookupError, ValueError, TypeError, ArithmeticError):
        shape = step.shapes.get(name)
        return nothing_followed(step.tracks.values(), len(shape) if shape is not None else 0)


def _rule(node: NodeProto, place: int) -> Rule | None:
    """The rule for one output of a node."""
    if node.domain == "com.microsoft":
        return OPTIMIZED.get(node.op_type)
    if node.domain not in STANDARD:
        return None
    return moves.split(place) if node.op_type == "Split" else RULES.get(node.op_type)


ELEMENTWISE = (
    *(
        "Identity",
        "Dropout",
        "Cast",
        "CastLike",
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
    ),
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
    *("Neg", "Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Round", "Sin", "Cos", "Atan"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "Where", "And", "Or", "Xor"),
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "BatchNormalization", "LRN"),
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, mixing.elementwise),
    **dict.fromkeys(
        ["Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "LpPool"],
        windows.window,
    ),
    "DepthToSpace": windows.depth_to_space,
    "SpaceToDepth": windows.space_to_depth,
    **dict.fromkeys(["Resize", "Upsample"], windows.resize),
    "Pad": moves.pad,
    "Slice": moves.slice_,
    "Concat": moves.concat,
    "Transpose": moves.transpose,
    **dict.fromkeys(["Reshape", "Flatten", "Squeeze", "Unsqueeze"], moves.reshape),
    "Gather": moves.gather,
    "Expand": moves.expand,
    "Tile": moves.tile,
    **dict.fromkeys(
        [
            f"Reduce{how}"
            for how in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp")
        ],
        mixing.reduction,
    ),
    **dict.fromkeys(["ArgMax", "ArgMin"], mixing.arg_reduction),
    **dict.fromkeys(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"], mixing.whole_space),
    **dict.fromkeys(["InstanceNormalization", "GroupNormalization"], mixing.instance_norm),
    **dict.fromkeys(["Softmax", "LogSoftmax", "Hardmax", "LpNormalization"], mixing.along_axis),
    **dict.fromkeys(["LayerNormalization", "RMSNormalization"], mixing.layer_norm),
    "CumSum": mixing.cumulative,
    "MatMul": mixing.matmul,
    "Gemm": mixing.gemm,
}
"""By standard operator; what is not here is taken to mix everything with everything."""

OPTIMIZED: dict[str, Rule] = {
    **dict.fromkeys(["FusedConv", "QLinearConv"], windows.fused),
    **dict.fromkeys(
        [
            "QuantizeLinear",
            "DequantizeLinear",
            "QLinearAdd",
            "QLinearMul",
            "QLinearLeakyRelu",
            "QLinearSigmoid",
        ],
        mixing.elementwise,
    ),
}
"""By operator of ONNX Runtime's own, as its optimizer writes them."""
