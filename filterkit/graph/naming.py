"""Layer names: short, telling, unique, and safe in an address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import onnx

from filterkit.records import FilterBank

LONGEST = 100

OPERATOR_KINDS = "|".join(
    ["Convolution", "Plus", "ReLU", *sorted({s.name for s in onnx.defs.get_all_schemas()})]
)
MEANINGLESS = re.compile(
    r"(onnx::|const_fold_opt|Parameter\d|tensor|val_\d|_v_|node_|(input|output)\.?\d*$|\d+$"
    rf"|({OPERATOR_KINDS})[_\d]*$)"
)
"""Names that an exporter made up: they tell nothing, or only the operator's kind."""

OPERATORS = re.compile(
    r"(BiasAdd|ReadVariableOp|Conv(1D|2D|3D)?(Transpose)?|DepthwiseConv2D|Conv2DBackpropInput|convolution|depthwise"
    r"|conv_transpose|conv2d_transpose|MatMul|Gemm|Tensordot|FusedBatchNormV?\d?|Relu6?|Add|Cast|kernel|bias)[_\d]*"
)
"""Last parts of a name that name an operation inside the layer, not the layer."""

WRAPPERS = re.compile(
    r"(functional|model|sequential|StatefulPartitionedCall|PartitionedCall|module|gpu)(_\d+)?"
)
"""First parts of a name that name the whole model."""

WEIGHT = re.compile(r"([./](weight|kernel|W)|_w_\d+|[/]ReadVariableOp|_weights?)(:\d+)?$")
"""What marks a weight's name as its layer's name with an ending."""

QUANTIZED = re.compile(r"_(quant|quantized|DequantizeLinear_Output)$")
"""What ONNX Runtime's quantization hangs on names; without it, layers are named as before."""


def name_layers(
    banks: Sequence[FilterBank],
    layer_names: Mapping[str, str] | None = None,
    modules: Mapping[str, str] | None = None,
) -> list[str]:
    """Name every bank's layer.

    In order of preference: the source's own name (`layer_names`, by node, output tensor or weight), the
    module that the weight's name tells, the one noted at the node (`modules`), the node's name, its output's
    name, and what the exporter numbered.

    Parameters
    ----------
    banks
        All banks of one model, in order.
    layer_names
        As in `FetchedModel`.
    modules
        As from `noted_modules`.

    Returns
    -------
    list of str
        One name per bank: unique whatever its case, at most 100 long, of letters, digits, ``_``, ``-`` and
        ``.`` only.
    """
    given = layer_names or {}
    names = [_given(bank, given) or _derived(bank, modules or {}) for bank in banks]
    if not given:
        names = _without_shared_suffix(banks, names)
    taken: set[str] = set()
    tried: dict[tuple[str, int], int] = {}
    return [_unique(name, taken, tried) for name in names]


def _given(bank: FilterBank, names: Mapping[str, str]) -> str:
    for key in (bank.node, bank.pre_tensor, bank.post_tensor, bank.weight_tensor):
        if key in names:
            return _safe(names[key])
    return ""


def _derived(bank: FilterBank, modules: Mapping[str, str]) -> str:
    for raw in _hints(bank, modules.get(bank.node, "")):
        name = _safe(_layer_part(raw))
        if name and not MEANINGLESS.match(name):
            return name
    return _safe(_own_name(bank)) or bank.op.lower()


def _hints(bank: FilterBank, module: str) -> Iterator[str]:
    weight, pre, post = (
        QUANTIZED.sub("", name) for name in (bank.weight_tensor, bank.pre_tensor, bank.post_tensor)
    )
    if WEIGHT.search(weight):
        yield WEIGHT.sub("", weight)
    yield from (module, _own_name(bank), pre, post, weight)


def _own_name(bank: FilterBank) -> str:
    """The node's name without the path of the body that holds it."""
    return QUANTIZED.sub("", bank.node.removeprefix(f"{bank.scope}/") if bank.scope else bank.node)


def _layer_part(raw: str) -> str:
    """The part of an exporter's name that names the layer: ``m/conv1/BiasAdd:0`` is ``conv1``."""
    if "::" in raw:
        return ""
    parts = raw.split(";")  # converters from TFLite join the names of all that they fused
    raw = next((part for part in parts if part.endswith("BiasAdd")), parts[0])
    raw = re.sub(r"__Inline_\d+__/?", "/", raw)  # the inliner's mark on what stood in a function
    raw = re.sub(r"(:\d+|__\d+|_[oO]utput_\d+)+$", "", raw)
    raw = re.sub(r"_(weights|bias)_fused_bn$", "", raw)
    segments = [segment for segment in raw.split("/") if segment]
    if len(segments) > 1 and WRAPPERS.fullmatch(segments[0]):
        segments = segments[1:]
    while len(segments) > 1 and OPERATORS.fullmatch(segments[-1]):
        segments = segments[:-1]
    # A batch norm folded into the convolution in front of it leaves its own name on the result.
    return re.sub(r"^bn(?=\d*_)", "conv", ".".join(segments))


def _without_shared_suffix(banks: Sequence[FilterBank], names: list[str]) -> list[str]:
    """Keras numbers all layers of a model alike when it exports: ``block1_conv1_1``, ``block1_conv2_1``."""
    if not all(bank.node.startswith("functional") for bank in banks):
        return names
    suffixes = {re.sub(r"^.*?(_\d+)?$", r"\1", name) for name in names}
    if len(suffixes) != 1 or not (suffix := suffixes.pop()):
        return names
    return [name.removesuffix(suffix) for name in names]


def _safe(name: str) -> str:
    """`name` with nothing in it that an address, a terminal or a shell could take for something else."""
    name = re.sub(r"[^\w.\-]+", "_", name.replace("/", "."))
    return name.strip("._-")[-LONGEST:].strip("._-")


def _unique(name: str, taken: set[str], tried: dict[tuple[str, int], int]) -> str:
    """`name`, or `name` with the first number behind it that nobody has.

    `tried` remembers the next number to try, by what it goes behind and its digits: of many layers of one
    name, each would else try the numbers of all before it.
    """
    candidate, digits = name, 1
    # Some file systems do not tell Conv1.png from conv1.png.
    while candidate.casefold() in taken:
        base = name[: LONGEST - len("_") - digits]
        key = (base.casefold(), digits)
        count = tried.get(key, max(10 ** (digits - 1), 2))
        if count < 10**digits:
            tried[key] = count + 1
            candidate = f"{base}_{count}"
        else:
            digits += 1
    taken.add(candidate.casefold())
    return candidate
