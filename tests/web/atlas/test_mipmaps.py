"""Overviews, compared with means of the whole picture."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import halved as by_brute_force
from numpy.typing import NDArray

from filterkit.web.atlas import mipmaps


def picture(width: int, height: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(width)
    return (rng.integers(1, 256, (height, width)) * (rng.random((height, width)) < 0.6)).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3), (257, 64), (1000, 777), (31, 2049)])
def test_all_levels_are_means_of_the_whole(width: int, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = picture(width, height)

    def region(x: int, y: int, wide: int, high: int) -> NDArray[np.uint8]:
        assert y + high <= height
        return whole[y : y + high, x : x + wide]

    for strip in (mipmaps.STRIP, 4096):
        monkeypatch.setattr(mipmaps, "STRIP", strip)
        found = mipmaps.overviews(region, width, height, 6)
        assert sorted(found) == [1, 2, 3, 4, 5, 6]
        for level, shades in found.items():
            assert np.array_equal(shades, by_brute_force(whole, level))


def test_large_pictures_keep_only_coarse_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = picture(500, 300)
    monkeypatch.setattr(mipmaps, "MOST_PIXELS", 5000)
    found = mipmaps.overviews(lambda x, y, w, h: whole[y : y + h, x : x + w], 500, 300, 5)
    assert sorted(found) == [3, 4, 5]
    assert sum(each.size for each in found.values()) < 5000
    for level, shades in found.items():
        assert np.array_equal(shades, by_brute_force(whole, level))


@pytest.mark.parametrize(
    ("width", "height", "level"),
    [(6204, 4513, 1), (12_000, 12_000, 1), (12_400, 12_400, 2), (10**6, 10**5, 6)],
)
def test_overviews_are_bounded(width: int, height: int, level: int) -> None:
    assert mipmaps.first_kept(width, height) == level


def test_no_overviews_of_what_fits_one_tile() -> None:
    assert mipmaps.overviews(lambda *_: np.zeros((1, 1), np.uint8), 100, 100, 0) == {}
