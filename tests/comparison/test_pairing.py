"""Which layers are partners, and why others are not."""

from __future__ import annotations

from filterkit.comparison.assignment import Layer, Pair, pair_by_name, pair_by_position

A = [Layer("stem", (8, 3, 3, 3)), Layer("body", (8, 8, 3, 3)), Layer("head", (4, 8, 1, 1))]
B = [
    Layer("extra", (8, 3, 3, 3)),
    Layer("stem", (8, 3, 3, 3)),
    Layer("body", (16, 8, 3, 3)),
    Layer("x", (1, 1, 1)),
]
UNLIKE = "filters of shape 8×8×3×3 and 16×8×3×3 cannot be compared"
NAMELESS = "the other model has no layer of this name"


def test_by_name() -> None:
    assert pair_by_name(A, B) == [
        Pair(0, 1),
        Pair(1, 2, UNLIKE),
        Pair(2, None, NAMELESS),
        Pair(None, 0, NAMELESS),
        Pair(None, 3, NAMELESS),
    ]


def test_by_position() -> None:
    first, second, third, fourth = pair_by_position(A, B)
    assert first == Pair(0, 0)
    assert (second.a, second.b, second.reason) == (
        1,
        1,
        "filters of shape 8×8×3×3 and 8×3×3×3 cannot be compared",
    )
    assert third.reason == "filters of shape 4×8×1×1 and 16×8×3×3 cannot be compared"
    assert fourth == Pair(None, 3, "the other model has only 3 layers")
    assert pair_by_position(B[:1], A)[1:] == [
        Pair(None, n, "the other model has only 1 layer") for n in (1, 2)
    ]
