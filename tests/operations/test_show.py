"""Sheets of filters: of a layer, of picked filters, and one per layer."""

from __future__ import annotations

import numpy as np
import pytest
from small_network import FIRST

import filterkit
from filterkit.errors import NotFoundError


def test_a_sheet_of_one_layer(small: filterkit.Workbench) -> None:
    sheet = small.sheet("net/conv1/0:2")
    assert (sheet.rows, sheet.columns, sheet.tile_shape) == (2, 3, (3, 3))
    np.testing.assert_allclose(
        sheet.tiles, ((FIRST - FIRST.min()) / (FIRST.max() - FIRST.min()))[:2], atol=1e-6
    )
    with pytest.raises(filterkit.UsageError, match="names 2"):
        small.sheet("net")


def test_a_sheet_of_picked_filters_keeps_their_order(small: filterkit.Workbench) -> None:
    picked = ["net/conv2/1/3", "classic/edge_sobel_x/0/0", "net/conv1/0/2"]
    sheet = small.sheet(picked)
    assert sheet.count == 3
    assert [address.rpartition("/")[0] for address in sheet.addresses] == [
        address.rpartition("/")[0] for address in picked
    ]
    with pytest.raises(NotFoundError, match="no filters"):
        small.sheet([])


def test_one_sheet_per_layer(small: filterkit.Workbench) -> None:
    sheets = dict(small.sheets("net"))
    assert {name: sheet.count for name, sheet in sheets.items()} == {"conv1": 12, "conv2": 8}
