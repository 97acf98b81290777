"""Stored tensors: data that matches its shape, in the model or beside it, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from model_files import convolution, refused, written
from onnx import TensorProto
from onnx_graphs import banks, build, node, random

from filterkit.graph.loading.load import open_graph


@pytest.mark.parametrize(
    ("dims", "words"),
    [
        ([-4, 3, 3, 3], "negative"),
        ([2**60, 3, 3, 3], "does not match its shape"),
        ([4, 3, 3], "does not match its shape"),
        ([], "does not match its shape"),
    ],
)
def test_dims_that_do_not_match_the_data(tmp_path: Path, dims: list[int], words: str) -> None:
    model = convolution()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    assert words in refused(written(tmp_path / "m.onnx", model)).message


def test_dims_are_checked_in_bodies_and_attributes_too(tmp_path: Path) -> None:
    broken = TensorProto(name="broken", dims=[7], data_type=TensorProto.FLOAT, raw_data=b"1234")
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("Constant", [], ["c"], value=broken)],
        "body",
        [],
        [onnx.helper.make_tensor_value_info("c", TensorProto.FLOAT, None)],
    )
    model = build([node("If", "x", "y", then_branch=body, else_branch=body)], {"x": []})
    assert "'broken'" in refused(written(tmp_path / "m.onnx", model)).message


def external(folder: Path, location: str, *, offset: int = 0, length: int | None = None) -> Path:
    """A model in `folder` whose weight is stored in the file `location`."""
    model = convolution()
    weight = model.graph.initializer[0]
    (folder / "weights.bin").write_bytes(bytes(16) + weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entries = {"location": location, "offset": str(offset)} | (
        {"length": str(length)} if length is not None else {}
    )
    for key, value in entries.items():
        weight.external_data.add(key=key, value=value)
    return written(folder / "model.onnx", model)


def test_external_data_is_memory_mapped(tmp_path: Path) -> None:
    graph = open_graph(external(tmp_path, "weights.bin", offset=16))
    np.testing.assert_array_equal(banks(graph)[0].weights, random(4, 3, 3, 3))
    assert isinstance(graph.constant("w").base, np.memmap) or isinstance(graph.constant("w"), np.memmap)


@pytest.mark.parametrize(
    ("offset", "length"), [(16, 436), (20, 432), (-16, 432), (16, 428), (16, -1), (2**70, 432), (449, None)]
)
def test_external_data_of_the_wrong_length(tmp_path: Path, offset: int, length: int | None) -> None:
    refused(external(tmp_path, "weights.bin", offset=offset, length=length))


def _symlinked_file(folder: Path, outside: Path) -> str:
    (folder / "link.bin").symlink_to(outside / "secret.bin")
    return "link.bin"


def _symlinked_folder(folder: Path, outside: Path) -> str:
    (folder / "sub").symlink_to(outside)
    return "sub/secret.bin"


def _hard_link(folder: Path, outside: Path) -> str:
    (folder / "hard.bin").hardlink_to(outside / "secret.bin")
    return "hard.bin"


def _fifo(folder: Path, outside: Path) -> str:
    os.mkfifo(folder / "fifo.bin")
    return "fifo.bin"


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
@pytest.mark.parametrize(
    "lure",
    [
        lambda folder, outside: "../outside/secret.bin",
        lambda folder, outside: str(outside / "secret.bin"),
        lambda folder, outside: "/dev/zero",
        lambda folder, outside: "none.bin",
        lambda folder, outside: "",
        lambda folder, outside: "a\0b",
        lambda folder, outside: ".",
        _symlinked_file,
        _symlinked_folder,
        _hard_link,
        _fifo,
    ],
)
def test_external_data_stays_in_the_folder(tmp_path: Path, lure: Callable[[Path, Path], str]) -> None:
    folder, outside = tmp_path / "model", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "secret.bin").write_bytes(bytes(432))
    refused(external(folder, lure(folder, outside)))
