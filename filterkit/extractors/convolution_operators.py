"""The convolution operators and the roles of their inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx

from filterkit.graph.loading.names import shown
from filterkit.graph.view.walk import STANDARD, attributes

MICROSOFT = "com.microsoft"
NHWC = "com.ms.internal.nhwc"
BLOCKED = "com.microsoft.nchwc"


@dataclass(frozen=True, slots=True)
class Codes:
    """Input positions of the quantization parameters; None for an input that the operator lacks."""

    zero: int
    scale: int | None = None
    input_scale: int | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """How an operator stores its filters.

    Attributes
    ----------
    weight, bias, pads
        Positions of inputs; `pads` if the padding is an input rather than an attribute.
    transposed
        Whether the weight is I O rather than O I.
    channels_last
        Whether its input and output are N H W C; the weight is still O I H W.
    codes
        Quantization parameters, if quantized.
    """

    weight: int = 1
    bias: int | None = 2
    pads: int | None = None
    transposed: bool = False
    channels_last: bool = False
    codes: Codes | None = None


_QLINEAR = Form(weight=3, bias=8, codes=Codes(zero=5, scale=4, input_scale=1))
_TRANSPOSED_QLINEAR = replace(_QLINEAR, transposed=True)
_INTEGER = Form(bias=None, codes=Codes(zero=3))

FORMS: dict[tuple[str, str], Form] = {
    **{
        (domain, op): form
        for domain in STANDARD
        for op, form in {
            "Conv": Form(),
            "ConvTranspose": Form(transposed=True),
            "DeformConv": Form(bias=3),
            "QLinearConv": _QLINEAR,
            "ConvInteger": _INTEGER,
        }.items()
    },
    (MICROSOFT, "FusedConv"): Form(),
    (MICROSOFT, "NhwcConv"): Form(channels_last=True),
    (MICROSOFT, "NhwcFusedConv"): Form(channels_last=True),
    (MICROSOFT, "QLinearConv"): _QLINEAR,
    (MICROSOFT, "QLinearConvTranspose"): _TRANSPOSED_QLINEAR,
    (MICROSOFT, "ConvTransposeWithDynamicPads"): Form(bias=3, pads=2, transposed=True),
    (NHWC, "Conv"): Form(channels_last=True),
    (NHWC, "ConvTranspose"): Form(transposed=True, channels_last=True),
    (NHWC, "QLinearConv"): replace(_QLINEAR, channels_last=True),
    (NHWC, "QLinearConvTranspose"): replace(_TRANSPOSED_QLINEAR, channels_last=True),
}
"""By domain and operator, from ONNX and ONNX Runtime's `ContribOperators.md`."""

STATEFUL = {"CausalConvWithState", "VarlenCausalConvWithState"}
"""Steps of sequence models that convolve the current input with a stored state."""

NAMES = {op for _, op in FORMS} | STATEFUL
"""Convolution operators of any domain."""


def is_convolution(node: onnx.NodeProto) -> bool:
    """Whether a node counts as a convolution: it is extracted, or skipped with a reason."""
    return node.op_type in NAMES


def form_of(node: onnx.NodeProto) -> Form | None:
    """How the node stores its filters; None if unknown."""
    return FORMS.get((node.domain, node.op_type))


def is_channels_last(node: onnx.NodeProto, form: Form) -> bool:
    return form.channels_last or bool(attributes(node).get("channels_last", 0))


def why_unknown(node: onnx.NodeProto) -> str:
    """The reason, for the user, why a convolution is not supported."""
    if node.domain == BLOCKED:
        return (
            "its layout is blocked for one type of processor, and the file does not state the block size; "
            "optimize with ONNX Runtime at level 'extended', which leaves filters unchanged"
        )
    if node.op_type in STATEFUL:
        return f"{node.op_type} is not supported: it reads a state in addition to its input"
    return f"unknown operator {node.op_type} of domain '{shown(node.domain)}'"
