"""The operators that are convolutions, and which of their inputs is what."""

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
    """Where a quantized convolution's numbers stand: positions of inputs, None where it has none such."""

    zero: int
    scale: int | None = None
    input_scale: int | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """How an operator holds its filters.

    Attributes
    ----------
    weight, bias, pads
        Positions of inputs; `pads` where the padding is no attribute.
    transposed
        Whether the weight is I O instead of O I.
    channels_last
        Whether its input and output are N H W C; the weight is O I H W all the same.
    codes
        Of a quantized one.
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
"""By domain and operator: ONNX, and ONNX Runtime's `ContribOperators.md`."""

STATEFUL = {"CausalConvWithState", "VarlenCausalConvWithState"}
"""Steps of sequence models, which convolve what comes with what came before."""

NAMES = {op for _, op in FORMS} | STATEFUL
"""Operators that are convolutions, in whatever domain."""


def is_convolution(node: onnx.NodeProto) -> bool:
    """Whether a node counts as a convolution: it is extracted, or skipped with a reason."""
    return node.op_type in NAMES


def form_of(node: onnx.NodeProto) -> Form | None:
    """How the node holds its filters; None where nobody knows."""
    return FORMS.get((node.domain, node.op_type))


def is_channels_last(node: onnx.NodeProto, form: Form) -> bool:
    return form.channels_last or bool(attributes(node).get("channels_last", 0))


def why_unknown(node: onnx.NodeProto) -> str:
    """Why a convolution has no form, for a user."""
    if node.domain == BLOCKED:
        return (
            "in blocks of channels for one kind of processor, and the file does not say how wide they are; "
            "let ONNX Runtime optimize at level 'extended', which keeps filters as they are"
        )
    if node.op_type in STATEFUL:
        return f"{node.op_type} is not extracted: it reads a state besides its input, which no layer has"
    return f"{node.op_type} of the domain '{shown(node.domain)}' is not known"
