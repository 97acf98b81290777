"""The data of a sheet that the page receives."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import filterkit
import numpy as np
from numpy.typing import NDArray


def page_data(sheet: filterkit.TileSheet) -> dict[str, Any]:
    """The sheet as JSON data; `tiles.js` documents the keys.

    Tiles are bytes, one per gray level or colour value, and their numbers are float32, both tile by tile
    without the empty places.
    """
    height, width = sheet.tile_shape
    values, known = _values(sheet)
    return {
        "title": sheet.title,
        "note": sheet.note,
        "count": sheet.count,
        "rows": sheet.rows,
        "columns": sheet.columns,
        "height": height,
        "width": width,
        "channels": 3 if sheet.is_colour else 1,
        "rowLabels": sheet.row_labels,
        "columnLabels": sheet.column_labels,
        "tileLabels": sheet.tile_labels,
        "addresses": sheet.addresses,
        "ends": None if sheet.vmin is None or sheet.vmax is None else [sheet.vmin, sheet.vmax],
        "known": known,
        "metrics": _metrics(sheet),
        "levels": _text(np.rint(_tiles(sheet, sheet.tiles) * 255).astype(np.uint8)),
        "values": _text(values.astype("<f4")),
    }


def _values(sheet: filterkit.TileSheet) -> tuple[NDArray[Any], bool]:
    """The numbers that the tiles show, and whether they are known; gray levels if not."""
    if sheet.values is not None:
        return _tiles(sheet, sheet.values), True
    tiles = _tiles(sheet, sheet.tiles).astype(np.float64)
    if sheet.vmin is None or sheet.vmax is None:
        return tiles, False
    return sheet.vmin * (1 - tiles) + sheet.vmax * tiles, True


def _metrics(sheet: filterkit.TileSheet) -> dict[str, Any]:
    """The catalog's metrics, without those that no tile has. Kernels of one filter share a row."""
    words = {name: _words(texts) for name, texts in sheet.texts.items()}
    metrics: dict[str, NDArray[Any]] = {
        name: _places(texts, words[name]) for name, texts in sheet.texts.items()
    }
    metrics |= {name: values for name, values in sheet.metrics.items() if name not in words}
    metrics = {name: values for name, values in metrics.items() if not np.isnan(values).all()}
    if not metrics:
        return {"names": [], "words": [], "rows": "", "row": ""}
    table = np.stack(list(metrics.values()), axis=1).astype("<f8")
    whole = table.view(np.dtype((np.void, table.itemsize * len(metrics)))).ravel()
    _, first, row = np.unique(whole, return_index=True, return_inverse=True)
    return {
        "names": list(metrics),
        "words": [words.get(name) for name in metrics],
        "rows": _text(table[first]),
        "row": _text(row.astype("<u4")),
    }


def _words(texts: Iterable[str]) -> list[str]:
    """Every text once, in alphabetical order."""
    return sorted({str(text) for text in texts} - {""}, key=lambda text: (text.casefold(), text))


def _places(texts: Iterable[str], words: list[str]) -> NDArray[np.float64]:
    """The index of each text among the words, NaN for none, so that texts sort like numbers."""
    place = {word: float(number) for number, word in enumerate(words)}
    return np.array([place.get(text, np.nan) for text in texts])


def _tiles(sheet: filterkit.TileSheet, plane: NDArray[Any]) -> NDArray[Any]:
    """One tile after the other, without the empty places."""
    return plane.reshape(-1, *plane.shape[2:])[: sheet.count]


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
