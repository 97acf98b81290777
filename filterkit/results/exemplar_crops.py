"""The crops of exemplars, cut out of their original pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from filterkit.errors import ImageError, NotFoundError, UsageError
from filterkit.image_sources.by_hash import PicturesByHash
from filterkit.image_sources.decoding import content_pixels, decoded_ahead
from filterkit.records import SourceImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray, Preprocessing
    from filterkit.results.exemplars import Exemplars

SIDES = (96, 64, 48, 32, 24)
"""Sizes of crops in pixels."""

MOST_PIXELS = 12_000_000
"""Of all crops together; with more crops they are smaller."""


class Crops(NamedTuple):
    """The crops of all rows.

    Attributes
    ----------
    pictures
        Shape (rows, side, side, 3), between 0 and 1; NaN beside a crop that is not square, and for pictures
        that were not found.
    missing
        Their names.
    """

    pictures: FloatArray
    missing: tuple[str, ...]


def crops(exemplars: Exemplars) -> Crops:
    """Cut the crops of all rows out of their pictures, of which each is read once.

    Raises
    ------
    UsageError
        There are no rows, or they have no pictures.
    NotFoundError
        None of the pictures was found.
    """
    rows = list(exemplars)
    if not rows:
        raise UsageError("there is nothing to draw: no rows were selected", hint="select other rows")
    if any(row["box"] is None for row in rows):
        raise UsageError(
            "the network takes no pictures, so that there are none to draw", hint="leave out -o for the rows"
        )
    side = next((each for each in SIDES if len(rows) * each**2 <= MOST_PIXELS), SIDES[-1])
    made = np.full((len(rows), side, side, 3), np.nan, np.float32)
    of_picture: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        of_picture[row["image"], row["sha256"]].append(number)
    by_hash = PicturesByHash(exemplars.elsewhere, exemplars.kept)
    missing: list[str] = []

    def cut(image: SourceImage) -> list[tuple[int, NDArray[Any]]]:
        numbers = of_picture[image.name, str(image.label)]
        content = by_hash.find(image.name, str(image.label))
        if content is None:
            raise ImageError(f"picture {image.name} was not found")
        preprocessing = exemplars.preprocessings[rows[numbers[0]]["address"].partition("/")[0]]
        pixels = _colours(content_pixels(content, image.name, _required(preprocessing), note=_ignore))
        boxes = {number: tuple(rows[number]["box"]) for number in numbers}
        framed = {box: _framed(pixels, box, side) for box in {*boxes.values()}}
        return [(number, framed[box]) for number, box in boxes.items()]

    images = [SourceImage(path, lambda: b"", sha256) for path, sha256 in of_picture]
    for image, result in decoded_ahead(images, cut):
        if isinstance(result, list):
            for number, crop in result:
                made[number] = crop
        else:
            missing.append(image.name)
    if len(missing) == len(images):
        archive, mark, _ = missing[0].rpartition("!")
        where = f"--pictures zip:{archive}" if mark and archive.endswith(".zip") else "--pictures FOLDER"
        raise NotFoundError(
            f"none of the {len(images):,} pictures was found, e.g. {missing[0]}",
            hint=f"{where} finds them by their content, wherever they are",
        )
    return Crops(made, tuple(missing))


def _ignore(text: str) -> None:
    """What is unusual about a picture was reported when it was observed."""


def _required(preprocessing: Preprocessing | None) -> Preprocessing:
    if preprocessing is None:
        raise UsageError("the network takes no pictures")
    return preprocessing


def _colours(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Three channels, uint8: of bands the first three, or the first one as gray."""
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)


def _framed(pixels: NDArray[np.uint8], box: Sequence[int], side: int) -> FloatArray:
    """The box, as large as fits into a square tile."""
    from PIL import Image

    height, width = pixels.shape[:2]
    top, left = min(box[0], height - 1), min(box[1], width - 1)
    part = pixels[top : max(box[2], top + 1), left : max(box[3], left + 1)]
    scale = side / max(part.shape[:2])
    size = max(round(part.shape[0] * scale), 1), max(round(part.shape[1] * scale), 1)
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR
    resized = np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize(size[::-1], how))
    tile = np.full((side, side, 3), np.nan, np.float32)
    down, across = (side - size[0]) // 2, (side - size[1]) // 2
    tile[down : down + size[0], across : across + size[1]] = resized / np.float32(255)
    return tile
