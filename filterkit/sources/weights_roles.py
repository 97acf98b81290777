"""Which arrays of a file are no weights of the network: what training keeps beside them, tables and masks."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from filterkit.sources.weights_copies import Named, joined, levels, without_copies

if TYPE_CHECKING:
    from filterkit.sources.stored_array import StoredArray

_OPTIMIZER = re.compile(r"optim(izers?)?([_-].*)?|opt(imizer)?_states?", re.IGNORECASE)
"""The first level of the names of all that an optimizer keeps."""

_STATE = re.compile(r"(.*_)?(exp_avg(_sq)?|max_exp_avg_sqs?|momentum_buffer|square_avg)", re.IGNORECASE)
"""What an optimizer keeps and no layer is called, as the first or last level of a name, or at its end."""

_SLOT = re.compile(
    r"momentum|velocity|grads?|gradients?|adam\w*(_\d+)?|rmsprop(_\d+)?|adagrad|ftrl(_\d+)?", re.IGNORECASE
)
"""The last level, behind a parameter's name, of what an optimizer keeps; layers may be called so, too."""

_TREES = ("state", "train_state", "checkpoint", "ckpt")
"""The first level of names, around the weights and the optimizer alike."""

_PARAMETER = re.compile(r"(\w*_)?(weights?|kernel|w)", re.IGNORECASE)

_TABLE = re.compile(
    r"(.*_)?(tokens?|(pos|position(al)?|abs_pos|class|time|query)?_?(emb|embed|embeds|embedding|embeddings))"
    r"|(.*_)?pos(ition(al)?)?_?(emb|embed|embeds|embedding|embeddings)(_.*)?|input|noise(_\d+)?"
    r"|(.*_)?(rel|relative)_?(pos|position|coords|h|w)(_.*)?|(.*_)?(bias_table|attn_mask|attention_mask|mask)"
    r"|(.*_)?(anchors?|anchor_grid|mean|std|var|variance|gamma|beta|logit_scale|layer_?scale|const)",
    re.IGNORECASE,
)
"""The last level of the name of what has a convolution's shape by chance."""

_ATTENTION = re.compile(r".*attention.*|.*attn.*|query|key|value|qkv", re.IGNORECASE)
"""A level that holds dense layers whose kernels have an axis per head (Flax)."""


def without_extras(arrays: Sequence[StoredArray]) -> list[StoredArray]:
    """The arrays without optimizer state, tables, masks, and copies of weights that are there as well."""
    there = {(joined(levels(array.name)), array.shape) for array in arrays}
    return without_copies([array for array in arrays if not _is_extra(array, there)])


def _is_extra(array: StoredArray, there: Container[Named]) -> bool:
    parts = levels(array.name)
    if not parts:
        return False
    if _is_state(parts, array.shape, there):
        return True
    if len(array.shape) > 2 and _TABLE.fullmatch(parts[-1]):
        return True
    per_head = len(array.shape) == 3 and parts[-1:] == ["kernel"]
    return per_head and any(map(_ATTENTION.fullmatch, parts[:-1]))


def _is_state(parts: Sequence[str], shape: tuple[int, ...], there: Container[Named]) -> bool:
    """Whether an optimizer keeps it: by the first level of its name, or the last one behind a parameter's."""
    tree = parts[1:] if parts[0] in _TREES else parts
    if tree[:2] == ["optimizer", "target"]:  # where Flax kept the weights
        tree = []
    if tree and _OPTIMIZER.fullmatch(tree[0]):
        return True
    if any(map(_STATE.fullmatch, (parts[0], parts[-1]))):
        return True
    if len(parts) < 2 or not _SLOT.fullmatch(parts[-1]):
        return False
    return _PARAMETER.fullmatch(parts[-2]) is not None or (joined(parts[:-1]), shape) in there
