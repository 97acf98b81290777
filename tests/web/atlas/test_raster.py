"""Parts of an atlas, compared with the whole drawn kernel by kernel."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import SHAPES, banks_of, drawn, layout_of

from filterkit.web.atlas.raster import Raster, scale_of, shades_of


@pytest.mark.parametrize("name", SHAPES)
def test_parts_are_those_of_the_whole(name: str) -> None:
    layout, banks = layout_of(SHAPES[name]), banks_of(SHAPES[name])
    scales = [scale_of(bank) for bank in banks]
    whole = drawn(layout, banks, scales)
    raster = Raster(layout, banks, scales)
    assert np.array_equal(raster.region(0, 0, layout.width, layout.height), whole)
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y = int(rng.integers(layout.width)), int(rng.integers(layout.height))
        part = raster.region(x, y, 40, 30)
        inside = whole[y : y + 30, x : x + 40]
        assert np.array_equal(part[: inside.shape[0], : inside.shape[1]], inside)
        assert not part[inside.shape[0] :].any()
        assert not part[:, inside.shape[1] :].any()


@pytest.mark.parametrize("name", ["pictures", "3-D", "odd"])
def test_sorted_filters_are_those_of_sorted_banks(name: str) -> None:
    layout, banks, rng = layout_of(SHAPES[name]), banks_of(SHAPES[name]), np.random.default_rng(0)
    scales = [scale_of(bank) for bank in banks]
    orders = [rng.permutation(len(bank)).astype(np.int32) for bank in banks]
    picture = Raster(layout, banks, scales, orders).region(0, 0, layout.width, layout.height)
    assert np.array_equal(picture, drawn(layout, [b[o] for b, o in zip(banks, orders, strict=True)], scales))


def test_colours_of_filters() -> None:
    layout, banks = layout_of(SHAPES["odd"]), banks_of(SHAPES["odd"])
    rng = np.random.default_rng(0)
    colours = [rng.integers(1, 256, len(bank)).astype(np.uint8) for bank in banks]
    scales = [1.0] * len(banks)
    picture = Raster(layout, banks, scales, colours=colours).region(0, 0, layout.width, layout.height)
    where = drawn(layout, [np.ones_like(bank) for bank in banks], scales) > 0
    assert np.array_equal(picture > 0, where)
    for layer, shades in zip(layout.layers, colours, strict=True):
        for slot, shade in enumerate(shades):
            x, y, width, height = layer.place(slot)
            part = picture[y : y + height, x : x + width]
            assert set(part[part > 0]) == {shade}


def test_shades_of_weights() -> None:
    weights = np.array([-9, -1, -0.5, 0, 0.25, 1, 9], np.float32)
    assert shades_of(weights, 1.0).tolist() == [1, 1, 64, 128, 160, 255, 255]
    assert shades_of(weights, 1.0, magnitudes=True).tolist() == [255, 255, 128, 1, 65, 255, 255]
    for kind in (np.float16, np.float64):
        assert shades_of(weights.astype(kind), 1.0).tolist() == [1, 1, 64, 128, 160, 255, 255]


@pytest.mark.parametrize("size", [1e-320, 1e-44, 1e-30, 1e300])
def test_weights_of_any_size(size: float) -> None:
    weights = size * np.array([[-1.0, 0.0, 1.0]])
    if size == 1e-44:
        weights = weights.astype(np.float32)
    shades = shades_of(weights, scale_of(weights))
    assert shades.tolist() == [[128, 128, 128]] if size == 1e-320 else [[1, 128, 255]]


def test_what_is_no_number() -> None:
    weights = np.array([np.nan, np.inf, -np.inf, 1, -1], np.float32)
    assert scale_of(weights) == 1
    assert shades_of(weights, 1.0).tolist() == [0, 255, 1, 255, 1]
    assert scale_of(np.full(3, np.nan)) == 1
    assert scale_of(np.zeros(3)) == 1


def test_a_few_large_weights_do_not_hide_the_others() -> None:
    weights = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    weights[:10] = 100
    rms = float(np.sqrt((weights.astype(np.float64) ** 2).mean()))
    assert scale_of(weights) == pytest.approx(3 * rms, rel=1e-5)
    assert scale_of(weights[10:20]) == pytest.approx(np.abs(weights[10:20]).max())
