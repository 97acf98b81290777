"""Detect arrays that are not weights of the network: optimizer state, embedding tables, masks."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from filterkit.sources.weights_copies import Named, joined, levels, without_copies

if TYPE_CHECKING:
    from filterkit.sources.stored_array import StoredArray

_OPTIMIZER = re.compile(r"optim(izers?)?([_-].*)?|opt(imizer)?_states?", re.IGNORECASE)
"""First level of the names of optimizer state."""

_STATE = re.compile(r"(.*_)?(exp_avg(_sq)?|max_exp_avg_sqs?|momentum_buffer|square_avg)", re.IGNORECASE)
"""Unambiguous names of optimizer state, as the first or last level of a name or as its suffix."""

_SLOT = re.compile(
    r"momentum|velocity|grads?|gradients?|adam\w*(_\d+)?|rmsprop(_\d+)?|adagrad|ftrl(_\d+)?", re.IGNORECASE
)
"""Last level of optimizer state, after the name of a parameter; layers may have these names, too."""

_TREES = ("state", "train_state", "checkpoint", "ckpt")
"""First levels that enclose both weights and optimizer state."""

_PARAMETER = re.compile(r"(\w*_)?(weights?|kernel|w)", re.IGNORECASE)

_TABLE = re.compile(
    r"(.*_)?(tokens?|(pos|position(al)?|abs_pos|class|time|query)?_?(emb|embed|embeds|embedding|embeddings))"
    r"|(.*_)?pos(ition(al)?)?_?(emb|embed|embeds|embedding|embeddings)(_.*)?|input|noise(_\d+)?"
    r"|(.*_)?(rel|relative)_?(pos|position|coords|h|w)(_.*)?|(.*_)?(bias_table|attn_mask|attention_mask|mask)"
    r"|(.*_)?(anchors?|anchor_grid|mean|std|var|variance|gamma|beta|logit_scale|layer_?scale|const)",
    re.IGNORECASE,
)
"""Last level of arrays that have the shape of a convolution weight by coincidence."""

_ATTENTION = re.compile(r".*attention.*|.*attn.*|query|key|value|qkv", re.IGNORECASE)
"""Level of attention layers, whose dense kernels have an axis of heads (Flax)."""


def without_extras(arrays: Sequence[StoredArray]) -> list[StoredArray]:
    """Remove optimizer state, tables, masks, and copies of weights whose originals are in the file."""
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
    """Whether it is optimizer state: by its first level, or by its last level after a parameter's name."""
    tree = parts[1:] if parts[0] in _TREES else parts
    if tree[:2] == ["optimizer", "target"]:  # where old Flax checkpoints store the weights
        tree = []
    if tree and _OPTIMIZER.fullmatch(tree[0]):
        return True
    if any(map(_STATE.fullmatch, (parts[0], parts[-1]))):
        return True
    if len(parts) < 2 or not _SLOT.fullmatch(parts[-1]):
        return False
    return _PARAMETER.fullmatch(parts[-2]) is not None or (joined(parts[:-1]), shape) in there
