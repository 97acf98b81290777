"""Bands of TIFF files that other programs write, compared with tifffile and Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import filterkit
from filterkit.errors import ImageError
from filterkit.runtime import tiff_bands
from filterkit.runtime.pixels import read_pixels

STORED: dict[str, dict[str, Any]] = {
    "interleaved": {},
    "strips": {"rowsperstrip": 7},
    "big-endian": {"byteorder": ">"},
    "deflated": {"compression": "zlib"},
    "differences": {"compression": "zlib", "predictor": True},
    "differences, big-endian": {"compression": "zlib", "predictor": True, "byteorder": ">"},
    "tiles": {"tile": (16, 16)},
    "differences in tiles": {"tile": (16, 16), "compression": "zlib", "predictor": True},
    "one by one": {"planarconfig": "separate"},
    "one by one in tiles": {"planarconfig": "separate", "tile": (16, 16), "compression": "zlib"},
    "upside down": {"extratags": [(274, "H", 1, 4, True)]},
    "large": {"bigtiff": True},
    "large, big-endian": {"bigtiff": True, "byteorder": ">", "tile": (16, 16)},
    "0 is white": {"photometric": "miniswhite"},
    "one by one, differences": {"planarconfig": "separate", "compression": "zlib", "predictor": True},
}


@pytest.mark.parametrize("bands", [2, 3, 4, 5, 13])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "uint32", "float16", "float32", "float64"])
def test_tiff_as_others_write_it(tmp_path: Path, bands: int, kind: str) -> None:
    """All channels in one frame, which Pillow itself reads of up to four, and of 16 bits as 8."""
    tifffile = pytest.importorskip("tifffile")
    rng = np.random.default_rng(bands)
    top = {"uint8": 255, "uint16": 65535, "int16": 32767, "uint32": 65535}.get(kind, 1)
    array = (rng.random((35, 45, bands)) * top).astype(kind)
    values_of = array / (65535 if top == 32767 else top)
    wanted = filterkit.Preprocessing("BANDS", scale=1 / 255, bands=bands)
    for name, options in STORED.items():
        if kind[0] == "f" and "predictor" in options:
            continue  # these are of another kind, which needs a codec of its own to be written
        if kind == "uint32" and name == "0 is white":
            continue  # 32 bits are read as 16, and black would be 4,294,967,295
        expected = values_of[::-1] if name == "upside down" else values_of
        if kind[0] == "u" and name == "0 is white":
            expected = 1 - expected
        is_separate = options.get("planarconfig") == "separate"
        data = np.ascontiguousarray(np.moveaxis(array, -1, 0) if is_separate else array)
        form = {"photometric": "minisblack", "planarconfig": "contig", **options}
        tifffile.imwrite(tmp_path / "a.tiff", data, **form)
        pixels = read_pixels(tmp_path / "a.tiff", wanted)
        assert pixels.dtype == (np.uint8 if kind == "uint8" else np.float32)
        values = pixels / 255 if pixels.dtype == np.uint8 else pixels
        np.testing.assert_allclose(values, expected, atol=1e-6, err_msg=name)
        if kind != "uint8":
            continue
        whole = (tmp_path / "a.tiff").read_bytes()
        for length in range(
            0, len(whole), 97 if bands < 5 else 997
        ):  # cut, it is refused in one line, whatever is missing
            (tmp_path / "cut.tiff").write_bytes(whole[:length])
            with pytest.raises(ImageError) as caught:
                read_pixels(tmp_path / "cut.tiff", wanted)
            assert caught.value.hint and "\n" not in caught.value.message


def test_tiff_of_floats_that_are_stored_as_differences_of_bytes(tmp_path: Path) -> None:
    """Of several channels no library writes it here; of one Pillow does."""
    values = np.random.default_rng(0).random((35, 45), np.float32)
    options = {"compression": "tiff_adobe_deflate", "tiffinfo": {317: 3}}
    Image.fromarray(values).save(tmp_path / "f.tiff", **options)
    wide = tiff_bands._read(tmp_path / "f.tiff", lambda count, kind: (count, kind) == (1, "f4"))
    np.testing.assert_array_equal(wide[..., 0], values)
