"""Sheets to draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from filterkit.records import TileSheet

MakeSheet = Callable[..., TileSheet]


@pytest.fixture
def make_sheet() -> MakeSheet:
    """A sheet of random tiles with row and column labels; keywords replace what `TileSheet` takes."""

    def make(rows: int = 6, columns: int = 3, height: int = 3, width: int = 3, **more: Any) -> TileSheet:
        fields: dict[str, Any] = {
            "tiles": np.random.default_rng(3).random((rows, columns, height, width), np.float32),
            "count": rows * columns,
            "title": "vgg16/block1_conv1/0:6",
            "note": "min-max over the layer",
            "row_labels": tuple(map(str, range(rows))),
            "column_labels": tuple(map(str, range(columns))),
            "vmin": -0.5,
            "vmax": 1.5,
            "centre": 0.25,
        }
        return TileSheet(**{**fields, **more})

    return make


@pytest.fixture
def make_gallery(make_sheet: MakeSheet) -> MakeSheet:
    """The same, with labels of their own on the tiles and, maybe, empty places behind them."""

    def make(rows: int = 4, columns: int = 4, count: int = 13, **more: Any) -> TileSheet:
        labels = tuple(map(str, range(count)))
        plain = {"row_labels": (), "column_labels": (), "tile_labels": labels, "count": count}
        return make_sheet(rows, columns, **{**plain, **more})

    return make
