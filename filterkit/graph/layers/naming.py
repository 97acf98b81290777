"""Layer names: short, descriptive, unique, and safe in an address."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import onnx

from filterkit import budget
from filterkit.graph.layers.layers import node_name
from filterkit.graph.loading.names import LONGEST_NAME
from filterkit.graph.view.view import GraphView
from filterkit.records import FilterBank

LONGEST = 100
MOST_LEVELS = 8
"""Number of module levels that are searched for PyTorch's DataParallel."""

SUFFIX_ROOM = 8
"""Characters reserved for a number that makes a name unique."""

OPERATOR_KINDS = "|".join(sorted({s.name for s in onnx.defs.get_all_schemas()}))
MEANINGLESS = re.compile(
    r"(onnx::|const_fold_opt|Parameter\d|tensor|val_\d|_v_|node_|qdq_|p2o\.|(?!conv)\w+\.tmp_\d+$|(input|output)\.?\d*$|\d+$"
    rf"|((Convolution|Plus|ReLU)[_\d]*|Relu6|({OPERATOR_KINDS})([._]\d+)*)$)"
)
"""Names that an exporter generated: they carry no information, or only the type of the operator."""

FX_VALUES = re.compile(
    r"(add|alias|arg\d+|buf\d+|cat|clone|constant|contiguous|detach|div|expand|flip|getitem|lifted_tensor|mul"
    r"|permute|primals|reshape|select|slice|squeeze|stack|sub|t|_tensor_constant\d+|_to_copy|transpose"
    r"|unsqueeze|view|p_\w+|relu\w*|silu|sigmoid|_native_batch_norm\w*)(_\d+)?"
)
"""Names that torch.fx gives to values: the function that computed them, which is not the layer."""

OPERATORS = re.compile(
    r"(BiasAdd|ReadVariableOp|Conv([123]D)?(Transpose)?|DepthwiseConv2D|Conv2DBackpropInput|convolution|depthwise"
    r"|conv_transpose|conv2d_transpose|separable_conv2d|MatMul|Gemm|Tensordot|FusedBatchNormV?\d?|Relu6?|Add"
    r"|Cast|kernel|bias|BatchNorm|SpaceToBatchND|BatchToSpaceND|Squeeze|ExpandDims)(_+\d+)*"
)
"""Last parts of a name that denote an operation inside the layer, not the layer."""

CONV1D = re.compile(r"(?<=.)/[cC]onv1[dD](_\d+)?/(ExpandDims|Squeeze)(_\d+)?$")
"""How TensorFlow writes a one-dimensional convolution as a two-dimensional one."""

CONVOLUTION_ENDS = ("BiasAdd", "Conv2D", "depthwise", "convolution", "conv2d_transpose", "Conv1D", "Conv3D")
"""Ends of the names of convolutions among the fused names of a converter, in order of preference."""

WRAPPERS = re.compile(r"(functional|model|sequential|module|gpu)(_\d+)*")
"""First parts of a name that denote the whole model."""

TRAINING_WRAPPERS = re.compile(
    r"(^|(?<=[./]))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)(?=[./])[./]"
)
"""Module levels that PyTorch's compiler and FSDP insert."""

CALLS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?|__(inference|forward|backward)_\w+|~")
"""Parts of a name, at any level, that denote a function call (TensorFlow, Haiku)."""

TRACED = re.compile(
    r"jax2tf_.*|p?jit(_.*_|_main)|xla_call.*|(p?jit|jvp|vmap|transpose|remat|checkpoint)\(.*\)"
)
"""Parts that JAX puts before the class name of a Flax network, which its modules follow."""

FLAX_CLASS = re.compile(r"[A-Z][A-Za-z0-9]*")
FLAX_MODULE = re.compile(r"Conv(Transpose|Local)?_\d+")
"""Flax's default name of a convolution; alone, it may also be an operator and the number of a node."""

PRIMITIVES = re.compile(r"(conv_general_dilated|transpose|conv|XlaConv(V2)?)(_\d+)?(\[.*)?")
"""Last parts of a name that denote an operation of JAX."""

WEIGHT = re.compile(
    r"([./]((depthwise|pointwise)_)?(weights?|kernel|W)(_orig|_[vg])?|[./]parametrizations\.weight\.original[01]?"
    r"|/w|_([wW](eights?)?|Filter)|_w_\d+|\.w_\d+(_\w*)?"
    r"|/ReadVariableOp(_\d+)?(/resource)?|/[cC]onv1[dD](_\d+)?/ExpandDims(_\d+)?)"
    r"(/read)?(/_\d+)?(__cf__\d+)?(:\d+)?(_(raw|fused|bn))*$"
)
"""Suffixes that a weight's name has after its layer's name."""

NUMBER_MARKS = (":", "__", "_output_", "_Output_")
"""Separators before a number that an exporter appends to a name."""

OUTPUT = re.compile(r"(?<=.)_[oO]utput$")
"""Suffix that an exporter appends to a node's name to name its output."""

RUNTIME_SUFFIXES = re.compile(
    r"(_(quant|quantized|dequantized|QuantizeLinear|DequantizeLinear(_Output)?|nchwc|nhwc|token_\d+)){1,4}$"
)
"""Suffixes that ONNX Runtime's quantization and optimizer append to names; they are removed again."""

FUSED = re.compile(r"^fused (?=.)|(?<=Conv)_BatchNormalization$")
"""What ONNX Runtime's optimizer adds to the name of a node with which it fused others."""


def name_layers(
    banks: Sequence[FilterBank],
    layer_names: Mapping[str, str] | None = None,
    modules: Mapping[str, str] | None = None,
) -> list[str]:
    """Name every bank's layer.

    In order of preference: the source's own name (`layer_names`, by node, output tensor or weight), the
    module in the weight's name, the one in the node's metadata (`modules`), the node's name, its output's
    name, and last a generated name.

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
        One name per bank: unique ignoring case, of at most 100 characters, which are letters, digits, ``_``,
        ``-`` and ``.``.
    """
    given = layer_names or {}
    names = [_source_name(bank, given) or _derived(bank, modules or {}) for bank in banks]
    if not given:
        names = _without_data_parallel(banks, _without_shared_suffix(banks, _without_model(banks, names)))
    taken: dict[str, int] = {}
    return [_unique(name, taken) for name in names]


def _source_name(bank: FilterBank, names: Mapping[str, str]) -> str:
    for key in (bank.node, bank.pre_tensor, bank.post_tensor, bank.weight_tensor):
        if key in names:
            return _safe(names[key])
    return ""


def _derived(bank: FilterBank, modules: Mapping[str, str]) -> str:
    for raw, is_module in _candidates(bank, modules.get(bank.node, "")):
        part, certain = _layer_part(raw, is_module)
        name = _safe(part)
        if name and (certain or not MEANINGLESS.match(name)):
            return name
    own = _without_runtime_marks(_own_name(bank))
    return _safe(OUTPUT.sub("", own.removeprefix("node_"))) or bank.op.lower()


def _candidates(bank: FilterBank, module: str) -> Iterator[tuple[str, bool]]:
    """Candidate names in order of preference, and whether each is exactly the path of a module."""
    own = _own_name(bank)
    weight, pre, post, bare = map(
        _without_runtime_marks, (bank.weight_tensor, bank.pre_tensor, bank.post_tensor, own)
    )
    if stored := WEIGHT.search(weight):
        stem = weight[: stored.start()].removeprefix("params.").removeprefix("params/")
        yield stem, stored[1][0] in "./" and "ReadVariableOp" not in stored[1]
    elif _is_parameter_of(weight, module or _path(bare)):
        yield weight, True
    yield from ((module, True), (bare, False))
    if own.startswith("node_"):  # PyTorch's exporter, whose values torch.fx names
        found = (name for name in (weight, pre, post) if not FX_VALUES.fullmatch(name))
        yield from ((name, name == weight) for name in found)
    else:
        yield from ((pre, False), (post, False), ("" if stored else weight, False))


def _is_parameter_of(weight: str, module: str) -> bool:
    """Whether a weight is a parameter of a PyTorch module under a custom name, as in functional calls."""
    name = weight.removeprefix(f"{module}.")
    return bool(module) and name != weight and name.isidentifier()


def _path(node: str) -> str:
    """The module in a node name of PyTorch's older exporter: ``a.0`` for ``/a/a.0/Conv``."""
    return _layer_part(node)[0] if node.startswith("/") else ""


def _without_runtime_marks(name: str) -> str:
    """`name` without the additions of ONNX Runtime."""
    return RUNTIME_SUFFIXES.sub("", FUSED.sub("", name))


def _own_name(bank: FilterBank) -> str:
    """The node's name without the path of the body that contains it."""
    return bank.node.removeprefix(f"{bank.scope}/") if bank.scope else bank.node


def _layer_part(raw: str, is_module: bool = False) -> tuple[str, bool]:
    """The part of an exporter's name that denotes the layer: ``conv1`` for ``m/conv1/BiasAdd:0``.

    The second value says whether it certainly does: ``Conv_1`` alone may be any node, but is a layer in
    ``m/Conv_1/BiasAdd``.
    """
    if "::" in raw:
        return "", False
    raw = _convolution_among_fused(raw)
    raw = re.sub(r"__Inline_\d+__/?", "/", raw)  # what ONNX's inliner adds to names from a function
    raw = OUTPUT.sub("", _without_numbers(raw))
    raw = re.sub(r"_(weights|bias)_fused_bn$", "", raw)
    raw = CONV1D.sub("", TRAINING_WRAPPERS.sub("", raw))
    whole = [segment for segment in raw.split("/") if segment]
    segments = [segment for segment in whole if not CALLS.fullmatch(segment)] or whole[-1:]
    is_traced = _is_traced(raw)
    if is_traced:
        segments = _flax_path(segments)
    elif len(segments) > 1 and WRAPPERS.fullmatch(segments[0]) and not raw.startswith("/"):
        segments = segments[1:]  # not PyTorch's "/model/conv", whose weight is "model.conv.weight"
    segments = _without_parents(segments)
    inside = is_traced or is_module
    while len(segments) > 1 and OPERATORS.fullmatch(segments[-1]):
        if inside and FLAX_MODULE.fullmatch(segments[-1]):
            break
        inside = True
        if segments.pop() == "BiasAdd":  # belongs to the layer itself, which may be named "conv2d_transpose"
            break
    # A batch norm that was folded into the convolution before it leaves its own name on the result.
    name = re.sub(r"^bn(?=\d*_)", "conv", ".".join(segments))
    return name, inside and name.startswith("Conv")


def _convolution_among_fused(raw: str) -> str:
    """The name of the convolution: converters from TFLite join the names of all fused operators."""
    parts = raw.split(";")
    ends = (part for end in CONVOLUTION_ENDS for part in parts if part.endswith(end))
    return next(ends, parts[0])


def _is_traced(raw: str) -> bool:
    parts = raw.split("/")
    is_primitive = len(parts) > 1 and parts[-1].startswith("conv_general_dilated")
    return is_primitive or any(map(TRACED.fullmatch, parts))


def _flax_path(segments: list[str]) -> list[str]:
    """The modules of a Flax network, named as its parameters are: ``jit(f)/Net/Block_0/Conv_0/Conv2D``."""
    last = max((index for index, part in enumerate(segments) if TRACED.fullmatch(part)), default=-1)
    path = [part for part in segments[last + 1 :] if "." not in part]  # Net.encode is one of its methods
    while len(path) > 1 and PRIMITIVES.fullmatch(path[-1]):
        path.pop()
    inside = [part for part in path[1:] if FLAX_MODULE.fullmatch(part) or not OPERATORS.fullmatch(part)]
    return path[1:] if inside and FLAX_CLASS.fullmatch(path[0]) else path or segments[-1:]


def _without_parents(segments: list[str]) -> list[str]:
    """PyTorch writes ``features/features.0`` where a module is called inside its parent."""
    return [part for part, inner in pairwise(segments) if not inner.startswith(f"{part}.")] + segments[-1:]


def _without_numbers(raw: str) -> str:
    """`raw` without all output numbers at its end: ``conv`` for ``conv__12:0``."""
    end = len(raw)
    while True:
        start = end
        while start and raw[start - 1].isdecimal():
            start -= 1
        mark = next((mark for mark in NUMBER_MARKS if raw.endswith(mark, 0, start)), "")
        if start == end or not mark:
            return raw[:end]
        end = start - len(mark)


def _root(bank: FilterBank) -> str:
    """The first part of a node name that is a path, as TensorFlow and Keras 3 write it; else empty."""
    parts = _convolution_among_fused(_own_name(bank)).split("/")
    path = [part for part in parts if not CALLS.fullmatch(part)]
    return path[0] if len(path) > 2 and not _is_traced("/".join(parts)) else ""


def _without_model(banks: Sequence[FilterBank], names: list[str]) -> list[str]:
    """Without the model's name, which Keras, except in weights files, puts first: ``vgg16/block1_conv1``."""
    roots = {_root(bank) for bank in banks}
    root = _safe(roots.pop()) if len(roots) == 1 and len(banks) > 1 else ""
    bare = [name.removeprefix(f"{root}.") for name in names]
    return bare if root and len(set(bare)) == len(set(names)) else names


def _without_shared_suffix(banks: Sequence[FilterBank], names: list[str]) -> list[str]:
    """Without the number that Keras 3 gives a model and its layers on export: ``net_1/a_1``."""
    suffixes = {re.sub(r"^.*?(_\d+)?$", r"\1", name) for name in names}
    if len(suffixes) != 1 or not (suffix := suffixes.pop()):
        return names
    is_numbered = all(_root(bank).endswith(suffix) for bank in banks) and len(banks) > 1
    if is_numbered or all(bank.node.startswith("functional") for bank in banks):
        return [name.removesuffix(suffix) for name in names]
    return names


def _without_data_parallel(banks: Sequence[FilterBank], names: list[str]) -> list[str]:
    """Without the ``module`` level of PyTorch's DataParallel, which wraps a network or a part of one.

    A level is removed where all modules below its parent are in ``module``.
    """
    for level in range(MOST_LEVELS):
        paths = [tuple(name.split(".")) for name in names]
        held = {path[:level] for path in paths if path[level:-1][:1] == ("module",)}
        held -= {path[:level] for path in paths if path[level:] and path[level:-1][:1] != ("module",)}
        bare = [
            ".".join(path[:level] + path[level + 1 :]) if path[:level] in held else name
            for name, path in zip(names, paths, strict=True)
        ]
        names = bare if len(set(bare)) == len(set(names)) else names
    return names


def _safe(name: str) -> str:
    """`name` without characters that have a meaning in an address, a terminal or a shell."""
    # Some file systems do not distinguish the two ways to write é.
    name = re.sub(r"[^\w.\-]+", "_", unicodedata.normalize("NFC", name).replace("/", "."))
    return name.strip("._-")[-LONGEST:].strip("._-")


def _unique(name: str, taken: dict[str, int]) -> str:
    """`name`, with a number appended where another layer has it; `taken` holds the last number by name.

    Names that become equal when they are cut to make room for the number share their numbers.
    """
    stem, candidate = name[: LONGEST - SUFFIX_ROOM].casefold(), name
    count = taken.get(stem, 1)
    # Some file systems do not distinguish Conv1.png from conv1.png.
    while candidate.casefold() in taken:
        count += 1
        suffix = f"_{count}"
        candidate = name[: LONGEST - len(suffix)] + suffix
    if candidate is not name:
        taken[stem] = count
    taken.setdefault(candidate.casefold(), 1)
    return candidate


MODULE_NAMES_KEY = "pkg.torch.onnx.name_scopes"
"""Metadata key of PyTorch's exporter: the modules around a call and the call itself, as a Python list."""


def noted_modules(graph: GraphView) -> dict[str, str]:
    """Read each node's module from its metadata, e.g. ``"layers.0.linear1"``, in the graph and in bodies.

    Nodes of the top-level module, and nodes without this metadata, are left out.
    """
    found = {}
    for node in graph.nodes:
        note = next((entry.value for entry in node.metadata_props if entry.key == MODULE_NAMES_KEY), "")
        # The second to last quoted string.
        parts = note.rsplit("'", 4) if isinstance(note, str) and len(note) <= LONGEST_NAME else []
        if len(parts) == 5 and parts[1]:
            found[node_name(graph, node)] = parts[1]
    for body in graph.bodies():
        budget.step("reading module names in '{}'", body.scope)
        found |= noted_modules(body)
    return found
