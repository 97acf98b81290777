"""JPEG and WebP of both renderers, read back with Pillow and compared with their PNG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from filterkit.errors import UsageError
from filterkit.records import TileSheet
from filterkit.renderers.grid import Grid
from filterkit.renderers.mosaic import Mosaic

FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}
MEDIA = {"JPEG": "image/jpeg", "WEBP": "image/webp"}


def read(data: bytes, kind: str) -> Any:
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == kind
        return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize("renderer", [Grid, Mosaic])
@pytest.mark.parametrize("colormap", ["gray", "RdBu_r"])
@pytest.mark.parametrize("format", FORMATS)
def test_the_picture_is_that_of_the_png(
    make_sheet: Any, renderer: type[Grid | Mosaic], colormap: str, format: Any
) -> None:
    sheet, kind = make_sheet(), FORMATS[format]
    made = renderer(format=format, colormap=colormap)
    assert (made.suffix, made.media_type) == (f".{format}", MEDIA[kind])
    exact = read(renderer(colormap=colormap).render(sheet), "PNG")
    sizes, ratios = [], []
    for quality in (1, 30, None, 100):
        data = renderer(format=format, colormap=colormap, quality=quality).render(sheet)
        assert data == renderer(format=format, colormap=colormap, quality=quality).render(sheet)
        pixels = read(data, kind)
        assert pixels.shape == exact.shape
        sizes.append(len(data))
        ratios.append(peak_signal_noise_ratio(exact, pixels))
    assert sizes == sorted(sizes)
    assert ratios == sorted(ratios)
    assert ratios[2] > 28, "the default shows artefacts"


@pytest.mark.parametrize(("format", "limit"), [("jpg", 65_500), ("jpeg", 65_500), ("webp", 16_383)])
def test_the_limits_of_the_formats(format: Any, limit: int) -> None:
    def wide(width: int) -> TileSheet:
        return TileSheet(np.full((1, 1, 1, width), 0.5, np.float32), count=1)

    made = Mosaic(format=format, scale=1, gap=0)
    assert read(made.render(wide(limit)), FORMATS[format]).shape == (1, limit, 3)
    with pytest.raises(UsageError, match=rf"{limit + 1:,} × 1 pixels are too many for \.{format}") as caught:
        made.render(wide(limit + 1))
    assert "write a .png" in str(caught.value.hint)


@pytest.mark.parametrize("renderer", [Grid, Mosaic])
def test_a_quality_that_is_none(renderer: type[Grid | Mosaic]) -> None:
    for quality in (0, 101, -5):
        with pytest.raises(UsageError, match=f"between 1 and 100, not {quality}"):
            renderer(format="jpg", quality=quality)
    with pytest.raises(UsageError, match="no effect on png"):
        renderer(quality=90)
    with pytest.raises(UsageError, match="cannot write 'gif'"):
        renderer(format="gif")  # type: ignore[arg-type]
