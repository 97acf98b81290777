"""Untrusted files: each one loads, or is refused in one line, whatever is in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import convolution, refused, written
from onnx_graphs import banks, build, found, node, opened, random

from filterkit.errors import FilterkitError, NotFoundError
from filterkit.graph.loading.load import load_model, open_graph


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"no model at all\n", b"PK\x03\x04" + bytes(100), bytes(1000), os.urandom(1000), b"{}"],
    ids=["empty", "nul", "text", "zip", "zeros", "random", "json"],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert str(path) in refused(path).message


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        load_model(tmp_path / "none.onnx")
    assert "not a file" in refused(tmp_path).message


def test_files_too_large_for_protobuf_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.touch()
    os.truncate(path, 2**31)
    error = refused(path)
    assert "2 GiB" in error.message and "external data" in str(error.hint)


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    """onnx.load takes the format from the suffix; a model may be called anything."""
    assert load_model(written(tmp_path / "model.json", convolution())).graph.node


@pytest.mark.parametrize("part", range(16))
def test_truncated(tmp_path: Path, part: int) -> None:
    data = convolution().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(data[: len(data) * part // 16])
    refused(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_corrupted(tmp_path: Path, data: st.DataObject) -> None:
    """With any few bytes changed, a model loads, or is refused with a printable message."""
    corrupted = bytearray(convolution().SerializeToString())
    for _ in range(data.draw(st.integers(1, 8))):
        corrupted[data.draw(st.integers(0, len(corrupted) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "model.onnx"
    path.write_bytes(corrupted)
    try:
        found(open_graph(path))
    except FilterkitError as error:
        assert error.message.isprintable() and error.hint


@pytest.mark.parametrize("depth", [30, 60, 400, 5000])
def test_deep_nesting(tmp_path: Path, depth: int) -> None:
    """If bodies inside If bodies, encoded by hand since protobuf refuses to write them."""

    def field(number: int, data: bytes) -> bytes:
        length, size = b"", len(data)
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + data

    graph = field(2, b"g")
    for _ in range(depth):
        branch = field(1, b"then_branch") + bytes([20 << 3, 1, 5]) + field(6, graph)
        graph = field(1, field(1, b"c") + field(2, b"y") + field(4, b"If") + field(5, branch)) + field(
            2, b"g"
        )
    path = tmp_path / "m.onnx"
    path.write_bytes(bytes([8, 8]) + field(7, graph) + field(8, field(1, b"") + bytes([16, 17])))
    refused(path)


def test_models_without_declared_shapes_are_accepted() -> None:
    model = build([node("Conv", "x w", "y")], {"x": None}, {"w": random(4, 3, 3, 3)})
    assert len(banks(opened(model))) == 1
