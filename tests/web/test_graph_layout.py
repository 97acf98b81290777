"""The layout of graphs: no two layers in one place, and lines that reach their squares and cross no other."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from filterkit.web.graph_layout import SIDE, Pair, lay_out

BLOCKS: dict[str, tuple[int, list[Pair]]] = {
    "chain": (5, [(n, n + 1) for n in range(4)]),
    "residual": (4, [(0, 1), (1, 2), (0, 3), (2, 3)]),
    "inception": (7, [(0, n) for n in (1, 2, 3, 4)] + [(2, 5), (1, 6), (5, 6), (3, 6), (4, 6)]),
    "dense": (12, [(one, other) for other in range(12) for one in range(other)]),
    "apart": (4, []),
    "none": (0, []),
    "cycle": (3, [(0, 1), (1, 2), (2, 0)]),
    "itself": (2, [(0, 0), (0, 1)]),
}


def corners(path: str) -> list[tuple[float, float]]:
    """The points of a path; of a curve only its ends."""
    points: list[tuple[float, float]] = []
    for letter, text in re.findall(r"([MVHvC])([-\d. ]+)", path):
        numbers = [float(each) for each in text.split()]
        x, y = points[-1] if points else (0.0, 0.0)
        ends = {"V": (x, numbers[0]), "v": (x, y + numbers[0]), "H": (numbers[0], y)}
        points.append(ends[letter] if letter in ends else (numbers[-2], numbers[-1]))
    return points


@pytest.mark.parametrize("name", BLOCKS)
def test_every_layer_has_a_place_and_every_pair_a_line(name: str) -> None:
    count, pairs = BLOCKS[name]
    drawn = lay_out(count, pairs)
    assert len({*drawn.places}) == len(drawn.places) == count
    assert drawn.lines.keys() == {*pairs}
    for (one, other), path in drawn.lines.items():
        points = corners(path)
        (x, y), (to_x, to_y) = drawn.places[one], drawn.places[other]
        assert points[0] == (x + SIDE // 2, y + SIDE) and points[-1] == (to_x + SIDE // 2, to_y)
        assert all(0 <= across <= drawn.width and 0 <= down <= drawn.height for across, down in points)
    for x, y in drawn.places:
        assert 0 <= x < drawn.width and 0 <= y < drawn.height


def test_layers_are_below_what_they_read() -> None:
    for name, (count, pairs) in BLOCKS.items():
        places = lay_out(count, pairs).places
        if name not in ("cycle", "itself"):
            assert all(places[one][1] < places[other][1] for one, other in pairs)


@pytest.mark.parametrize("seed", range(20))
def test_straight_lines_cross_no_square(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.randrange(2, 40)
    every = [(one, other) for other in range(count) for one in range(other)]
    pairs = chance.sample(every, min(len(every), chance.randrange(1, 80)))
    drawn = lay_out(count, pairs)
    for path in drawn.lines.values():
        if "C" in path:  # a curve between two rows
            continue
        points = corners(path)
        for (x, y), (to_x, to_y) in pairwise(points):
            left, right, top, bottom = min(x, to_x), max(x, to_x), min(y, to_y), max(y, to_y)
            for place_x, place_y in drawn.places:
                is_across = left < place_x + SIDE and right > place_x
                assert not (is_across and top < place_y + SIDE and bottom > place_y), path


def test_lines_of_different_layers_share_no_lane_while_both_run() -> None:
    drawn = lay_out(*BLOCKS["dense"])
    lanes: dict[int, list[tuple[float, float, int]]] = {}
    for (one, _), path in drawn.lines.items():
        if "H" in path:
            points = corners(path)
            lanes.setdefault(int(points[2][0]), []).append((points[2][1], points[3][1], one))
    for runs in lanes.values():
        for start, end, one in runs:
            assert all(other == one or until <= start or begin >= end for begin, until, other in runs), (
                "two layers in one lane"
            )
