"""Layouts: every kernel has a place of its own, found again from each of its pixels, and little is empty."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import SHAPES, layout_of
from hypothesis import given
from hypothesis import strategies as st

from filterkit.web.atlas.shelves import Layout

VGG16 = (
    *((64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (256, 256), (512, 256)),
    *(((512, 512),) * 5),
)


def resnet50() -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7)]
    channels = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            shapes += [(width, channels, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)]
            shapes += [(4 * width, channels, 1, 1)] if block == 0 else []
            channels = 4 * width
    return shapes


NETWORKS = {
    "vgg16": [(*shape, 3, 3) for shape in VGG16],
    "resnet50": resnet50(),
    "resnets": resnet50() * 12,
    "1-D": SHAPES["1-D"],
    "3-D": SHAPES["3-D"],
    "depthwise": SHAPES["depthwise"],
    "7x7 and 1x1": SHAPES["7x7 and 1x1"],
    "2^19 filters": [(2**19, 1, 3, 3)],
    "2^19 filters of one value": [(2**19, 1, 1, 1)],
    "2^19 kernels": [(1, 2**19, 3, 3)],
    "a wide kernel": [(128, 1, 16000), (64, 128, 3)],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_little_is_empty(name: str) -> None:
    layout = layout_of(NETWORKS[name])
    used = sum(
        each.shape.filters * each.shape.kernels * each.shape.cell[0] * each.shape.cell[1]
        for each in layout.layers
    )
    assert used > 0.85 * layout.width * layout.height


@pytest.mark.parametrize("name", ["vgg16", "resnet50"])
def test_it_fits_a_screen(name: str) -> None:
    layout = layout_of(NETWORKS[name])
    assert 1 < layout.width / layout.height < 2


def check_places(layout: Layout, numbers: list[tuple[int, int, int]]) -> None:
    """Each kernel is found from its corners; its place is within those of its filter and its layer."""
    for number, slot, kernel in numbers:
        layer = layout.layers[number]
        x, y, width, height = layer.place(slot, kernel)
        for column, row in ((x, y), (x + width - 1, y), (x, y + height - 1), (x + width - 1, y + height - 1)):
            assert layout.find(column, row) == (number, slot, kernel)
        for left, top, wide, high in (layer.place(slot), layer.box, (0, 0, layout.width, layout.height)):
            assert left <= x < x + width <= left + wide
            assert top <= y < y + height <= top + high


@pytest.mark.parametrize("name", SHAPES)
def test_every_pixel_of_small_networks(name: str) -> None:
    layout = layout_of(SHAPES[name])
    owners = np.full((layout.height, layout.width), -1)
    count, places = 0, []
    for number, layer in enumerate(layout.layers):
        for slot in range(layer.shape.filters):
            for kernel in range(layer.shape.kernels):
                x, y, width, height = layer.place(slot, kernel)
                assert (owners[y : y + height, x : x + width] == -1).all()  # of nobody else
                owners[y : y + height, x : x + width] = count
                places.append((number, slot, kernel))
                count += 1
    for y, x in zip(*np.nonzero(owners >= 0), strict=True):
        assert layout.find(int(x), int(y)) == places[owners[y, x]]


@pytest.mark.parametrize("name", NETWORKS)
def test_places_of_large_networks(name: str) -> None:
    layout, rng = layout_of(NETWORKS[name]), np.random.default_rng(0)
    numbers = []
    for _ in range(500):
        number = int(rng.integers(len(layout.layers)))
        shape = layout.layers[number].shape
        numbers.append((number, int(rng.integers(shape.filters)), int(rng.integers(shape.kernels))))
    last = layout.layers[-1].shape
    check_places(layout, [(0, 0, 0), *numbers, (len(layout.layers) - 1, last.filters - 1, last.kernels - 1)])


@given(
    st.lists(
        st.tuples(st.integers(1, 700), st.integers(1, 700), st.integers(1, 9), st.integers(1, 9)),
        min_size=1,
        max_size=12,
    )
)
def test_places_of_any_network(shapes: list[tuple[int, ...]]) -> None:
    layout = layout_of(shapes)
    numbers = []
    for number, (filters, kernels, *_) in enumerate(shapes):
        numbers += [(number, slot, kernel) for slot in {0, filters - 1} for kernel in {0, kernels - 1}]
    check_places(layout, numbers)
    boxes = [layer.box for layer in layout.layers]
    for first, (x, y, width, height) in enumerate(boxes):
        for left, top, wide, high in boxes[:first]:
            assert x >= left + wide or left >= x + width or y >= top + high or top >= y + height


def test_beyond_the_picture_is_nothing() -> None:
    layout = layout_of(SHAPES["pictures"])
    for x, y in ((-1, 0), (0, -1), (layout.width, 0), (0, layout.height), (10**9, 10**9)):
        assert layout.find(x, y) is None
