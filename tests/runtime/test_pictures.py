"""Pictures of every kind come out upright, 8-bit, R G B; what is none is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filterkit.errors import ImageError
from filterkit.image_sources.files import FileImages
from filterkit.runtime.pictures import read_picture

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_plain_pictures_come_as_they_are(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    for picture in (path, str(path), Image.fromarray(RGB), RGB):
        np.testing.assert_array_equal(read_picture(picture), RGB)


def test_gray_palette_and_one_bit(tmp_path: Path) -> None:
    gray = RGB[..., 0]
    three = np.repeat(gray[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_picture(saved(tmp_path / "g.png", Image.fromarray(gray))), three)
    flat = np.zeros((4, 4, 3), np.uint8) + np.array([200, 30, 40], np.uint8)
    palette = saved(tmp_path / "p.gif", Image.fromarray(flat).convert("P", palette=Image.Palette.ADAPTIVE))
    np.testing.assert_array_equal(read_picture(palette), flat)
    bits = np.asarray(Image.fromarray(gray).convert("1"))
    found = read_picture(saved(tmp_path / "b.png", Image.fromarray(bits)))
    np.testing.assert_array_equal(found, np.repeat(bits[..., None], 3, axis=2) * np.uint8(255))


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[0, 0] = (10, 20, 30, 255)
    rgba[1, 1] = (255, 0, 0, 128)
    for picture in (saved(tmp_path / "t.png", Image.fromarray(rgba, "RGBA")), rgba):
        found = read_picture(picture)
        assert tuple(found[0, 0]) == (10, 20, 30)
        assert tuple(found[0, 1]) == (255, 255, 255)
        assert tuple(found[1, 1]) == (255, 127, 127)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 65535], [128 * 257, 1, 65000]], np.uint16)
    for name in ("d.png", "d.tiff"):
        found = read_picture(saved(tmp_path / name, Image.fromarray(deep)))
        np.testing.assert_array_equal(found[..., 0], np.rint(deep / 257).astype(np.uint8))


def test_floating_point_pictures(tmp_path: Path) -> None:
    unit = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    expected = np.rint(unit * 255).astype(np.uint8)
    for values in (unit, unit * 255):
        found = read_picture(saved(tmp_path / "f.tiff", Image.fromarray(values)))
        np.testing.assert_array_equal(found[..., 1], expected)
    with pytest.raises(ImageError, match="has pixels from -5 to 1"):
        read_picture(saved(tmp_path / "n.tiff", Image.fromarray(unit * 6 - 5)))
    with pytest.raises(ImageError, match="NaN or infinite"):
        read_picture(saved(tmp_path / "i.tiff", Image.fromarray(np.full((2, 2), np.nan, np.float32))))


def test_cmyk_and_animation(tmp_path: Path) -> None:
    cmyk = Image.new("CMYK", (4, 3), (0, 255, 255, 0))
    np.testing.assert_array_equal(read_picture(saved(tmp_path / "c.tiff", cmyk))[0, 0], [255, 0, 0])
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("blue", "green")]
    moving = saved(tmp_path / "m.gif", frames[0], save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_picture(moving)[0, 0], [0, 0, 255])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((32, 64, 3), np.uint8)
    upright[:8, :8] = 255  # a white corner, top left
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # how a camera stores it
    stored = Image.fromarray(upright)
    if undo is not None:
        stored = stored.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_picture(saved(tmp_path / "e.png", stored, exif=exif))
    assert found.shape == (32, 64, 3)
    np.testing.assert_array_equal(found, upright)


def test_arrays_of_numbers_from_zero_to_one() -> None:
    np.testing.assert_array_equal(read_picture(RGB / 255), RGB)
    np.testing.assert_array_equal(read_picture((RGB / 255).astype(np.float32)), RGB)
    np.testing.assert_array_equal(read_picture(RGB[..., :1])[..., 2], RGB[..., 0])
    np.testing.assert_array_equal(read_picture(RGB[..., 0] > 100)[..., 0], (RGB[..., 0] > 100) * 255)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 5), np.uint8), r"shape \(2, 3, 5\)"),
        (np.zeros((1, 3, 4, 4), np.uint8), r"shape \(1, 3, 4, 4\)"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\)"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.full((4, 4), 2.0), "between 0 and 1"),
        (np.full((4, 4), np.nan), "between 0 and 1"),
    ],
)
def test_arrays_that_are_no_pictures(array: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_picture(array)


def test_files_that_are_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    empty = tmp_path / "empty.jpg"
    empty.write_bytes(b"")
    whole = saved(tmp_path / "whole.png", Image.fromarray(RGB)).read_bytes()
    for path in (text, empty, tmp_path / "none.png", tmp_path):
        with pytest.raises(ImageError, match=path.name):
            read_picture(path)
    cut = tmp_path / "cut.png"
    for length in range(0, len(whole) - 60, 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(ImageError, match=r"cut\.png") as caught:
            read_picture(cut)
        assert "\n" not in caught.value.message
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # above it Pillow warns, above its double it raises
    with pytest.raises(ImageError, match="more pixels than the limit of 40"):
        read_picture(saved(tmp_path / "large.png", Image.fromarray(RGB)))
    with pytest.raises(ImageError, match="more pixels than the limit of 40"):
        read_picture(saved(tmp_path / "huge.png", Image.new("RGB", (40, 40))))


def test_what_is_missing_or_a_folder_names_the_pictures_there(tmp_path: Path) -> None:
    saved(tmp_path / "holiday.png", Image.fromarray(RGB))
    for look in (read_picture, lambda path: [*FileImages().images(str(path))]):
        with pytest.raises(ImageError, match="does not exist") as caught:
            look(tmp_path / "holyday.png")
        assert caught.value.hint == "did you mean 'holiday.png'?"
    with pytest.raises(ImageError, match="is a folder") as caught:
        read_picture(tmp_path)
    assert "holiday.png" in (caught.value.hint or "")
    with pytest.raises(ImageError) as caught:
        read_picture(tmp_path / "none" / "x.png")
    assert "cannot read folder" in (caught.value.hint or "")
