"""The mosaic, read back with Pillow and compared with scikit-image's montage."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.util import montage

from filterkit.errors import UsageError
from filterkit.normalizers.minmax import MinMax
from filterkit.plugins.protocols import Renderer
from filterkit.records import TileSheet
from filterkit.renderers.mosaic import Mosaic
from filterkit.sheets.tiles import bank_sheet


def read(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def test_fits_the_protocol() -> None:
    assert isinstance(Mosaic(), Renderer)
    assert (Mosaic().media_type, Mosaic().suffix) == ("image/png", ".png")


@pytest.mark.parametrize("gap", [0, 1, 5])
@pytest.mark.parametrize("shape", [(6, 3, 3, 3), (1, 1, 1, 1), (4, 7, 2, 5), (9, 2, 1, 16)])
def test_lies_as_scikit_image_lays_it(make_sheet: Any, gap: int, shape: tuple[int, ...]) -> None:
    sheet = make_sheet(*shape)
    levels = np.floor(sheet.tiles.astype(np.float64) * 255 + 0.5).astype(np.uint8)
    expected = montage(
        levels.reshape(-1, *shape[2:]),
        grid_shape=shape[:2],
        padding_width=gap,
        fill=77,
        rescale_intensity=False,
    )
    np.testing.assert_array_equal(
        read(Mosaic(scale=1, gap=gap, background="#4d4d4d").render(sheet)), expected
    )


def test_a_scale_repeats_every_value(make_sheet: Any) -> None:
    sheet = make_sheet(2, 3)
    small, large = (read(Mosaic(scale=scale, gap=0).render(sheet)) for scale in (1, 7))
    np.testing.assert_array_equal(large, np.kron(small, np.ones((7, 7), np.uint8)))


def test_none_of_4096_kernels_is_lost() -> None:
    """Every kernel is its own number, written in nine digits of base 4."""
    digits = (np.arange(4096)[:, None] >> (2 * np.arange(9))) & 3
    bank = digits.reshape(64, 64, 3, 3).astype(np.float32)
    sheet = bank_sheet(MinMax().normalize(bank), filters=range(64), kernels=range(64))
    pixels = read(Mosaic(scale=1).render(sheet))
    assert pixels.shape == (64 * 4 + 1, 64 * 4 + 1)
    tiles = [
        pixels[1 + 4 * row : 4 + 4 * row, 1 + 4 * column : 4 + 4 * column]
        for row in range(64)
        for column in range(64)
    ]
    numbers = [int((tile.ravel() // 85 * 4 ** np.arange(9)).sum()) for tile in tiles]
    assert numbers == list(range(4096))


def test_light_is_large() -> None:
    bank = np.array([[[[-1, 0, 3]]]], np.float32)
    sheet = bank_sheet(MinMax().normalize(bank), filters=[0], kernels=[0])
    assert read(Mosaic(scale=1, gap=0).render(sheet)).tolist() == [[0, 64, 255]]


def test_places_without_a_tile_are_background(make_gallery: Any) -> None:
    tiles = np.ones((4, 4, 3, 3), np.float32)
    pixels = read(Mosaic(scale=1, gap=1).render(make_gallery(tiles=tiles, count=6)))
    assert pixels[5:8, 5:8].all()
    assert not pixels[5:8, 9:].any()
    assert not pixels[9:].any()


def test_a_colormap_gives_its_colours(make_sheet: Any) -> None:
    import matplotlib

    sheet = make_sheet(2, 2)
    pixels = read(Mosaic(scale=1, gap=0, colormap="viridis").render(sheet))
    values = sheet.tiles.swapaxes(1, 2).reshape(6, 6)
    expected = matplotlib.colormaps["viridis"](np.floor(values * 255 + 0.5).astype(np.uint8), bytes=True)
    np.testing.assert_array_equal(pixels, expected[..., :3])


def test_a_diverging_colormap_has_zero_in_the_middle(make_sheet: Any) -> None:
    tiles = np.array([[[[0, 0.5, 1]]]], np.float32)
    low, zero, high = read(Mosaic(scale=1, gap=0, colormap="RdBu_r").render(make_sheet(1, 1, tiles=tiles)))[0]
    assert low[2] > low[0] and high[0] > high[2]
    assert zero.min() > 240


def test_colour_tiles_keep_their_colours() -> None:
    tiles = np.zeros((1, 2, 2, 2, 3), np.float32)
    tiles[0, 0, ..., 0] = tiles[0, 1, ..., 2] = 1
    pixels = read(Mosaic(scale=1, gap=0, colormap="viridis").render(TileSheet(tiles=tiles, count=2)))
    assert pixels.tolist() == [[[255, 0, 0]] * 2 + [[0, 0, 255]] * 2] * 2


def test_the_background_may_be_a_colour(make_sheet: Any) -> None:
    assert read(Mosaic(background="navy").render(make_sheet()))[0, 0].tolist() == [0, 0, 128]


@pytest.mark.parametrize(
    ("shape", "size"),
    [((6, 3, 3, 3), 583), ((64, 64, 3, 3), 833), ((1, 1, 3, 3), 98), ((2, 2, 600, 600), 1203)],
)
def test_the_automatic_scale_suits_the_sheet(make_sheet: Any, shape: tuple[int, ...], size: int) -> None:
    assert max(read(Mosaic().render(make_sheet(*shape))).shape) == size


def test_the_picture_says_what_it_is(make_sheet: Any) -> None:
    title = "vgg16/ä\x1b[31m\0"
    with Image.open(io.BytesIO(Mosaic().render(make_sheet(title=title)))) as image:
        assert image.info["Title"] == r"vgg16/ä\x1b[31m\x00"
        assert image.info["Description"] == "min-max over the layer"


def test_the_same_sheet_gives_the_same_bytes(make_sheet: Any) -> None:
    assert Mosaic().render(make_sheet()) == Mosaic().render(make_sheet())


def test_a_picture_that_no_memory_holds_is_refused() -> None:
    tiles = np.broadcast_to(np.float32(0), (4096, 4096, 3, 3))
    with pytest.raises(UsageError, match="too large") as caught:
        Mosaic(scale=4).render(TileSheet(tiles=tiles, count=4096 * 4096))
    assert "smaller scale" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"scale": -1}, "negative"),
        ({"gap": -1}, "negative"),
        ({"colormap": "viridris"}, "'viridis'"),
        ({"background": "whitish"}, "#rrggbb"),
    ],
)
def test_wrong_options_are_wrong_use(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Mosaic(**options)
    assert hint in str(caught.value.hint)


def test_gray_needs_no_matplotlib() -> None:
    import subprocess
    import sys

    code = """
import sys, numpy as np
from filterkit.records import TileSheet
from filterkit.renderers.mosaic import Mosaic
Mosaic().render(TileSheet(tiles=np.zeros((2, 2, 3, 3), np.float32), count=4))
assert "matplotlib" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
