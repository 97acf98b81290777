"""Small pictures of addresses."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import filterkit
from filterkit.operations import thumbnails
from filterkit.operations.thumbnails import LARGEST_SIDE, MOST_FILTERS


def size_of(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


def model(folder: Path, *shape: int) -> Path:
    weights = np.random.default_rng(0).standard_normal(shape, np.float32)
    weights[0, 0, 0, 0] = np.nan
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", shape[1], "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), folder / "m.onnx")
    return folder / "m.onnx"


def test_filters_are_side_by_side_and_few(bench: filterkit.Workbench, tmp_path: Path) -> None:
    bench.add(model(tmp_path, 20, 2, 3, 3), name="net")
    found = thumbnails.thumbnails(
        bench._session,
        ["net/conv", "net/conv/1,5", "net/conv/1", "net/conv/1/0", "net/none", "no", "net/conv/1"],
    )
    gap = 1
    assert {name: size_of(png) for name, png in found.items()} == {
        "net/conv": (MOST_FILTERS * (3 + gap) - gap, 3),
        "net/conv/1,5": (2 * 3 + gap, 3),
        "net/conv/1": (3, 3),
        "net/conv/1/0": (3, 3),
    }
    both = np.asarray(Image.open(io.BytesIO(found["net/conv/1,5"])))
    assert both[:, 3, 3].tolist() == [0, 0, 0] and (both[:, [0, 1, 2, 4, 5, 6], 3] == 255).all()


def test_the_strongest_kernel_is_drawn(bench: filterkit.Workbench, tmp_path: Path) -> None:
    bench.add(model(tmp_path, 4, 5, 3, 3), name="net")
    weights = bench.bank("net/conv")[2]
    strongest = weights[np.square(weights).sum(axis=(1, 2)).argmax()]
    [png] = thumbnails.thumbnails(bench._session, ["net/conv/2"]).values()
    expected = (strongest - strongest.min()) / np.ptp(strongest)
    np.testing.assert_allclose(np.asarray(Image.open(io.BytesIO(png)))[..., 0] / 255, expected, atol=0.003)


def test_large_kernels_are_small_pictures(bench: filterkit.Workbench, tmp_path: Path) -> None:
    bench.add(model(tmp_path, 1, 1, 97, 400), name="large")
    [png] = thumbnails.thumbnails(bench._session, ["large/conv"]).values()
    width, height = size_of(png)
    assert width <= LARGEST_SIDE and height == 8
    assert len(png) < 4_000


def test_filters_with_too_many_values_are_not_drawn(bench: filterkit.Workbench, tmp_path: Path) -> None:
    bench.add(model(tmp_path, 1, 65, 256, 256), name="huge", metrics=["basic"])
    assert thumbnails.thumbnails(bench._session, ["huge/conv"]) == {}
    assert len(thumbnails.thumbnails(bench._session, ["huge/conv/0/0:64"])) == 1
