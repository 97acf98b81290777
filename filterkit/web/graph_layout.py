"""Where the layers of a network are drawn, and the lines between them: from top to bottom, in rows.

The row of a layer is the length of the longest way to it. Lines to the next row are direct; longer ones, e.g.
around the layers of a residual block, run in lanes beside the layers, one lane for all lines of a layer.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Pair = tuple[int, int]

COLUMN, ROW = 150, 30
"""Width of a column and height of a row, in pixels."""
SIDE = 12
"""Side of the square of a layer."""
LANE = 7
MARGIN = 12
TURN = 6
"""Pixels between a square and the lines that turn above and below it."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A layout in pixels.

    Attributes
    ----------
    places
        The upper left corner of the square of each layer.
    lines
        By pair of layers, the path of the line between them, as in SVG.
    """

    places: Sequence[tuple[int, int]]
    lines: Mapping[Pair, str]
    width: int
    height: int


def lay_out(count: int, pairs: Sequence[Pair]) -> Drawn:
    """Lay out `count` layers and the lines of `pairs` of them.

    Parameters
    ----------
    pairs
        Layers as numbers from 0. Pairs that form a cycle, as no network has, are drawn upwards.
    """
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for one, other in pairs:
        before[other].append(one)
        after[one].append(other)
    rows = _rows(before, after)
    columns = _columns(rows, before)
    lanes = _lanes(rows, after)
    left = MARGIN + (1 + max(lanes.values(), default=-1)) * LANE
    places = [(left + columns[each] * COLUMN, MARGIN + rows[each] * ROW) for each in range(count)]
    lines = {}
    for one, other in pairs:
        lane = left - (lanes[one] + 1) * LANE if rows[other] - rows[one] != 1 else None
        lines[one, other] = _path(places[one], places[other], lane)
    width = left + (1 + max(columns, default=0)) * COLUMN
    return Drawn(places, lines, width, 2 * MARGIN + (1 + max(rows, default=0)) * ROW)


def _rows(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> list[int]:
    """The length of the longest way to each layer; of those in a cycle, the first one begins it."""
    rows = [0] * len(before)
    missing = [len(each) for each in before]
    is_done = [False] * len(before)
    ready = [each for each, number in enumerate(missing) if not number]
    unready = iter(range(len(before)))
    while True:
        while ready:
            layer = heapq.heappop(ready)
            if is_done[layer]:
                continue
            is_done[layer] = True
            for each in after[layer]:
                missing[each] -= 1
                if not is_done[each]:
                    rows[each] = max(rows[each], rows[layer] + 1)
                    if not missing[each]:
                        heapq.heappush(ready, each)
        left = next((each for each in unready if not is_done[each]), None)
        if left is None:
            return rows
        ready.append(left)


def _columns(rows: Sequence[int], before: Sequence[Sequence[int]]) -> list[int]:
    """Each row ordered by the mean column of what is before; a layer stays below that where there is room."""
    columns = [0] * len(rows)
    members: dict[int, list[int]] = {}
    for layer, row in enumerate(rows):
        members.setdefault(row, []).append(layer)
    for row in sorted(members):
        wanted = {
            layer: sum(columns[each] for each in before[layer]) / len(before[layer]) if before[layer] else 0.0
            for layer in members[row]
        }
        free = 0
        left = len(wanted)
        most = max(len(members[row]), *(1 + columns[each] for each in members.get(row - 1, [0])))
        for layer in sorted(wanted, key=lambda layer: (wanted[layer], layer)):
            columns[layer] = max(free, min(round(wanted[layer]), most - left))
            free, left = columns[layer] + 1, left - 1
    return columns


def _lanes(rows: Sequence[int], after: Sequence[Sequence[int]]) -> dict[int, int]:
    """The lane of each layer with lines past the next row: the innermost that is free from there on."""
    lanes: dict[int, int] = {}
    busy: list[tuple[int, int]] = []
    free: list[int] = []
    for layer in sorted(range(len(rows)), key=lambda layer: rows[layer]):
        far = [rows[each] for each in after[layer] if rows[each] - rows[layer] != 1]
        if not far:
            continue
        while busy and busy[0][0] < rows[layer]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lanes[layer] = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (max(*far, rows[layer]), lanes[layer]))
    return lanes


def _path(start: tuple[int, int], end: tuple[int, int], lane: int | None) -> str:
    """From the bottom of one square to the top of another, through a lane at this x."""
    half = SIDE // 2
    (x, y), (to_x, to_y) = start, end
    x, y, to_x = x + half, y + SIDE, to_x + half
    if lane is not None:
        return f"M{x} {y}v{TURN}H{lane}V{to_y - TURN}H{to_x}V{to_y}"
    if x == to_x:
        return f"M{x} {y}V{to_y}"
    middle = (y + to_y) // 2
    return f"M{x} {y}C{x} {middle + 4} {to_x} {middle - 4} {to_x} {to_y}"
