"""Sheets of all kinds, as made from filters and feature maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterkit.records import TileSheet

MANY = 1200


def ordinary_sheet() -> TileSheet:
    """Two filters with three kernels each, labelled by row and column."""
    return TileSheet(
        tiles=_tiles(2, 3, 5, 5),
        count=6,
        title="model/layer",
        note="min-max over the layer",
        row_labels=("0", "1"),
        column_labels=("R", "G", "B"),
        vmin=-1.0,
        vmax=2.0,
        centre=1 / 3,
    )


def trial_sheets() -> Iterator[tuple[str, TileSheet]]:
    """Names and sheets that a renderer must support."""
    sheet = ordinary_sheet()
    yield "an ordinary sheet", sheet
    yield "no text", TileSheet(_tiles(2, 3, 5, 5), 6)
    yield "colours", TileSheet(_tiles(2, 2, 5, 5, 3), 4, "colours", tile_labels=tuple("abcd"))
    yield "empty cells", gallery()
    yield "one tile", TileSheet(_tiles(1, 1, 7, 7), 1, "one", tile_labels=("0",))
    yield "a single pixel", TileSheet(_tiles(1, 1, 1, 1), 1, "pixel")
    yield "tiles one pixel high", TileSheet(_tiles(3, 2, 1, 9), 6, "1-D", row_labels=tuple("012"))
    yield "oblong tiles", TileSheet(_tiles(2, 2, 3, 40), 4, "wide")
    yield "one long row", TileSheet(_tiles(1, 60, 3, 3), 60, "row")
    yield "one tall column", TileSheet(_tiles(60, 1, 3, 3), 60, "column")
    yield "large maps", TileSheet(_tiles(2, 2, 224, 224), 4, "maps")
    values = sheet.tiles * 3 - 1
    values[0, 0, 0, :3] = np.nan, np.inf, -np.inf
    addresses = tuple(f"model/layer/{row}/{column}" for row in range(2) for column in range(3))
    yield "values and addresses", replace(sheet, values=values, addresses=addresses)
    yield "metrics", replace(sheet, values=values, addresses=addresses, metrics=_metrics())
    yield "text metrics", replace(sheet, addresses=addresses, metrics=_metrics(), texts=_texts())
    somewhere = ("", addresses[1], "", "", "", "")
    yield "tiles, one of them in a catalog", replace(sheet, values=values, addresses=somewhere)
    yield "all black", replace(sheet, tiles=np.zeros_like(sheet.tiles))
    yield "all white", replace(sheet, tiles=np.ones_like(sheet.tiles))
    yield "a constant layer", replace(sheet, tiles=np.full_like(sheet.tiles, 0.5), vmin=2.0, vmax=2.0)
    yield "a huge range", replace(sheet, vmin=-3e38, vmax=3e38, centre=0.5)
    yield "a tiny range", replace(sheet, vmin=0.0, vmax=1e-45, centre=0.0)
    yield "float16", replace(sheet, tiles=sheet.tiles.astype(np.float16))
    yield "float64", replace(sheet, tiles=sheet.tiles.astype(np.float64))
    yield "a strided view", replace(sheet, tiles=_tiles(2, 3, 10, 10)[:, :, ::2, ::2])
    words = "<b>&amp; \"$x_1$\" '%s' {0} \\n"
    yield "special characters", replace(sheet, title=words, note=words, row_labels=(words, words))
    yield "other scripts", replace(sheet, title="層 фильтр ∑ ë", row_labels=("α", "🙂"))
    yield "control characters", replace(sheet, title="a\x00b\nc\x1b[31m", column_labels=("\t", "\r", "\x7f"))
    yield "long text", replace(sheet, title="long " * 60, row_labels=("label" * 20, "0"))


def _metrics() -> Mapping[str, NDArray[np.floating[Any]]]:
    """As returned by the catalog: not a dict, read-only, and with missing values."""
    metrics = {
        "l2_norm": np.array([2.0, 2.0, 2.0, 1.5, 1.5, 1.5]),
        "opponency": np.full(6, np.nan),
        "orientation": np.array([170.0, np.nan, 0.0, 1e-300, -1e300, 3.0]),
        "of_a_plugin": np.array([0, np.nan, 1, 1, 0, 0]),
    }
    for values in metrics.values():
        values.flags.writeable = False
    return MappingProxyType(metrics)


def _texts() -> Mapping[str, NDArray[np.str_]]:
    """Types, a boolean that is also numeric, an empty column, and special characters."""
    texts = {
        "classic_type": np.array(["edge", "blur", "edge", "", "other", "blur"]),
        "classic_kernel": np.full(6, ""),
        "of_a_plugin": np.array(["no", "", "yes", "yes", "no", "no"]),
        "remark": np.array(
            ["</script><b>", "{0} %s $x$", "é 層 🙂", "a\x00b\n\x1b[31m", "long " * 60, '"\\']
        ),
    }
    for values in texts.values():
        values.flags.writeable = False
    return MappingProxyType(texts)


def gallery() -> TileSheet:
    """Five tiles in six cells."""
    tiles = _tiles(2, 3, 5, 5)
    tiles[1, 2] = 0
    return TileSheet(tiles, 5, "five", tile_labels=tuple("abcde"), vmin=0.0, vmax=1.0, centre=0.0)


def many_tiles() -> TileSheet:
    """More tiles than fit into a labelled figure."""
    return TileSheet(_tiles(MANY // 30, 30, 3, 3), MANY, "many")


def _tiles(*shape: int) -> NDArray[np.floating[Any]]:
    return np.random.default_rng(len(shape)).random(shape, dtype=np.float32)
