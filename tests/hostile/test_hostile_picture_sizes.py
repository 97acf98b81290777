"""Sizes that models and files claim, through ``filterkit maps`` and ``convolve``: refused at no cost."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from isolated import Run
from numpy.lib import format as npy
from onnx_graphs import build, node, random
from PIL import Image

import filterkit
from filterkit.errors import ImageError
from filterkit.runtime.convolve import LARGEST_MAP, Sliding, convolve
from filterkit.runtime.pictures import LARGEST_SIZE, check_size
from filterkit.runtime.raw_inputs import MOST_BYTES

LIMIT = "89,478,485"


@pytest.fixture
def photo(tmp_path: Path) -> str:
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    return "p.png"


def add(run: Run, tmp_path: Path, shape: list[int], *words: str) -> None:
    """Add a network whose convolution stands behind a Reshape, which keeps the sizes fixed."""
    constants = {"shape": np.array(shape, np.int64), "w": random(1, 3, 1, 1)}
    nodes = [node("Reshape", "x shape", "r"), node("Conv", "r w", "y", name="conv")]
    model = build(nodes, {"x": shape}, constants)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    run("add", "m.onnx", *words).fine  # noqa: B018


@pytest.mark.parametrize(
    ("height", "width"),
    [(2**40, 2**40), (200_000, 200_000), (40_000, 40_000), (1, 10**9), (10**9, 1), (9460, 9459), (2**62, 1)],
)
def test_a_size_that_the_graph_fixes(run: Run, tmp_path: Path, photo: str, height: int, width: int) -> None:
    add(run, tmp_path, [1, 3, height, width], "--preprocessing", "unit")
    error, _ = run("maps", "m/conv", photo, "-o", "out.npy").refusal()
    assert (f"{height} × {width} pixels" in error and LIMIT in error) or "overflow" in error
    assert not (tmp_path / "out.npy").exists()


@pytest.mark.parametrize("size", [2**40, 200_000])
def test_a_nominal_size_that_the_graph_states(run: Run, tmp_path: Path, photo: str, size: int) -> None:
    model = build(
        [node("Conv", "x w", "y", name="conv")], {"x": [1, 3, size, size]}, {"w": random(1, 3, 3, 3)}
    )
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    run("add", "m.onnx").fine  # noqa: B018
    error, hint = run("maps", "m/conv", photo, "-o", "out.npy").refusal()
    assert f"{size} × {size} pixels" in error and LIMIT in error and "--size" in hint
    assert run("maps", "m/conv", photo, "--size", "9", "-o", "out.npy").fine


@pytest.mark.parametrize(
    ("shape", "is_shape"),
    [
        ([1, 3, 0, 8], True),
        ([1, 3, 8, -1], True),
        ([0, 3, 8, 8], True),
        ([1, 0, 8, 8], True),
        ([-5, 3, 8, 8], False),
        ([1, -(2**63), 8, 8], False),
    ],
)
def test_sizes_that_are_none(run: Run, tmp_path: Path, photo: str, shape: list[int], is_shape: bool) -> None:
    """In an input such a size is left open; a Reshape takes 0 and -1 only."""
    add(run, tmp_path, shape, "--preprocessing", "unit")
    ran = run("maps", "m/conv", photo, "-o", "out.npy")
    if is_shape:
        assert ran.fine
        assert np.load(tmp_path / "out.npy").shape == (1, 1, 8, 8)
    else:
        ran.refusal()


@pytest.mark.parametrize("count", [10**9, LARGEST_SIZE // 64 + 1])
def test_as_many_pictures_as_a_graph_takes(run: Run, tmp_path: Path, photo: str, count: int) -> None:
    add(run, tmp_path, [count, 3, 8, 8], "--preprocessing", "unit")
    error, _ = run("maps", "m/conv", photo, "-o", "out.npy").refusal()
    assert f"{count} pictures of 8 × 8 pixels" in error and LIMIT in error


def test_a_batch_that_is_as_large_as_others_are(run: Run, tmp_path: Path, photo: str) -> None:
    add(run, tmp_path, [16, 3, 8, 8], "--preprocessing", "unit")
    assert run("maps", "m/conv", photo, "-o", "out.npy").fine
    assert np.load(tmp_path / "out.npy").shape == (1, 1, 8, 8)


def test_more_channels_than_a_picture_has(run: Run, tmp_path: Path, photo: str) -> None:
    add(run, tmp_path, [1, 10**9, 8, 8], "--preprocessing", "unit")
    assert "1 × 1000000000 × 8 × 8" in run("maps", "m/conv", photo, "-o", "out.npy").refusal()[0]


def test_both_sides_of_the_limit() -> None:
    for size in ((9459, 9459), (1, LARGEST_SIZE), (LARGEST_SIZE, 1)):
        check_size(*size)
    check_size(8, 8, together=LARGEST_SIZE // 64)
    for size in ((9460, 9459), (1, LARGEST_SIZE + 1), (0, 1), (1, -1), (1.5, 2), ("9", 9), (None, 1)):
        with pytest.raises(ImageError):
            check_size(*size)  # type: ignore[arg-type]
    for count in (LARGEST_SIZE // 64 + 1, 0, -1):
        with pytest.raises(ImageError):
            check_size(8, 8, together=count)


def test_large_pictures_run_one_by_one(tmp_path: Path) -> None:
    """Eight at a time otherwise, which are eight times as much memory."""
    from filterkit.runtime.network import _runs

    small, large = np.zeros((1, 3, 8, 8), np.float32), np.broadcast_to(np.float32(0), (1, 3, 9000, 9000))
    assert [len(group) for group in _runs([small] * 9, 8, pixels=LARGEST_SIZE)] == [8, 1]
    assert [len(group) for group in _runs([large] * 3, 8, pixels=LARGEST_SIZE)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("operator", "values"),
    [
        ("ConvTranspose", {"strides": [10**6, 10**6]}),
        ("ConvTranspose", {"strides": [2**31, 2**33]}),
        ("ConvTranspose", {"output_padding": [2**40, 0]}),
        ("Conv", {"pads": [10**9] * 4}),
    ],
)
def test_maps_that_a_layer_makes_of_a_picture(
    run: Run, tmp_path: Path, photo: str, operator: str, values: dict[str, list[int]]
) -> None:
    weights = random(3, 1, 2, 2) if operator == "ConvTranspose" else random(1, 3, 2, 2)
    model = build(
        [node(operator, "x w", "y", name="conv", **values)], {"x": [1, 3, "H", "W"]}, {"w": weights}
    )
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    run("add", "m.onnx", "--preprocessing", "unit").fine  # noqa: B018
    error, _ = run("convolve", "m/conv/0", photo, "-o", "out.npy").refusal()
    assert "the limit is 268,435,456" in error
    run("maps", "m/conv/0", photo, "-o", "out.npy").refusal()


def test_convolving_up_to_the_limit() -> None:
    weights, image = np.ones((1, 1, 1, 1), np.float32), np.zeros((1, 1, 1, 2), np.float32)
    assert convolve(weights, None, image, Sliding(True, strides=[1, 1000])).shape == (1, 1, 1, 1001)
    with pytest.raises(ImageError, match="positions"):
        convolve(weights, None, image, Sliding(True, strides=[1, LARGEST_MAP // 2]))
    with pytest.raises(ImageError, match="smaller than the window"):
        convolve(weights, None, image, Sliding(pads=[0, -9, 0, 0]))


@pytest.mark.parametrize("kind", ["bomb", "claim", "array", "text"])
def test_inputs_that_unpack_to_more(run: Run, tmp_path: Path, kind: str) -> None:
    add(run, tmp_path, [1, 3, 8, 8])
    if kind == "bomb":
        megabytes = np.zeros(1 << 20, np.uint8)
        shape = (MOST_BYTES // 4,)
        with (
            zipfile.ZipFile(tmp_path / "in.npz", "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("x.npy", "w", force_zip64=True) as file,
        ):
            npy.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            for _ in range(MOST_BYTES >> 20):
                file.write(megabytes)
    elif kind == "claim":
        header = io.BytesIO()
        npy.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)})
        with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
            archive.writestr("x.npy", header.getvalue())
    elif kind == "array":
        with (tmp_path / "in.npz").open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        (tmp_path / "in.npz").write_text("no arrays")
    error, _ = run("maps", "m/conv", "--input", "in.npz", "-o", "out.npy").refusal(2)
    assert ("unpacks to" if kind == "bomb" else "not an .npz file of plain arrays") in error


def test_inputs_that_are_as_large_as_they_say(tmp_path: Path, run: Run) -> None:
    add(run, tmp_path, [1, 3, 8, 8])
    np.savez_compressed(tmp_path / "in.npz", x=np.zeros((1, 3, 8, 8), np.float32))
    assert run("maps", "m/conv", "--input", "in.npz", "-o", "out.npy").fine
    with filterkit.open(tmp_path / "catalog.db") as bench:
        assert bench.feature_maps("m/conv", inputs=tmp_path / "in.npz")


@pytest.mark.parametrize("renderer", ["grid", "mosaic", "mosaic:gap=1000000000"])
def test_pictures_of_any_scale(run: Run, tmp_path: Path, renderer: str) -> None:
    run("add", "classic").fine  # noqa: B018
    scale = () if "gap" in renderer else ("--scale", 10**9)
    error, _ = run("show", "classic/edge_sobel_x", "--renderer", renderer, *scale, "-o", "out.png").refusal(2)
    assert "too large" in error and not (tmp_path / "out.png").exists()


def test_a_wide_map_on_a_terminal_takes_no_more_than_it_has() -> None:
    from filterkit.records import TileSheet
    from filterkit.renderers.terminal import Terminal

    tiles = np.broadcast_to(np.float32(0.5), (1, 1, 1, 2**26))
    sheet = TileSheet(tiles=tiles, count=1, title="", note="", tile_labels=("0",))
    assert Terminal(width=40, color="none").render(sheet)


@pytest.mark.parametrize("kind", ["claim", "negative", "cut", "pickle", "header", "many"])
def test_arrays_that_claim_more_than_they_hold(run: Run, tmp_path: Path, kind: str) -> None:
    model = build([node("Conv", "x w", "y", name="conv")], {"x": [1, 5, "H", "W"]}, {"w": random(1, 5, 1, 1)})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    run("add", "m.onnx").fine  # noqa: B018
    with (tmp_path / "a.npy").open("wb") as file:
        if kind in ("claim", "negative"):
            shape = (10**6, 10**6, 5) if kind == "claim" else (-1, 9, 5)
            npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        elif kind == "cut":
            npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (9, 9, 5)})
            file.write(bytes(9 * 9 * 5 - 1))
        elif kind == "pickle":
            np.save(file, np.array([[None]]), allow_pickle=True)
        elif kind == "header":
            file.write(b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535)
        else:
            np.save(file, np.zeros((1, 1, 5) + (1,) * 40, np.uint8)[..., 0:1])
    error, _ = run("maps", "m/conv", "a.npy", "-o", "out.npy").refusal()
    assert "a.npy" in error


def test_an_array_of_more_bands_than_are_resized(run: Run, tmp_path: Path) -> None:
    """5 bands of 9000 x 9000 would be 1.6 GB; both sides of the limit, by the size that is asked for."""
    model = build([node("Conv", "x w", "y", name="conv")], {"x": [1, 5, "H", "W"]}, {"w": random(1, 5, 1, 1)})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    run("add", "m.onnx").fine  # noqa: B018
    np.save(tmp_path / "a.npy", np.zeros((9, 9, 5), np.uint8))
    error, hint = run("maps", "m/conv", "a.npy", "--size", "9000", "-o", "out.npy").refusal()
    assert "9000 × 9000 pixels" in error and "with 5 channels" in error and "--size" in hint
    check_size(1, 3 * LARGEST_SIZE // 5, channels=5)
    with pytest.raises(ImageError, match="with 5 channels"):
        check_size(1, 3 * LARGEST_SIZE // 5 + 1, channels=5)


def test_a_tiff_of_more_frames_than_bands(run: Run, tmp_path: Path) -> None:
    """One after the last that is needed is looked for, and no more."""
    model = build([node("Conv", "x w", "y", name="conv")], {"x": [1, 5, "H", "W"]}, {"w": random(1, 5, 1, 1)})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    run("add", "m.onnx").fine  # noqa: B018
    frames = [Image.new("L", (8, 8))] * 2000
    frames[0].save(tmp_path / "a.tiff", save_all=True, append_images=frames[1:])
    error, _ = run("maps", "m/conv", "a.tiff", "-o", "out.npy").refusal()
    assert "the network takes 5 bands" in error
