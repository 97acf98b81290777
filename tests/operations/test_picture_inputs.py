"""Feature maps of pictures, compared with running ONNX Runtime directly on what Pillow and NumPy read."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_graphs import build, node, random
from picture_networks import LUMA, PIXELS, add, asked, maps_of, nchw, network, resized

import filterkit
from filterkit.errors import CatalogError, FilterkitError, ImageError, RuntimeFailure, UsageError

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


@pytest.mark.parametrize("dtype", [TensorProto.BFLOAT16, TensorProto.STRING])
def test_types_that_no_picture_has(
    bench: filterkit.Workbench, photo: Path, tmp_path: Path, dtype: int
) -> None:
    name = {TensorProto.BFLOAT16: "bfloat16", TensorProto.STRING: "string"}[dtype]
    model = network([1, 3, 32, 48], 3, [node("Cast", "x", "q", to=TensorProto.FLOAT)], dtype=dtype)
    add(bench, model, tmp_path)
    with pytest.raises(
        RuntimeFailure, match=f"cannot feed input 'x' .*: ONNX Runtime does not accept {name} arrays"
    ) as caught:
        maps_of(bench, photo)
    assert "export the network with float32 inputs" in str(caught.value.hint)
    if dtype == TensorProto.BFLOAT16:
        with pytest.raises(RuntimeFailure, match="does not accept bfloat16 arrays"):
            bench.feature_maps("net/conv", inputs={"x": np.zeros((1, 3, 32, 48), np.float32)})


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
    with pytest.raises(ImageError, match=r"only takes pictures of 32 × 32 pixels .*, not 16 × 24"):
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
    with pytest.raises(FilterkitError, match="need inputs other than pictures: 'l'") as caught:
        bench.feature_maps("net/left", photo)
    assert "--preprocessing unit:input=l," in (caught.value.hint or "")
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
        with pytest.raises(UsageError, match="takes integers") as caught:
            add(bench, model, tmp_path, preprocessing=spec)
        assert "raw" in str(caught.value.hint)


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
            with pytest.raises(CatalogError, match="corrupted"):
                maps_of(bench, np.zeros((9, 9, 5), np.uint8))
