"""Pair the layers of two networks for comparison, with a reason for those without a partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """Name of a layer and the shape of its bank."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Pair:
    """Indices of two layers (None without a partner), and the reason if they cannot be compared."""

    a: int | None
    b: int | None
    reason: str | None = None


def pair_by_name(a: Sequence[Layer], b: Sequence[Layer]) -> list[Pair]:
    """Pair layers of the same name, in the order of `a`; layers only in `b` come last."""
    reason = "the other model has no layer of this name"
    places = {layer.name: place for place, layer in enumerate(b)}
    pairs = [_pair(a, b, n, places.get(layer.name), reason) for n, layer in enumerate(a)]
    partners = {pair.b for pair in pairs}
    return pairs + [Pair(None, n, reason) for n in range(len(b)) if n not in partners]


def pair_by_position(a: Sequence[Layer], b: Sequence[Layer]) -> list[Pair]:
    """Pair the first layers, the second layers, and so on."""
    few, many = sorted((len(a), len(b)))
    reason = f"the other model has only {few} layer{'s' * (few != 1)}"
    return [_pair(a, b, n if n < len(a) else None, n if n < len(b) else None, reason) for n in range(many)]


def _pair(a: Sequence[Layer], b: Sequence[Layer], one: int | None, other: int | None, alone: str) -> Pair:
    if one is None or other is None:
        return Pair(one, other, alone)
    left, right = a[one].shape, b[other].shape
    fit = left == right
    return Pair(
        one, other, None if fit else f"filters of shape {_text(left)} and {_text(right)} cannot be compared"
    )


def _text(shape: Shape) -> str:
    return "×".join(map(str, shape))
