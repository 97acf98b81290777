"""Which arrays of a file are no weights of the network: what training keeps beside them, tables and masks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.sources.stored_arrays import StoredArray

SEPARATORS = re.compile(r"[/\\.]")

_OPTIMIZER = re.compile(
    r"optim(izers?)?([_-].*)?|opt(imizer)?_states?|(.*_)?(exp_avg(_sq)?|max_exp_avg_sqs?|momentum_buffer)"
    r"|momentum|velocity|square_avg|grads?|gradients?|adam\w*(_\d+)?|rmsprop(_\d+)?|adagrad|ftrl(_\d+)?",
    re.IGNORECASE,
)
"""A level of a name under which an optimizer keeps what it needs, per weight."""

_AVERAGE = re.compile(
    r"(.*_)?ema(_.*)?|shadow(_params)?|exponentialmovingaverage|(swa|averaged?)_model", re.IGNORECASE
)
"""A level of a name under which a moving average of the weights stands."""

_TABLE = re.compile(
    r"(.*_)?(tokens?|(pos|position(al)?|abs_pos|class|time|query)?_?(emb|embed|embeds|embedding|embeddings))"
    r"|(.*_)?(rel|relative)_?(pos|position|coords|h|w)(_.*)?|(.*_)?(bias_table|attn_mask|attention_mask|mask)"
    r"|(.*_)?(anchors?|anchor_grid|mean|std|var|variance|gamma|beta|logit_scale|layer_?scale|const)",
    re.IGNORECASE,
)
"""The last level of the name of what has a convolution's shape by chance."""

_ATTENTION = re.compile(r".*attention.*|.*attn.*|query|key|value|qkv", re.IGNORECASE)
"""A level that holds dense layers whose kernels have an axis per head (Flax)."""


def without_extras(arrays: Sequence[StoredArray]) -> list[StoredArray]:
    """The arrays without optimizer state, tables, masks, and averages of weights that are there as well."""
    kept = [array for array in arrays if not _is_extra(array)]
    plain = set[tuple[str, tuple[int, ...]]]()
    for array in kept:
        if not _is_average(array.name):
            plain.update((name, array.shape) for name in _flat_names(array.name))
    return [array for array in kept if not (_is_average(array.name) and _has_original(array, plain))]


def levels(name: str) -> list[str]:
    """The parts of an array's name."""
    return [level for level in SEPARATORS.split(name.partition(":")[0]) if level]


def _is_extra(array: StoredArray) -> bool:
    parts = levels(array.name)
    if any(map(_OPTIMIZER.fullmatch, parts)):
        return True
    if parts and len(array.shape) > 2 and _TABLE.fullmatch(parts[-1]):
        return True
    per_head = len(array.shape) == 3 and parts[-1:] == ["kernel"]
    return per_head and any(map(_ATTENTION.fullmatch, parts[:-1]))


def _is_average(name: str) -> bool:
    return any(map(_AVERAGE.fullmatch, levels(name)))


def _has_original(array: StoredArray, plain: set[tuple[str, tuple[int, ...]]]) -> bool:
    rest = "".join(level for level in levels(array.name) if not _AVERAGE.fullmatch(level))
    return (rest, array.shape) in plain


def _flat_names(name: str) -> Iterator[str]:
    """The name without its marks, and the same below its first level: as averages are often called."""
    parts = levels(name)
    yield "".join(parts)
    yield "".join(parts[1:])
