"""Pixels of files and arrays as the preprocessing of a network asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import filterkit
from filterkit.runtime.pixels import read_pixels


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "uint32"])
@pytest.mark.parametrize("order", ["RGB", "GRAY", "RGBA"])
def test_colours_of_a_tiff_that_pillow_does_not_read(tmp_path: Path, kind: str, order: Any) -> None:
    tifffile = pytest.importorskip("tifffile")
    top = 65535 if kind == "uint32" else 1
    array = (np.random.default_rng(4).random((9, 8, 3)) * top).astype(kind)
    tifffile.imwrite(tmp_path / "rgb.tiff", array, photometric="rgb")
    tifffile.imwrite(tmp_path / "gray.tiff", array[..., 0], photometric="minisblack")
    wanted = filterkit.Preprocessing(order, scale=1 / 255)
    found = read_pixels(tmp_path / "rgb.tiff", wanted)
    np.testing.assert_allclose(found[..., :3], array / top, atol=1e-6)
    gray = read_pixels(tmp_path / "gray.tiff", wanted)
    values = gray / 255 if gray.dtype == np.uint8 else gray
    np.testing.assert_allclose(values[..., 1], array[..., 0] / top, atol=1 / 255)


def test_gray_of_sixteen_bits_in_which_0_is_white(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    array = np.random.default_rng(4).integers(0, 65536, (9, 8), np.uint16)
    tifffile.imwrite(tmp_path / "white.tiff", array, photometric="miniswhite")
    for order in ("GRAY", "RGBA"):
        found = read_pixels(tmp_path / "white.tiff", filterkit.Preprocessing(order))
        np.testing.assert_allclose(found[..., 0], 255 - array / 257, atol=0.51)
