"""The jobs of the process that runs networks: each takes and returns plain data, and pictures as PNGs."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from filterkit.errors import FilterkitError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.results.maps import FeatureMaps
    from filterkit.workbench import Workbench

Result = dict[str, Any]
At = Literal["post", "pre"]

THUMBNAIL = 96
"""Largest side of a feature map among others, in pixels."""

PREVIEW = 288
"""Largest side of a picture on its page, which fits on screens of 320 pixels."""


def picture(bench: Workbench, picture: bytes) -> Result:
    """An uploaded picture, decoded and small; raises if it is none."""
    from PIL import Image

    pixels = bench.read_picture(picture)
    image = Image.fromarray(pixels)
    image.thumbnail((PREVIEW, PREVIEW))
    return {"pictures": {"preview": _png(image)}, "size": pixels.shape[:2]}


def maps(bench: Workbench, picture: bytes, address: str, at: At) -> Result:
    """The feature maps of a layer or some of its filters: a picture of all, and a row for each."""
    found = bench.feature_maps(address, picture, at=at)
    tiles = bench.sheet(found).tiles
    count, height, width = _of_picture(found).shape
    tiles = _smaller(tiles.reshape(-1, *tiles.shape[2:])[:count], THUMBNAIL)
    columns = math.ceil(math.sqrt(count))
    return {
        "pictures": {"maps": _sprite(tiles, columns)},
        "rows": _rows(found),
        "columns": columns,
        "cell": tiles.shape[1:3],
        "shape": (height, width),
        "stage": found.stage,
        "provider": found.provider,
    }


def response(bench: Workbench, picture: bytes, target: str, method: str, position: str, at: At) -> Result:
    """The map of a filter, if the target is one, and the attribution of a target at a position."""
    made: Result = {"pictures": {}, "rows": [], "failed": None, "map": None}
    if "@" not in target.split("/")[0]:
        found = bench.feature_maps(target, picture, at=at)
        (only,) = _of_picture(found)
        tile = bench.sheet(found).tiles[0, 0]
        made["pictures"]["map"] = _sprite(_smaller(tile[None], PREVIEW), 1)
        made |= {
            "map": {"shape": only.shape, "shown": _shown(only.shape), **_rows(found)[0]},
            "stage": found.stage,
        }
    try:
        attributed = bench.attribute(target, picture, method=method, position=position, at=at)
    except FilterkitError as error:
        if made["map"] is None:
            raise
        return made | {"failed": (error.message, error.hint)}
    sheet = bench.sheet(attributed)
    made["pictures"]["attribution"] = bytes(
        bench.render(sheet, "mosaic", scale=1, gap=4, background="#808080")
    )
    row = attributed.to_row()
    del row["path"], row["image"]
    return made | {
        "rows": [row],
        "labels": sheet.tile_labels,
        "captions": attributed.captions,
        "notes": attributed.notes,
        "size": attributed.picture.shape[:2],
    }


def visualization(bench: Workbench, address: str) -> Result:
    """The picture to which a filter responds most."""
    found = bench.visualize(address)
    png = bytes(bench.render(bench.sheet(found), "mosaic", scale=1, gap=0))
    return {"pictures": {"visualization": png}, "rows": [*found.to_rows()], "notes": found.notes}


def add(bench: Workbench, name: str) -> Result:
    """Add a model by its name in the zoo."""
    found = bench.add(name)
    return {"model": found.model, "filters": found.filters}


def warm(bench: Workbench) -> Result:
    """Import what takes long."""
    import onnxruntime  # noqa: F401

    bench.models()
    return {}


JOBS: Mapping[str, Callable[..., Result]] = {
    "picture": picture,
    "maps": maps,
    "response": response,
    "visualization": visualization,
    "add": add,
    "warm": warm,
}


def _of_picture(found: FeatureMaps) -> NDArray[np.floating]:
    """The maps, shape (count, height, width)."""
    maps = found.array
    if maps.ndim != 3:
        raise FilterkitError(
            f"the maps of {next(iter(found.addresses.values()))} have {maps.ndim - 1} dimensions, not two",
            hint="filterkit maps -o FILE.npz writes them",
        )
    return maps


def _rows(found: FeatureMaps) -> list[dict[str, Any]]:
    """A row for each map: what made it, its mean and maximum, and where that is."""
    import numpy as np

    rows = []
    (makers,), (labels,) = found.makers.values(), found.labels.values()
    for address, label, values in zip(makers, labels, _of_picture(found), strict=True):
        place = np.unravel_index(int(np.nan_to_num(values, nan=-np.inf).argmax()), values.shape)
        y, x = map(int, place)
        mean = float(values.mean(dtype="float64"))
        rows.append(
            {"address": address, "label": label, "mean": mean, "max": float(values[y, x]), "y": y, "x": x}
        )
    return rows


def _shown(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of an enlarged map on its page: whole pixels for each value, where that fits."""
    scale = PREVIEW / max(shape)
    scale = math.floor(scale) if scale >= 1 else scale
    height, width = (max(1, round(side * scale)) for side in shape)
    return height, width


def _smaller(tiles: NDArray[np.floating], side: int) -> NDArray[np.floating]:
    """Tiles, shape (count, height, width), with means of neighbours so that no side is longer."""
    step = math.ceil(max(tiles.shape[1:3]) / side)
    if step == 1:
        return tiles
    height, width = (max(1, size // step) for size in tiles.shape[1:3])
    cut = tiles[:, : height * step, : width * step]
    blocks = cut.reshape(len(tiles), height, min(step, cut.shape[1]), width, min(step, cut.shape[2]))
    smaller: NDArray[np.floating] = blocks.mean(axis=(2, 4))
    return smaller


def _sprite(tiles: NDArray[np.floating], columns: int) -> bytes:
    """Tiles in rows without gaps, as a picture from which a page cuts them."""
    import numpy as np
    from PIL import Image

    count, height, width = tiles.shape
    rows = -(-count // columns)
    canvas = np.zeros((rows * columns, height, width), np.uint8)
    canvas[:count] = np.rint(np.nan_to_num(tiles).clip(0, 1) * 255)
    canvas = canvas.reshape(rows, columns, height, width).swapaxes(1, 2)
    return _png(Image.fromarray(np.ascontiguousarray(canvas).reshape(rows * height, columns * width)))


def _png(image: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
