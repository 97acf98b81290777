"""Layer names: short, telling, unique, and safe in an address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import onnx

from filterkit.records import FilterBank

LONGEST = 100
ROOM = 8
"""Characters for a number that tells layers apart."""

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

WRAPPERS = re.compile(r"(functional|model|sequential|module|gpu)(_\d+)*")
"""First parts of a name that name the whole model."""

CALLS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?|__(inference|forward|backward)_\w+|~")
"""Parts of a name, wherever they stand, that say that a function was called (TensorFlow, Haiku)."""

TRACED = re.compile(r"jax2tf_.*|p?jit(_.*_|\(.*\))|xla_call.*")
"""Parts that JAX puts before the name of a Flax network's class; behind that come its modules."""

FLAX_CLASS = re.compile(r"[A-Z][A-Za-z0-9]*")
FLAX_MODULE = re.compile(r"Conv(Transpose|Local)?_\d+")
"""What Flax calls a convolution that nobody named; alone, it may be an operator and the number of a node."""

PRIMITIVES = re.compile(r"(conv_general_dilated|transpose|XlaConv(V2)?)[_\d]*(\[.*)?")
"""Last parts of a name that name an operation of JAX."""

WEIGHT = re.compile(r"([./](weight|kernel|W)|[._]w_\d+|[/]ReadVariableOp|_weights?)(:\d+)?$")
"""What marks a weight's name as its layer's name with an ending."""

NUMBER_MARKS = (":", "__", "_output_", "_Output_")
"""What stands before the number that an exporter hangs on a name."""

OUTPUT = re.compile(r"(?<=.)_[oO]utput$")
"""What an exporter hangs on the name of a node to name what it makes."""

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
        names = _without_data_parallel(banks, _without_shared_suffix(banks, names))
    taken: dict[str, int] = {}
    return [_unique(name, taken) for name in names]


def _given(bank: FilterBank, names: Mapping[str, str]) -> str:
    for key in (bank.node, bank.pre_tensor, bank.post_tensor, bank.weight_tensor):
        if key in names:
            return _safe(names[key])
    return ""


def _derived(bank: FilterBank, modules: Mapping[str, str]) -> str:
    for raw in _hints(bank, modules.get(bank.node, "")):
        part, certain = _layer_part(raw)
        name = _safe(part)
        if name and (certain or not MEANINGLESS.match(name)):
            return name
    return _safe(OUTPUT.sub("", _own_name(bank))) or bank.op.lower()


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


def _layer_part(raw: str) -> tuple[str, bool]:
    """The part of an exporter's name that names the layer: ``m/conv1/BiasAdd:0`` is ``conv1``.

    And whether it is certain to: ``Conv_1`` alone may be any node, but in ``m/Conv_1/BiasAdd`` it is a layer.
    """
    if "::" in raw:
        return "", False
    parts = raw.split(";")  # converters from TFLite join the names of all that they fused
    raw = next((part for part in parts if part.endswith("BiasAdd")), parts[0])
    raw = re.sub(r"__Inline_\d+__/?", "/", raw)  # the inliner's mark on what stood in a function
    raw = OUTPUT.sub("", _without_numbers(raw))
    raw = re.sub(r"_(weights|bias)_fused_bn$", "", raw)
    whole = [segment for segment in raw.split("/") if segment]
    segments = [segment for segment in whole if not CALLS.fullmatch(segment)] or whole[-1:]
    if _is_traced(raw):
        segments = _flax_path(segments)
    elif len(segments) > 1 and WRAPPERS.fullmatch(segments[0]):
        segments = segments[1:]
    segments = _without_parents(segments)
    inside = _is_traced(raw)
    while len(segments) > 1 and OPERATORS.fullmatch(segments[-1]):
        if inside and FLAX_MODULE.fullmatch(segments[-1]):
            break
        segments.pop()
        inside = True
    # A batch norm folded into the convolution in front of it leaves its own name on the result.
    name = re.sub(r"^bn(?=\d*_)", "conv", ".".join(segments))
    return name, inside and name.startswith("Conv")


def _is_traced(raw: str) -> bool:
    return any(map(TRACED.fullmatch, raw.split("/")))


def _flax_path(segments: list[str]) -> list[str]:
    """The modules of a Flax network as its parameters name them: ``jit(f)/Net/Block_0/Conv_0/Conv2D``."""
    last = max((place for place, part in enumerate(segments) if TRACED.fullmatch(part)), default=-1)
    path = [part for part in segments[last + 1 :] if "." not in part]  # Net.encode is one of its methods
    while len(path) > 1 and PRIMITIVES.fullmatch(path[-1]):
        path.pop()
    inside = [part for part in path[1:] if FLAX_MODULE.fullmatch(part) or not OPERATORS.fullmatch(part)]
    return path[1:] if inside and FLAX_CLASS.fullmatch(path[0]) else path or segments[-1:]


def _without_parents(segments: list[str]) -> list[str]:
    """PyTorch writes ``features/features.0`` where a module is called in the one that holds it."""
    return [part for part, inner in pairwise(segments) if not inner.startswith(f"{part}.")] + segments[-1:]


def _without_numbers(raw: str) -> str:
    """`raw` without the numbers of outputs at its end, however many: ``conv__12:0`` is ``conv``."""
    end = len(raw)
    while True:
        start = end
        while start and raw[start - 1].isdecimal():
            start -= 1
        mark = next((mark for mark in NUMBER_MARKS if raw.endswith(mark, 0, start)), "")
        if start == end or not mark:
            return raw[:end]
        end = start - len(mark)


def _without_shared_suffix(banks: Sequence[FilterBank], names: list[str]) -> list[str]:
    """Keras numbers all layers of a model alike when it exports: ``block1_conv1_1``, ``block1_conv2_1``."""
    if not all(bank.node.startswith("functional") for bank in banks):
        return names
    suffixes = {re.sub(r"^.*?(_\d+)?$", r"\1", name) for name in names}
    if len(suffixes) != 1 or not (suffix := suffixes.pop()):
        return names
    return [name.removesuffix(suffix) for name in names]


def _without_data_parallel(banks: Sequence[FilterBank], names: list[str]) -> list[str]:
    """PyTorch's DataParallel holds a whole network as its ``module``; that of one card has the same names."""
    is_below = [
        name.startswith("module.") or bank.node.lstrip("/").startswith("module/")
        for bank, name in zip(banks, names, strict=True)
    ]
    return [name.removeprefix("module.") for name in names] if all(is_below) else names


def _safe(name: str) -> str:
    """`name` with nothing in it that an address, a terminal or a shell could take for something else."""
    name = re.sub(r"[^\w.\-]+", "_", name.replace("/", "."))
    return name.strip("._-")[-LONGEST:].strip("._-")


def _unique(name: str, taken: dict[str, int]) -> str:
    """`name`, with a number behind it where another layer has it; `taken` holds the last one tried for each.

    Names that a number makes equal, as they have to be cut for it, share their numbers.
    """
    stem, candidate = name[: LONGEST - ROOM].casefold(), name
    count = taken.get(stem, 1)
    # Some file systems do not tell Conv1.png from conv1.png.
    while candidate.casefold() in taken:
        count += 1
        suffix = f"_{count}"
        candidate = name[: LONGEST - len(suffix)] + suffix
    if candidate is not name:
        taken[stem] = count
    taken.setdefault(candidate.casefold(), 1)
    return candidate
