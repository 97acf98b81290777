"""Detect arrays that are not weights of the network: optimizer state, tables, masks, copies of weights."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.sources.stored_array import StoredArray

_SEPARATORS = re.compile(r"[/\\.]")

_OF_A_NETWORK = (
    r"(model|module|net|network|encoder|backbone|generator|critic|actor|params|state_dict|weights)"
)

_COPY = re.compile(
    r"(.*_)?ema(_.*|\d+)?|exponentialmovingaverage|moving_?averages?|polyak(_.*)?"
    r"|(.*_)?shadow(_.*)?|(.*_)?swa(_.*)?|(.*_)?(averaged?|avg)_" + _OF_A_NETWORK + r"|averaged"
    r"|(.*_)?" + _OF_A_NETWORK + r"_(averaged?|avg)|(.*_)?teacher(_.*)?"
    r"|target|(.*_)?target_(q_?)?" + _OF_A_NETWORK + r"|(.*_)?" + _OF_A_NETWORK + r"_target|q_?target"
    r"|momentum_"
    + _OF_A_NETWORK
    + r"|"
    + _OF_A_NETWORK
    + r"_momentum|(module_)?(key_encoder|encoder_k|k_encoder)"
    r"|slow_" + _OF_A_NETWORK + r"|lookahead(_.*)?",
    re.IGNORECASE,
)
"""Level of a name that marks copies of the trained weights."""

_SLOT = re.compile(
    r"(.*_)?(adam\w*|sgd|rmsprop|adagrad|adadelta|momentums?|slots?|trace|mu|nu)", re.IGNORECASE
)
"""Level that marks the per-weight state of an optimizer; layers may have these names, too."""

_AROUND_SLOTS = ("training", "state", "train_state")
"""Levels that may precede an optimizer slot, which is otherwise the first or last level."""

_MARK = re.compile(
    r"(?i)(^|_)(ema\d*|shadow|swa|averaged?|avg|teacher|target|momentum|slow|polyak|key|k)(?=_|$)"
)
"""The marker in such a level, which the original lacks: ``critic_target`` is a copy of ``critic``."""

_TRAINED = r"(online|student|base|raw|query|main|current|source|live|train(ed|ing)?|policy|q)"

_ORIGINAL = re.compile(
    _TRAINED + r"_?" + _OF_A_NETWORK + r"|" + _OF_A_NETWORK + r"_(q|online|student|main)"
    r"|(model|module|net|network|generator|params?|state_dict|weights)"
    r"|student|online|_orig_mod|state|training|train_state|q|main|raw",
    re.IGNORECASE,
)
"""First levels of the names of the originals."""

LEAST_ALIKE = 3
"""Minimum number of arrays that must match one other part of the file, if that has an unusual name."""
MOST_LEVELS = 6
MOST_PARTS = 8
"""Maximum number of leading levels ignored in a lookup, and of parts of the file considered."""

Named = tuple[str, tuple[int, ...]]
"""The levels of a name joined without separators, and a shape."""

_Found = tuple[tuple[str, ...], bool]
"""The levels before a name that was found, and whether all of them are usual for weights."""


def levels(name: str) -> list[str]:
    """The parts of an array's name."""
    return [level for level in _SEPARATORS.split(name.partition(":")[0]) if level]


def joined(parts: Sequence[str]) -> str:
    return "".join(parts)


def without_copies(arrays: Sequence[StoredArray]) -> list[StoredArray]:
    """Remove copies of other arrays: those of the same shape and the same name except for a marker.

    An array named like a copy (``teacher.stem``, ``conv.weight_ema``) is one if most arrays with its marker
    have an original: under a usual name (``student.stem``, ``model.stem``, ``stem``), or, for three or more,
    all under one other name. A larger or different second network is not a copy.
    """
    marked = {array.name: _mark(levels(array.name)) for array in arrays}
    originals = _originals([array for array in arrays if marked[array.name] is None])
    kinds: dict[str, list[StoredArray]] = defaultdict(list)
    for array in arrays:
        if (mark := marked[array.name]) is not None:
            kinds[mark].append(array)
    shapes = Counter(array.shape for array in arrays if marked[array.name] is None)
    copies = set[str]()
    for kind in kinds.values():
        copies.update(_numbered(kind, shapes) or _copies(kind, originals))
    return [array for array in arrays if array.name not in copies]


def _mark(parts: Sequence[str]) -> str | None:
    """The group of copies that an array belongs to: all levels up to the last marked one, or its suffix."""
    places = [place for place in range(len(parts)) if _is_marked(parts, place)]
    if not places:
        return None
    last = parts[places[-1]]
    if places[-1] == len(parts) - 1:
        marks = [found[0] for found in _MARK.finditer(last)]
        return f"…{joined(marks) or last}"
    return ".".join(parts[: places[-1] + 1])


def _is_marked(parts: Sequence[str], place: int) -> bool:
    if _COPY.fullmatch(parts[place]):
        return True
    at_an_end = place in (0, len(parts) - 1) or parts[place - 1] in _AROUND_SLOTS
    return at_an_end and _SLOT.fullmatch(parts[place]) is not None


def _originals(arrays: Sequence[StoredArray]) -> Mapping[Named, list[_Found]]:
    """Index of names with up to `MOST_LEVELS` leading levels ignored."""
    found: dict[Named, list[_Found]] = defaultdict(list)
    for array in arrays:
        parts = levels(array.name)
        usual = True
        for count in range(min(len(parts), MOST_LEVELS)):
            usual = usual and (count == 0 or _ORIGINAL.fullmatch(parts[count - 1]) is not None)
            there = found[joined(parts[count:]), array.shape]
            if usual and not (there and there[0][1]):
                there.insert(0, (tuple(parts[:count]), True))
            elif len(there) < MOST_PARTS:
                there.append((tuple(parts[:count]), usual))
    return found


def _copies(kind: Sequence[StoredArray], originals: Mapping[Named, list[_Found]]) -> list[str]:
    """The arrays of one group that have an original."""
    usual, elsewhere = list[str](), defaultdict[tuple[str, ...], list[str]](list)
    for array in kind:
        places = [place for name in _names(array.name) for place in originals.get((name, array.shape), ())]
        if any(is_usual for _, is_usual in places):
            usual.append(array.name)
        places += originals.get((_after_marks(levels(array.name)), array.shape), ())
        for before in {before for before, _ in places[: 3 * MOST_PARTS]}:
            elsewhere[before].append(array.name)
    largest = max(elsewhere.values(), key=len, default=[])
    is_strong = any(_COPY.fullmatch(part) for part in levels(kind[0].name))
    if is_strong and len(largest) >= LEAST_ALIKE and len(largest) > len(usual):
        usual = largest
    return usual if 2 * len(usual) >= len(kind) else []


def _numbered(kind: Sequence[StoredArray], shapes: Counter[tuple[int, ...]]) -> list[str]:
    """All arrays of one group, if their names are plain numbers and each has a weight of its shape."""
    names = [array.name for array in kind]
    if not all(joined(_without_marks(levels(name))).isdecimal() for name in names):
        return []
    return names if Counter(array.shape for array in kind) <= shapes else []


def _names(name: str) -> set[str]:
    """Possible names of the original of an array."""
    parts = levels(name)
    cut = [_MARK.sub("", part).strip("_") if _COPY.fullmatch(part) else part for part in parts]
    names = set[str]()
    for left in (_without_marks(parts), [part for part in cut if part]):
        names.add(joined(left))
        for count, part in enumerate(left[:MOST_LEVELS], 1):
            if not _ORIGINAL.fullmatch(part):
                break
            names.add(joined(left[count:]))
    return names - {joined(parts), ""}


def _without_marks(parts: Sequence[str]) -> list[str]:
    moments = ("m", "v") if any(map(_SLOT.fullmatch, parts)) else ()
    return [part for place, part in enumerate(parts) if not (_is_marked(parts, place) or part in moments)]


def _after_marks(parts: Sequence[str]) -> str:
    last = max((place for place in range(len(parts)) if _is_marked(parts, place)), default=-1)
    return joined(parts[last + 1 :])


_OPTIMIZER = re.compile(r"optim(izers?)?([_-].*)?|opt(imizer)?_states?", re.IGNORECASE)
"""First level of the names of optimizer state."""

_STATE = re.compile(r"(.*_)?(exp_avg(_sq)?|max_exp_avg_sqs?|momentum_buffer|square_avg)", re.IGNORECASE)
"""Unambiguous names of optimizer state, as the first or last level of a name or as its suffix."""

_SLOT_NAME = re.compile(
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
    if len(parts) < 2 or not _SLOT_NAME.fullmatch(parts[-1]):
        return False
    return _PARAMETER.fullmatch(parts[-2]) is not None or (joined(parts[:-1]), shape) in there
