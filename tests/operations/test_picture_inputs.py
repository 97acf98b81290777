"""Feature maps of pictures, compared with ONNX Runtime asked directly with what Pillow and numpy read."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx_graphs import build, node, random
from PIL import Image

import filterkit
from filterkit.errors import CatalogError, FilterkitError, ImageError, UsageError
from filterkit.runtime.pixels import read_pixels

PIXELS = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[filterkit.Workbench]:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        yield bench


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def network(
    shape: list[Any],
    channels: int,
    before: list[onnx.NodeProto] | None = None,
    *,
    dtype: int = TensorProto.FLOAT,
    **constants: Any,
) -> onnx.ModelProto:
    """x → `before` → q → a convolution → y."""
    nodes = [*(before or [node("Identity", "x", "q")]), node("Conv", "q w", "y", name="conv")]
    weights = {"w": random(4, channels, 3, 3) / channels, **constants}
    model = build(nodes, {"x": shape}, weights, opset=13)
    model.graph.input[0].type.tensor_type.elem_type = dtype
    return model


def asked(model: onnx.ModelProto, array: Any) -> Any:
    """What ONNX Runtime makes of an array, without optimizations; sizes that are none are left open."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for dim in model.graph.input[0].type.tensor_type.shape.dim:
        if dim.HasField("dim_value") and dim.dim_value < 1:
            dim.ClearField("dim_value")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(["y"], {"x": array})[0]


def add(bench: filterkit.Workbench, model: onnx.ModelProto, folder: Path, **options: Any) -> None:
    onnx.save(model, folder / "net.onnx")
    bench.add(folder / "net.onnx", replace=True, **options)


def maps_of(bench: filterkit.Workbench, picture: Any, **options: Any) -> Any:
    return np.asarray(bench.feature_maps("net/conv", picture, provider="cpu", **options))


def resized(height: int, width: int) -> Any:
    return np.asarray(Image.fromarray(PIXELS).resize((width, height), Image.Resampling.BILINEAR))


def nchw(pixels: Any, scale: float = 1 / 255) -> Any:
    return (pixels.transpose(2, 0, 1)[None] * scale).astype(np.float32)


FLIP = {name: np.array([value]) for name, value in (("s", -1), ("e", -(2**31)), ("c", 1), ("t", -1))}
STEMS: dict[str, tuple[int, list[onnx.NodeProto], dict[str, Any]]] = {
    "bgr": (3, [node("Slice", "x s e c t", "q")], FLIP),
    "depth": (12, [node("SpaceToDepth", "x", "q", blocksize=2)], {}),
    "gray": (1, [node("ReduceMean", "x", "q", axes=[1], keepdims=1)], {}),
    "upside down": (3, [node("Slice", "x s e h t", "q")], {**FLIP, "h": np.array([2])}),
}


@pytest.mark.parametrize("name", STEMS)
@pytest.mark.parametrize("size", [[32, 48], ["H", "W"], [-1, 0]])
def test_what_a_graph_does_to_the_picture_itself(
    bench: filterkit.Workbench, photo: Path, tmp_path: Path, name: str, size: list[Any]
) -> None:
    channels, before, constants = STEMS[name]
    model = network([1, 3, *size], channels, before, **constants)
    add(bench, model, tmp_path)
    pixels = resized(32, 48) if size == [32, 48] else PIXELS
    np.testing.assert_allclose(maps_of(bench, photo), asked(model, nchw(pixels))[0], atol=1e-5)


@pytest.mark.parametrize("preprocessing", [None, "unit", "gray"])
def test_gray_that_the_graph_makes_three_channels_of(
    bench: filterkit.Workbench, photo: Path, tmp_path: Path, preprocessing: str | None
) -> None:
    model = network([1, 1, 32, 48], 3, [node("Concat", "x x x", "q", axis=1)])
    add(bench, model, tmp_path, preprocessing=preprocessing)
    gray = (resized(32, 48) @ LUMA)[..., None]
    np.testing.assert_allclose(maps_of(bench, photo), asked(model, nchw(gray))[0], atol=1e-4)


def test_gray_channels_last_through_a_reshape(
    bench: filterkit.Workbench, photo: Path, tmp_path: Path
) -> None:
    model = network([1, 28, 28, 1], 1, [node("Reshape", "x to", "q")], to=np.array([-1, 1, 28, 28]))
    add(bench, model, tmp_path)
    gray = (resized(28, 28) @ LUMA / 255).astype(np.float32)[None, ..., None]
    np.testing.assert_allclose(maps_of(bench, photo), asked(model, gray)[0], atol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (TensorProto.UINT8, lambda pixels: pixels),
        (TensorProto.INT32, lambda pixels: pixels.astype(np.int32)),
        (TensorProto.INT64, lambda pixels: pixels.astype(np.int64)),
        (TensorProto.INT8, lambda pixels: (pixels.astype(int) - 128).astype(np.int8)),
    ],
)
def test_whole_numbers_get_raw_pixels(
    bench: filterkit.Workbench, photo: Path, tmp_path: Path, dtype: int, values: Any
) -> None:
    before = [node("Cast", "x", "f", to=TensorProto.FLOAT), node("Transpose", "f", "q", perm=[0, 3, 1, 2])]
    model = network(["N", 32, 48, 3], 3, before, dtype=dtype)
    add(bench, model, tmp_path)
    expected = asked(model, values(resized(32, 48))[None])[0]
    np.testing.assert_allclose(maps_of(bench, photo), expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("size", "runs_at"),
    [
        ([64, "W"], (64, 96)),
        (["H", 30], (20, 30)),
        ([64, -1], (64, 96)),
        ([0, 30], (20, 30)),
        ([16, 24], (16, 24)),
        (["H", "W"], (40, 60)),
        ([1, "W"], (1, 2)),
    ],
)
@pytest.mark.parametrize("preprocessing", [None, "unit"])
def test_what_is_fixed_of_a_size_is_kept(
    bench: filterkit.Workbench,
    photo: Path,
    tmp_path: Path,
    size: list[Any],
    runs_at: tuple[int, int],
    preprocessing: str | None,
) -> None:
    model = network([1, 3, *size], 3)
    model.graph.node[1].attribute.append(helper.make_attribute("pads", [1, 1, 1, 1]))
    add(bench, model, tmp_path, preprocessing=preprocessing)
    np.testing.assert_allclose(maps_of(bench, photo), asked(model, nchw(resized(*runs_at)))[0], atol=1e-5)
    assert maps_of(bench, photo, size="original").shape == (4, 40, 60)
    assert maps_of(bench, photo, size="20x33").shape == (4, 20, 33)
    slid = np.asarray(bench.convolve("net/conv", photo, size=None, provider="cpu"))
    np.testing.assert_allclose(slid, maps_of(bench, photo, at="pre"), atol=1e-5)


def test_a_size_that_is_stated_wins_over_the_file_and_not_over_the_graph(
    bench: filterkit.Workbench, photo: Path, tmp_path: Path
) -> None:
    add(bench, network([1, 3, 32, 32], 3), tmp_path, preprocessing="unit:size=16/24")
    assert maps_of(bench, photo).shape == (4, 14, 22)
    fixed = network([1, 3, 32, 32], 3, [node("Reshape", "x to", "q")], to=np.array([1, 3, 32, 32]))
    add(bench, fixed, tmp_path, preprocessing="unit:size=16/24")
    with pytest.raises(ImageError, match=r"32 × 32 pixels .* only, not of 16 × 24"):
        maps_of(bench, photo)


@pytest.mark.parametrize("batch", [1, 32])
def test_a_fixed_number_of_pictures(
    bench: filterkit.Workbench, photo: Path, tmp_path: Path, batch: int
) -> None:
    add(bench, network([batch, 3, 32, 48], 3), tmp_path)
    expected = asked(network([1, 3, 32, 48], 3), nchw(resized(32, 48)))[0]
    for found in bench.iter_feature_maps("net/conv", [photo, photo, photo], provider="cpu"):
        np.testing.assert_allclose(np.asarray(found), expected, atol=1e-5)


def test_one_name_for_all_axes(bench: filterkit.Workbench, photo: Path, tmp_path: Path) -> None:
    model = network(["N", 3, "N", "N"], 3)
    add(bench, model, tmp_path)
    free = network(["N", 3, "H", "W"], 3)
    np.testing.assert_allclose(maps_of(bench, photo), asked(free, nchw(PIXELS))[0], atol=1e-5)


def test_the_input_and_its_layout_as_stated(bench: filterkit.Workbench, photo: Path, tmp_path: Path) -> None:
    """A siamese network; and an input of any shape whatever, of which only its user knows the axes."""
    nodes = [
        node("Conv", "l w", "a", name="left"),
        node("Conv", "r w", "b", name="conv"),
        node("Sub", "a b", "y"),
    ]
    weights = {"w": random(4, 3, 3, 3)}
    twins = build(nodes, {"l": [1, 3, 20, 20], "r": [1, 3, "H", "W"]}, weights)
    add(bench, twins, tmp_path, preprocessing="unit:input=r")
    expected = asked(network(["N", 3, "H", "W"], 3, w=weights["w"]), nchw(PIXELS))[0]
    np.testing.assert_allclose(maps_of(bench, photo), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(FilterkitError, match="need other inputs than pictures: 'l'") as caught:
        bench.feature_maps("net/left", photo)
    assert "--preprocessing unit:input=l;" in (caught.value.hint or "")
    add(bench, twins, tmp_path, preprocessing="unit:input=l")
    assert bench.feature_maps("net/left", photo) is not None

    unknown = network(["N", 3, "H", "W"], 3, [node("Transpose", "x", "q", perm=[0, 3, 1, 2])])
    unknown.graph.input[0].type.tensor_type.ClearField("shape")
    for spec in ("unit:layout=NHWC", "unit:layout=NHWC,input=x"):
        add(bench, unknown, tmp_path, preprocessing=spec)
        shown = asked(unknown, (PIXELS[None] / 255).astype(np.float32))[0]
        np.testing.assert_allclose(maps_of(bench, photo), shown, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "spec", "words"),
    [
        ([1, 3, 32, 32], "unit:layout=NHWC", "not NHWC: the network has its channels on axis 1"),
        ([1, 3, 32, 32], "unit:channels=RGBA", "has 3 channels; RGBA has 4"),
        ([1, 3, 32, 32], "gray", "has 3 channels; GRAY has 1"),
        ([1, 3, 32, 32], "unit:input=picture", "no input 'picture'"),
        ([1, 3, 32, 32], "unit:mean=1/2", "2 values of mean"),
        ([1, 3, 32, 32], "unit:std=0", "option 'std' .* cannot be '0'"),
        ([1, 3, 32, 32], "unit:scale=nan", "option 'scale' .* cannot be 'nan'"),
        ([1, 3, 32, 32], "unit:size=0", "option 'size' .* cannot be '0'"),
        ([1, 3, 32, 32], "unit:channels=RGB,channel_order=BGR", "sets 'channels' twice"),
        ([1, 3, 32, 32], "unit:bands=3", "no option 'bands'"),
        ([1, 3, 32, 32], "unit:layout=NWHC", "option 'layout' .* cannot be 'NWHC'"),
        ([1, 9, 32, 32], "tf:input=x,layout=NHWC,size=8", "not NHWC"),
        ([1, 5, 32, 32], "torch", "3 values of mean; input 'x' .* has 5 channels"),
        ([1, 1, 32, 32], "caffe", "3 values of mean; input 'x' .* has 1 channel"),
    ],
)
def test_what_contradicts_the_graph(
    bench: filterkit.Workbench, tmp_path: Path, shape: list[int], spec: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        add(bench, network(shape, shape[1]), tmp_path, preprocessing=spec)
    assert "\n" not in caught.value.message
    assert not (tmp_path / "catalog.db").exists()


@pytest.mark.parametrize(
    ("spec", "is_taken"),
    [
        ("raw", True),
        ("unit:scale=1", True),
        ("raw:std=7", True),
        ("unit", False),
        ("torch", False),
        ("tf", False),
    ],
)
def test_whole_numbers_of_which_few_are_left(
    bench: filterkit.Workbench, tmp_path: Path, spec: str, is_taken: bool
) -> None:
    before = [node("Cast", "x", "q", to=TensorProto.FLOAT)]
    model = network([1, 3, 32, 32], 3, before, dtype=TensorProto.UINT8)
    if is_taken:
        add(bench, model, tmp_path, preprocessing=spec)
    else:
        with pytest.raises(UsageError, match="takes whole numbers") as caught:
            add(bench, model, tmp_path, preprocessing=spec)
        assert "raw" in str(caught.value.hint)


BANDS = (2, 4, 5, 8, 24)


@pytest.mark.parametrize("bands", BANDS)
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "float64", "negative"])
def test_bands_of_an_array(bench: filterkit.Workbench, tmp_path: Path, bands: int, kind: str) -> None:
    rng = np.random.default_rng(bands)
    array, expected = {
        "uint8": lambda: (a := rng.integers(0, 256, (20, 30, bands), np.uint8), a / 255),
        "uint16": lambda: (a := rng.integers(0, 65536, (20, 30, bands), np.uint16), a / 65535),
        "float32": lambda: (a := rng.random((20, 30, bands), np.float32), a),
        "float64": lambda: (a := rng.random((20, 30, bands)), a),
        "negative": lambda: (a := rng.normal(size=(20, 30, bands)), a),
    }[kind]()
    model = network(["N", bands, "H", "W"], bands)
    add(bench, model, tmp_path)
    np.save(tmp_path / "a.npy", array)
    wanted = asked(model, nchw(expected, 1))[0]
    for picture in (tmp_path / "a.npy", array):
        np.testing.assert_allclose(maps_of(bench, picture), wanted, atol=1e-5)
        slid = bench.convolve("net/conv", picture, provider="cpu")
        np.testing.assert_allclose(np.asarray(slid), wanted, atol=1e-5)
    [kernel] = bench.convolve("net/conv/0/1", array, per_channel=True, provider="cpu").maps.values()
    assert kernel.shape == (bands, 18, 28)
    if bands > 4:
        with pytest.raises(ImageError, match="no picture of colours") as caught:
            bench.convolve("net/conv/0/1", array, provider="cpu")
        assert f"each of the {bands} bands" in str(caught.value.hint)
    if kind == "float32":
        add(bench, model, tmp_path, preprocessing="raw")
        np.testing.assert_allclose(
            maps_of(bench, array), asked(model, nchw(array, 255))[0], rtol=1e-4, atol=1e-3
        )


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


@pytest.mark.parametrize(
    ("changes", "is_sound"),
    [
        ({}, True),
        ({"input": "x", "stated": ["input", "size"]}, True),
        ({"bands": 0}, False),
        ({"bands": 4096}, True),
        ({"bands": 4097}, False),
        ({"bands": -1}, False),
        ({"bands": 5.0}, False),
        ({"bands": True}, False),
        ({"channel_order": "RGB"}, False),
        ({"channel_order": "RGBA", "bands": 0}, True),
        ({"channel_order": "ARGB", "bands": 0}, False),
        ({"mean": [0.5] * 5}, True),
        ({"mean": [0.5] * 4}, False),
        ({"input": 3}, False),
        ({"stated": ["sizes"]}, False),
        ({"stated": [[]]}, False),
        ({"stated": "size"}, False),
        ({"frames": 5}, False),
    ],
)
def test_what_a_catalog_may_hold_of_a_preprocessing(
    tmp_path: Path, changes: dict[str, Any], is_sound: bool
) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        add(bench, network(["N", 5, "H", "W"], 5), tmp_path)
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as database, database:
        [(text,)] = database.execute("select preprocessing from model")
        database.execute("update model set preprocessing = ?", [json.dumps(json.loads(text) | changes)])
    with filterkit.open(tmp_path / "catalog.db") as bench:
        if is_sound:
            assert len(bench.layers("net")) == 1
            with suppress(ImageError):  # of other channels than the network has
                maps_of(bench, np.zeros((9, 9, 5), np.uint8))
        else:
            with pytest.raises(CatalogError, match="damaged"):
                maps_of(bench, np.zeros((9, 9, 5), np.uint8))


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
    "one by one, differences": {"planarconfig": "separate", "compression": "zlib", "predictor": True},
}


@pytest.mark.parametrize("bands", [2, 3, 4, 5, 13])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float32"])
def test_tiff_as_others_write_it(tmp_path: Path, bands: int, kind: str) -> None:
    """All channels in one frame, which Pillow itself reads of up to four, and of 16 bits as 8."""
    tifffile = pytest.importorskip("tifffile")
    rng = np.random.default_rng(bands)
    top = {"uint8": 255, "uint16": 65535, "int16": 32767, "float32": 1}[kind]
    array = (rng.random((35, 45, bands)) * top).astype(kind)
    expected = array / (65535 if top == 32767 else top)
    wanted = filterkit.Preprocessing("BANDS", scale=1 / 255, bands=bands)
    for name, options in STORED.items():
        if kind == "float32" and "predictor" in options:
            continue  # these are of another kind, which needs a codec of its own to be written
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
        for length in range(0, len(whole), 97):  # cut, it is refused in one line, whatever is missing
            (tmp_path / "cut.tiff").write_bytes(whole[:length])
            with pytest.raises(ImageError) as caught:
                read_pixels(tmp_path / "cut.tiff", wanted)
            assert caught.value.hint and "\n" not in caught.value.message


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
        (np.zeros((9, 9, 4), np.uint8), r"shape \(9, 9, 4\) does not fit: the network takes 5 bands"),
        (np.zeros((5, 9, 9), np.uint8), r"shape \(5, 9, 9\) does not fit"),
        (np.zeros((9, 9), np.uint8), r"shape \(9, 9\) does not fit"),
        (np.zeros((0, 9, 5), np.uint8), r"shape \(0, 9, 5\) does not fit"),
        (np.full((9, 9, 5), np.nan), "not finite"),
        (np.zeros((9, 9, 5), np.int64), "int64 is no picture"),
        (np.zeros((9, 9, 5), np.complex64), "complex64 is no picture"),
        (np.full((9, 9, 5), -1, np.int16), "holds pixels from -1 to -1"),
        (np.array([["a"]], object), "no .npy of a plain array"),
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


DEEP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (DEEP, "16-bit pixels of at most 4095; they are read as 0 to 65535"),
        (DEEP + 1, ""),
        (DEEP // 16, "16-bit pixels of at most 255"),
        (DEEP * 0, ""),
        (np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64), ""),
        (
            np.linspace(0, 255, 4096, dtype=np.float32).reshape(64, 64),
            "of at most 255; they are read as 0 to 255",
        ),
        (
            np.linspace(0, 0.01, 4096, dtype=np.float32).reshape(64, 64),
            "of at most 0.01; they are read as 0 to 1",
        ),
        (np.full((9, 9), 1, np.uint8), ""),
    ],
)
@pytest.mark.parametrize("suffix", ["tiff", "npy"])
def test_pixels_far_from_full_range_are_reported(
    bench: filterkit.Workbench,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    image: Any,
    words: str,
    suffix: str,
) -> None:
    add(bench, network(["N", 1, "H", "W"], 1), tmp_path)
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        np.save(path, image) if suffix == "npy" else Image.fromarray(image).save(path)
    with caplog.at_level(logging.WARNING, "filterkit"):
        assert len(list(bench.iter_feature_maps("net/conv", paths, provider="cpu"))) == 2
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == bool(words), told
    assert not words or (words in told[0] and f"a.{suffix}" in told[0])


@pytest.mark.parametrize(
    ("size", "spec", "asked_for", "is_told"),
    [
        ([32, 32], None, None, True),
        ([32, 32], "unit", None, True),
        ([64, 64], None, None, True),
        ([65, 64], None, None, False),
        ([32, 32], "unit:size=32", None, False),
        ([32, 32], None, "32", False),
        ([32, "W"], None, None, False),
        (["H", "W"], None, None, False),
    ],
)
def test_a_placeholder_for_a_size_is_reported(
    bench: filterkit.Workbench,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    size: list[Any],
    spec: str | None,
    asked_for: str | None,
    is_told: bool,
) -> None:
    onnx.save(network([1, 3, *size], 3), tmp_path / "net.onnx")
    added = bench.add(tmp_path / "net.onnx", preprocessing=spec)
    assert added.placeholder_size == (tuple(size) if is_told or asked_for else None)
    large, small = np.zeros((70, 70, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)
    with caplog.at_level(logging.WARNING, "filterkit"):
        maps_of(bench, small, size=asked_for)
        assert not caplog.records
        list(bench.iter_feature_maps("net/conv", [large, large], size=asked_for, provider="cpu"))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == is_told
    assert not is_told or f"resized to {size[0]} × {size[1]}" in told[0]


def test_a_size_that_the_graph_needs_is_no_placeholder(
    bench: filterkit.Workbench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = network([1, 3, 32, 32], 3, [node("Reshape", "x to", "q")], to=np.array([1, 3, 32, 32]))
    add(bench, model, tmp_path)
    with caplog.at_level(logging.WARNING, "filterkit"):
        assert maps_of(bench, PIXELS).shape == (4, 30, 30)
    assert not caplog.records
