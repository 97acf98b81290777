"""The sheet of an ablation: a row per filter with its kernel, its map and a bar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from filterkit.errors import UsageError
from filterkit.normalizers.symmetric import Symmetric
from filterkit.records import TileSheet
from filterkit.results.ablate import AblatedLayer, Ablations
from filterkit.sheets.ablations import BAR, FALLS, GAP, MOST, RISES, SIDE

BANK = np.arange(-54, 54, dtype=np.float32).reshape(4, 3, 3, 3)
MAPS = np.arange(4 * 10 * 20, dtype=np.float32).reshape(4, 10, 20)


def sheet(changes: list[float], layer: AblatedLayer | None = None, **options: Any) -> TileSheet:
    rows = [
        {"address": f"net/conv/{number % 4}", "target": "net@0:1", "before": 5.0, "change": change}
        for number, change in enumerate(changes)
    ]
    given: dict[str, Any] = {"target": "net@0:1", "filters": 9, "images": 1, "first_image": "a.png"}
    given |= {"provider": "cpu", "models": {"net": "00"}} | options
    layer = layer or AblatedLayer(BANK, (), MAPS)
    return Ablations(rows, ("address", "change"), layers={"net/conv": layer}, **given).to_sheet(
        Symmetric(per="filter")
    )


def bars(made: TileSheet) -> np.ndarray:
    return made.tiles[:, 0, SIDE // 2, -BAR:]


def test_one_row_per_filter() -> None:
    made = sheet([-3, 1, 0])
    assert made.tiles.shape == (3, 1, SIDE, 2 * SIDE + 2 * GAP + BAR, 3)
    assert made.row_labels == ("conv/0  -3", "conv/1  +1", "conv/2  +0")
    assert made.addresses == ("net/conv/0", "net/conv/1", "net/conv/2")
    assert made.title == "net@0:1 without filters of net/conv: a.png"
    assert "with all filters 5; bar: the change without the filter" in made.note
    assert "3 of 9 filters" in made.note
    assert made.tiles.min() >= 0
    assert made.tiles.max() <= 1


def test_bars_are_proportional_and_share_zero() -> None:
    falls, rises, none = bars(sheet([-3, 1, 0]))
    blue = np.isclose(falls, FALLS, atol=1e-6).all(axis=1).sum()
    red = np.isclose(rises, RISES, atol=1e-6).all(axis=1).sum()
    assert blue / red == pytest.approx(3, rel=0.03)
    assert blue + red == pytest.approx(BAR, abs=3)
    assert not np.isclose(none, FALLS, atol=1e-6).all(axis=1).any()
    only = bars(sheet([2.0, 1.0]))
    lengths = [int(np.isclose(bar, RISES, atol=1e-6).all(axis=1).sum()) for bar in only]
    assert lengths == pytest.approx([BAR, BAR / 2], abs=1.5)
    assert (bars(sheet([0.0]))[0, 1:] == 1).all()


def test_the_strongest_kernel_and_the_map() -> None:
    tile = sheet([1.0]).tiles[0, 0]
    kernel = Symmetric(per="filter").normalize(BANK[:1, :1]).values[0, 0]
    assert tile[0, 0, 0] == pytest.approx(kernel[0, 0])
    assert tile[SIDE - 1, SIDE - 1, 0] == pytest.approx(kernel[2, 2])
    shown = tile[:, SIDE + GAP : 2 * SIDE + GAP, 0]
    assert (shown[: SIDE // 4] == 1).all()  # the map is twice as wide as high
    assert shown[SIDE // 4, 0] == 0
    assert shown[3 * SIDE // 4 - 1, -1] == 1


def test_filters_of_pictures_are_in_colour_and_maps_may_be_unknown() -> None:
    bank = np.zeros((4, 3, 3, 3), np.float32)
    bank[0, 0] = 1  # blue
    made = sheet([1.0], AblatedLayer(bank, ("B", "G", "R"), None))
    assert made.tiles.shape[3] == SIDE + GAP + BAR
    assert made.tiles[0, 0, 0, 0] == pytest.approx([0.5, 0.5, 1])
    assert made.note.endswith("; each filter")


def test_large_maps_are_shrunk_by_means() -> None:
    maps = np.zeros((4, 4 * SIDE, 2 * SIDE), np.float32)
    maps[:, ::4] = 1  # one row of four
    maps[:, :, :SIDE] = 0
    tile = sheet([1.0], AblatedLayer(BANK, (), maps)).tiles[0, 0, :, SIDE + GAP : 2 * SIDE + GAP, 0]
    assert set(np.unique(tile[:, : SIDE // 2])) == {0.0}
    assert set(np.unique(tile[:, SIDE // 2 :])) == {1.0}


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
def test_other_ranks(shape: tuple[int, ...]) -> None:
    layer = AblatedLayer(np.ones((4, 2, *shape), np.float32), (), np.ones((4, *shape), np.float32))
    assert sheet([1.0], layer).count == 1


def test_limits() -> None:
    assert sheet([1.0] * (MOST + 5)).count == MOST
    with pytest.raises(UsageError, match="nothing to draw"):
        sheet([])


def test_estimates_and_several_pictures_are_named() -> None:
    made = sheet([1.0], estimated=True, images=3)
    assert "bar: the estimated change" in made.note
    assert made.title.endswith("mean of 3 images")
