"""Sheets: the place and label of every tile."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.errors import UsageError
from filterkit.normalizers.minmax import MinMax
from filterkit.records import Normalized
from filterkit.sheets.maps import maps_sheet
from filterkit.sheets.tiles import MOST_ADDRESSED, LayerChannels, arrange, bank_sheet


def normalized(*shape: int) -> Normalized:
    """Values that are all distinct, so that a misplaced tile is noticed."""
    return MinMax().normalize(np.arange(math.prod(shape), dtype=np.float32).reshape(shape))


def test_a_table_has_a_row_per_filter_and_a_column_per_kernel() -> None:
    bank = normalized(6, 3, 3, 3)
    sheet = bank_sheet(
        bank, filters=range(10, 16), kernels=[0, 1, 2], channel_names=("B", "G", "R"), title="m/l"
    )
    np.testing.assert_array_equal(sheet.tiles, bank.values)
    assert (sheet.rows, sheet.columns, sheet.count) == (6, 3, 18)
    assert sheet.row_labels == ("10", "11", "12", "13", "14", "15")
    assert sheet.column_labels == ("B", "G", "R")
    assert sheet.tile_labels == ()
    assert (sheet.title, sheet.note) == ("m/l", "min-max over the layer")
    assert sheet.provenance == {"order": "one row per filter, one column per kernel"}
    assert (sheet.vmin, sheet.vmax, sheet.centre) == (0, 161, 0)


def test_labels_are_looked_up_by_number_within_the_layer() -> None:
    sheet = bank_sheet(
        normalized(2, 2, 3, 3),
        filters=[3, 1],
        kernels=[2, 5],
        channel_names=("B", "G", "R"),
        filter_labels=("a", "b", "c", "d"),
        note="said",
    )
    assert sheet.row_labels == ("d", "b")
    assert sheet.column_labels == ("R", "5")
    assert sheet.note == "said"


@pytest.mark.parametrize("names", [("B", "G", "R"), ("R", "G", "B"), ("G", "R", "B")])
def test_colour_pictures_are_red_green_blue_whatever_the_network_reads(names: tuple[str, ...]) -> None:
    bank = normalized(64, 3, 3, 5)
    sheet = bank_sheet(bank, filters=range(64), kernels=range(3), channel_names=names, channels="rgb")
    assert sheet.tiles.shape == (8, 8, 3, 5, 3)
    assert sheet.is_colour
    assert sheet.tile_labels == tuple(map(str, range(64)))
    for channel, name in enumerate("RGB"):
        np.testing.assert_array_equal(sheet.tiles[1, 2, ..., channel], bank.values[10, names.index(name)])


def test_colour_pictures_follow_the_kernels_given() -> None:
    bank = normalized(2, 3, 3, 3)
    sheet = bank_sheet(bank, filters=[0, 1], kernels=[2, 1, 0], channel_names=("B", "G", "R"), channels="rgb")
    np.testing.assert_array_equal(sheet.tiles[0, 0, ..., 0], bank.values[0, 0])


@pytest.mark.parametrize("names", [(), ("gray", "x", "y"), ("R", "G"), ("R", "R", "B")])
def test_colour_pictures_need_red_green_and_blue(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="R, G and B") as caught:
        bank_sheet(
            normalized(2, 3, 3, 3), filters=[0, 1], kernels=range(3), channel_names=names, channels="rgb"
        )
    assert "separate" in str(caught.value.hint)


def test_first_draws_the_first_kernel_and_says_which() -> None:
    bank = normalized(16, 4, 3, 3)
    sheet = bank_sheet(bank, filters=range(16), kernels=[8, 9, 10, 11], channels="first")
    np.testing.assert_array_equal(sheet.tiles.reshape(16, 3, 3), bank.values[:, 0])
    assert sheet.note == "min-max over the layer; kernel 8 only"
    named = bank_sheet(
        bank, filters=range(16), kernels=[2, 0, 1, 3], channel_names="BGRA", channels="first", note=""
    )
    assert named.note == "R only"


def test_one_kernel_per_filter_is_arranged_near_square() -> None:
    bank = normalized(13, 1, 3, 3)
    sheet = bank_sheet(bank, filters=range(13), kernels=[4])
    assert (sheet.rows, sheet.columns, sheet.count) == (4, 4, 13)
    np.testing.assert_array_equal(sheet.tiles.reshape(16, 3, 3)[:13], bank.values[:, 0])
    assert sheet.row_labels == sheet.column_labels == ()
    assert len(sheet.tile_labels) == 13


def test_one_filter_alone_is_arranged_near_square() -> None:
    bank = normalized(1, 64, 3, 3)
    sheet = bank_sheet(bank, filters=[5], kernels=range(64))
    assert (sheet.rows, sheet.columns) == (8, 8)
    np.testing.assert_array_equal(sheet.tiles.reshape(64, 3, 3), bank.values[0])
    assert sheet.tile_labels[63] == "63"


def test_one_dimensional_kernels_are_strips() -> None:
    sheet = bank_sheet(normalized(2, 3, 7), filters=[0, 1], kernels=range(3))
    assert sheet.tiles.shape == (2, 3, 1, 7)


def test_slices_of_three_dimensional_kernels_stand_side_by_side() -> None:
    bank = normalized(2, 3, 4, 5, 6)
    sheet = bank_sheet(bank, filters=[0, 1], kernels=range(3))
    assert sheet.tile_shape == (5, 24)
    for depth in range(4):
        np.testing.assert_array_equal(
            sheet.tiles[1, 2, :, 6 * depth : 6 * depth + 6], bank.values[1, 2, depth]
        )


def test_maps_are_arranged_near_square_with_their_numbers() -> None:
    maps = normalized(64, 1, 7, 9)
    sheet = maps_sheet(maps, filters=range(100, 164), title="t", note="n")
    assert sheet.tiles.shape == (8, 8, 7, 9)
    np.testing.assert_array_equal(sheet.tiles[7, 7], maps.values[63, 0])
    assert sheet.tile_labels[0] == "100"
    assert (sheet.title, sheet.note) == ("t", "n")


def test_tiles_of_a_table_are_not_copied() -> None:
    bank = normalized(64, 64, 3, 3)
    assert np.shares_memory(bank_sheet(bank, filters=range(64), kernels=range(64)).tiles, bank.values)


@pytest.mark.parametrize("shape", [(0, 3, 3, 3), (3, 0, 3, 3)])
def test_nothing_selected_is_wrong_use(shape: Any) -> None:
    with pytest.raises(UsageError, match="nothing to draw"):
        bank_sheet(normalized(*shape), filters=range(shape[0]), kernels=range(shape[1]))


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (1, 1)), (3, (1, 3)), (6, (2, 3)), (13, (4, 4)), (32, (4, 8)), (64, (8, 8)), (512, (16, 32))],
)
def test_arrangements_of_square_tiles(count: int, expected: tuple[int, int]) -> None:
    assert arrange(count, 3, 3) == expected


def test_long_strips_go_below_each_other() -> None:
    assert arrange(13, 1, 256) == (13, 1)


@given(st.integers(1, 3000), st.integers(1, 300), st.integers(1, 300))
def test_every_tile_has_a_place_and_no_row_is_empty(count: int, height: int, width: int) -> None:
    rows, columns = arrange(count, height, width)
    assert rows * columns >= count > (rows - 1) * columns


@pytest.mark.parametrize(
    ("filters", "kernels", "channels", "addresses"),
    [
        ([3, 1], [0, 2, 1], "separate", ["m/l/3/0", "m/l/3/2", "m/l/3/1", "m/l/1/0", "m/l/1/2", "m/l/1/1"]),
        ([3, 1], [0, 2, 1], "first", ["m/l/3/0", "m/l/1/0"]),
        ([3, 1], [0, 2, 1], "rgb", ["m/l/3", "m/l/1"]),
        ([3, 1], [2], "separate", ["m/l/3/2", "m/l/1/2"]),
        ([3], [0, 2, 1], "separate", ["m/l/3/0", "m/l/3/2", "m/l/3/1"]),
    ],
)
def test_every_tile_knows_its_address_and_its_weights(
    filters: list[int], kernels: list[int], channels: LayerChannels, addresses: list[str]
) -> None:
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 5)).astype(np.float32)
    chosen = np.ix_(filters, kernels)
    scaled = MinMax(per="filter").normalize(weights)
    sheet = bank_sheet(
        replace(scaled, values=scaled.values[chosen]),
        filters=filters,
        kernels=kernels,
        channel_names=("B", "G", "R"),
        channels=channels,
        values=weights[chosen],
        address="m/l",
    )
    assert list(sheet.addresses) == addresses
    assert sheet.values is not None
    tiles = sheet.values.reshape(-1, *sheet.values.shape[2:])[: sheet.count]
    for tile, address in zip(tiles, addresses, strict=True):
        number, *kernel = map(int, address.split("/")[2:])
        shown = weights[number, kernel[0]] if kernel else weights[number, ::-1].transpose(1, 2, 0)
        np.testing.assert_array_equal(tile, shown)


def test_a_sheet_of_millions_of_tiles_carries_no_addresses() -> None:
    for kernels, carried in ((MOST_ADDRESSED // 512, MOST_ADDRESSED), (MOST_ADDRESSED // 512 + 1, 0)):
        made = normalized(512, kernels, 1, 1)
        sheet = bank_sheet(made, filters=range(512), kernels=range(kernels), address="m/l")
        assert (sheet.count, len(sheet.addresses)) == (512 * kernels, carried)


def test_sheets_without_optional_fields() -> None:
    sheet = bank_sheet(normalized(2, 2, 3, 3), filters=[0, 1], kernels=[0, 1])
    assert (sheet.values, sheet.addresses) == (None, ())
    maps = np.arange(30, dtype=np.float32).reshape(5, 1, 2, 3)
    carried = maps_sheet(MinMax().normalize(maps), filters=range(5), values=maps).values
    assert carried is not None
    np.testing.assert_array_equal(carried.reshape(-1, 2, 3)[:5], maps[:, 0])
