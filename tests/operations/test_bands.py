"""Pictures with channels other than red, green and blue, from arrays and TIFF files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import node
from picture_networks import PIXELS, add, asked, maps_of, nchw, network
from PIL import Image

import filterkit
from filterkit.errors import ImageError

BANDS = (2, 4, 5, 8, 24)


@pytest.mark.parametrize("bands", BANDS)
def test_bands_of_an_array(bench: filterkit.Workbench, tmp_path: Path, bands: int) -> None:
    rng = np.random.default_rng(bands)
    model = network(["N", bands, "H", "W"], bands)
    add(bench, model, tmp_path)
    for array, expected in (
        (a := rng.integers(0, 256, (20, 30, bands), np.uint8), a / 255),
        (a := rng.integers(0, 65536, (20, 30, bands), np.uint16), a / 65535),
        (a := rng.random((20, 30, bands)), a),
        (a := rng.normal(size=(20, 30, bands)), a),
        (a := rng.random((20, 30, bands), np.float32), a),
    ):
        check_bands(bench, tmp_path, model, array, expected)
    add(bench, model, tmp_path, preprocessing="raw")
    np.testing.assert_allclose(maps_of(bench, array), asked(model, nchw(array, 255))[0], rtol=1e-4, atol=1e-3)


def check_bands(
    bench: filterkit.Workbench,
    tmp_path: Path,
    model: onnx.ModelProto,
    array: np.ndarray,
    expected: np.ndarray,
) -> None:
    bands, kind = array.shape[2], str(array.dtype)
    np.save(tmp_path / "a.npy", array)
    wanted = asked(model, nchw(expected, 1))[0]
    for picture in (tmp_path / "a.npy", array):
        np.testing.assert_allclose(maps_of(bench, picture), wanted, atol=1e-5, err_msg=kind)
        slid = bench.convolve("net/conv", picture, provider="cpu")
        np.testing.assert_allclose(np.asarray(slid), wanted, atol=1e-5, err_msg=kind)
    [kernel] = bench.convolve("net/conv/0/1", array, per_channel=True, provider="cpu").maps.values()
    assert kernel.shape == (bands, 18, 28)
    if bands > 4:
        with pytest.raises(ImageError, match="not a colour picture") as caught:
            bench.convolve("net/conv/0/1", array, provider="cpu")
        assert f"each of the {bands} bands" in str(caught.value.hint)


def test_bands_channels_last_resized(bench: filterkit.Workbench, tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((20, 30, 5), np.float32)
    model = network([1, 10, 12, 5], 5, [node("Transpose", "x", "q", perm=[0, 3, 1, 2])])
    add(bench, model, tmp_path)
    smaller = [
        np.asarray(Image.fromarray(array[..., band]).resize((12, 10), Image.Resampling.BILINEAR))
        for band in range(5)
    ]
    wanted = asked(model, np.stack(smaller, axis=2)[None])[0]
    np.testing.assert_allclose(maps_of(bench, array), wanted, atol=1e-5)


@pytest.mark.parametrize("bands", BANDS)
@pytest.mark.parametrize("kind", ["L", "I;16", "F"])
def test_bands_of_a_tiff(bench: filterkit.Workbench, tmp_path: Path, bands: int, kind: str) -> None:
    """One frame for each band; and all in one where Pillow writes so many."""
    rng = np.random.default_rng(1)
    array, top = {
        "L": lambda: (rng.integers(0, 256, (20, 30, bands), np.uint8), 255),
        "I;16": lambda: (rng.integers(0, 65536, (20, 30, bands), np.uint16), 65535),
        "F": lambda: (rng.random((20, 30, bands), np.float32), 1),
    }[kind]()
    frames = [Image.fromarray(np.ascontiguousarray(array[..., band])) for band in range(bands)]
    frames[0].save(tmp_path / "frames.tiff", save_all=True, append_images=frames[1:])
    pictures = [tmp_path / "frames.tiff"]
    if kind == "L" and bands in (2, 4):
        mode = {2: ["LA"], 4: ["RGBA", "CMYK"]}[bands]
        for each in mode:
            Image.merge(each, frames).save(tmp_path / f"{each}.tiff")
            pictures.append(tmp_path / f"{each}.tiff")
    model = network(["N", bands, "H", "W"], bands)
    add(bench, model, tmp_path)
    for picture in pictures:
        np.testing.assert_allclose(
            maps_of(bench, picture), asked(model, nchw(array / top, 1))[0], atol=1e-5, err_msg=picture.name
        )


def test_transparency_as_a_channel(bench: filterkit.Workbench, tmp_path: Path) -> None:
    rgba = np.dstack([PIXELS, np.random.default_rng(5).integers(0, 256, PIXELS.shape[:2], np.uint8)])
    Image.fromarray(rgba, "RGBA").save(tmp_path / "rgba.png")
    Image.fromarray(PIXELS).save(tmp_path / "rgb.png")
    np.save(tmp_path / "rgba.npy", rgba)
    for size, runs_at in ((["H", "W"], (40, 60)), ([20, 24], (20, 24))):
        model = network([1, 4, *size], 4)
        add(bench, model, tmp_path)
        with pytest.raises(ImageError, match="4 bands") as caught:
            maps_of(bench, tmp_path / "rgba.png")
        assert "channels=RGBA" in str(caught.value.hint)
        add(bench, model, tmp_path, preprocessing="unit:channels=RGBA")
        [row] = bench.query("select input_channels from layer")
        assert row["input_channels"] == '["R","G","B","A"]'
        for name, mode in (("rgba.png", rgba), ("rgba.npy", rgba), ("rgb.png", None)):
            whole = Image.fromarray(PIXELS).convert("RGBA") if mode is None else Image.fromarray(rgba, "RGBA")
            if runs_at != (40, 60):
                whole = whole.resize(runs_at[::-1], Image.Resampling.BILINEAR)
            wanted = asked(model, nchw(np.asarray(whole)))[0]
            np.testing.assert_allclose(maps_of(bench, tmp_path / name), wanted, atol=1e-5)
            slid = bench.convolve("net/conv", tmp_path / name, size=None, provider="cpu")
            np.testing.assert_allclose(np.asarray(slid), wanted, atol=1e-5)


def test_colours_of_an_array_file_keep_their_precision(bench: filterkit.Workbench, tmp_path: Path) -> None:
    model = network(["N", 3, "H", "W"], 3)
    add(bench, model, tmp_path)
    rng = np.random.default_rng(2)
    for number, (array, values) in enumerate(
        (
            (PIXELS, PIXELS / 255),
            (rng.random((9, 9, 3)), None),
            (deep := rng.integers(0, 65536, (9, 9, 3), np.uint16), deep / 65535),
        )
    ):
        np.save(tmp_path / f"{number}.npy", array)
        wanted = asked(model, nchw(array if values is None else values, 1))[0]
        np.testing.assert_allclose(maps_of(bench, tmp_path / f"{number}.npy"), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((9, 9, 4), np.uint8), r"shape \(9, 9, 4\), but the network takes 5 bands"),
        (np.zeros((5, 9, 9), np.uint8), r"shape \(5, 9, 9\), but the network"),
        (np.zeros((9, 9), np.uint8), r"shape \(9, 9\), but the network"),
        (np.zeros((0, 9, 5), np.uint8), r"shape \(0, 9, 5\), but the network"),
        (np.full((9, 9, 5), np.nan), "NaN or infinite"),
        (np.zeros((9, 9, 5), np.int64), "int64 is not a picture"),
        (np.zeros((9, 9, 5), np.complex64), "complex64 is not a picture"),
        (np.full((9, 9, 5), -1, np.int16), "has pixels from -1 to -1"),
        (np.array([["a"]], object), "not an .npy file of a plain array"),
    ],
)
def test_arrays_that_do_not_fit(bench: filterkit.Workbench, tmp_path: Path, array: Any, words: str) -> None:
    add(bench, network(["N", 5, "H", "W"], 5), tmp_path)
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ImageError, match=words) as caught:
        maps_of(bench, tmp_path / "a.npy")
    assert caught.value.hint and "a.npy" in caught.value.message


def test_files_that_hold_other_bands(bench: filterkit.Workbench, tmp_path: Path, photo: Path) -> None:
    add(bench, network(["N", 5, "H", "W"], 5), tmp_path)
    with pytest.raises(ImageError, match=r"has 3 channels \(R, G, B\); the network takes 5 bands") as caught:
        maps_of(bench, photo)
    assert "(H, W, channels)" in str(caught.value.hint)
    frames = [Image.new("L", (9, 9))] * 4
    for count in (3, 5):  # one frame too few, and one too many
        frames[0].save(tmp_path / "f.tiff", save_all=True, append_images=[Image.new("L", (9, 9))] * count)
        with pytest.raises(ImageError, match="the network takes 5 bands"):
            maps_of(bench, tmp_path / "f.tiff")
    frames[0].save(tmp_path / "f.tiff", save_all=True, append_images=[Image.new("L", (8, 9))] * 4)
    with pytest.raises(ImageError, match="the network takes 5 bands"):
        maps_of(bench, tmp_path / "f.tiff")


def test_a_folder_of_arrays(bench: filterkit.Workbench, tmp_path: Path) -> None:
    add(bench, network(["N", 5, "H", "W"], 5), tmp_path)
    (tmp_path / "in").mkdir()
    for number in range(2):
        np.save(tmp_path / "in" / f"{number}.npy", np.zeros((9, 9, 5), np.uint8))
    found = list(bench.iter_feature_maps("net/conv", [tmp_path / "in"], provider="cpu"))
    assert [each.image_name for each in found] == ["0", "1"]
