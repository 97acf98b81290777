"""Untrusted files: each one loads, or is refused in one line, whatever is in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnx_graphs import banks, build, found, node, opened, random

from filterkit.errors import FilterkitError, ModelError, NotFoundError
from filterkit.graph.loading.load import load_model, open_graph


def convolution() -> onnx.ModelProto:
    return build([node("Conv", "x w", "y")], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)})


def refused(path: Path) -> ModelError:
    """The error of a file that is refused, which must be printable, on one line, and have a hint."""
    with pytest.raises(ModelError) as caught:
        load_model(path)
    error = caught.value
    assert "\n" not in error.message and error.hint and "\n" not in error.hint
    assert error.message.isprintable()
    return error


def written(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


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


def test_cycles_are_refused(tmp_path: Path) -> None:
    nodes = [node("Add", "x b", "a"), node("Relu", "a", "b")]
    assert "contains a cycle" in refused(written(tmp_path / "m.onnx", build(nodes, {"x": [1]}))).message


def test_two_producers_of_one_tensor_are_refused(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "a"), node("Abs", "x", "a")]
    assert "two nodes produce" in refused(written(tmp_path / "m.onnx", build(nodes, {"x": [1]}))).message


def test_tensors_without_a_producer_are_refused(tmp_path: Path) -> None:
    model = build([node("Add", "x lost", "a")], {"x": [1]})
    assert "nothing produces the tensor 'lost'" in refused(written(tmp_path / "m.onnx", model)).message


def test_unsorted_nodes_are_sorted() -> None:
    nodes = [node("Conv", "a w", "y"), node("Relu", "x", "a")]
    graph = opened(build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)}, outputs=["y"]))
    assert [one.op_type for one in graph.nodes] == ["Relu", "Conv"]
    assert len(banks(graph)) == 1


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


def test_names_cannot_control_the_terminal(tmp_path: Path) -> None:
    model = convolution()
    model.graph.initializer[0].name = model.graph.node[0].input[1] = "\x1b[31m" + "w" * 10_000
    model.graph.initializer[0].dims[0] = 5
    assert len(refused(written(tmp_path / "m.onnx", model)).message) < 400


def test_names_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(written(path, convolution()).read_bytes().replace(b"\x04Conv", b"\x04Co\xffv"))
    assert "not valid UTF-8" in refused(path).message


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


@pytest.mark.parametrize("opset", [7, 999])
def test_operators_unknown_to_onnx_are_accepted(opset: int) -> None:
    nodes = [node("Conv", "x w", "c"), node("Strange", "c", "y", domain="custom"), node("Novel", "y", "z")]
    model = build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)}, opset=opset)
    assert len(banks(opened(model))) == 1


@pytest.mark.parametrize("op", ["Clip", "Conv", "MatMulInteger", "QuantizeLinear"])
def test_numbers_of_inputs_are_checked_against_the_operator(tmp_path: Path, op: str) -> None:
    """Even after a custom operator, at which onnx's checker stops, and for operators newer than the opset."""
    nodes = [node("Strange", "x", "c", domain="custom"), node(op, "", "y"), node("Sum", "c y", "z")]
    model = build(nodes, {"x": [1, 3, 8, 8]}, opset=9)
    assert "fewer inputs than" in refused(written(tmp_path / "m.onnx", model)).message
    nodes[1].input.extend(["x"] * 20)
    model = build(nodes, {"x": [1, 3, 8, 8]}, opset=9)
    assert "more inputs than" in refused(written(tmp_path / "m.onnx", model)).message


def test_attributes_of_functions_are_checked_where_they_are_called(tmp_path: Path) -> None:
    inner = node("Conv", "a b", "c")
    inner.attribute.add(name="strides", type=onnx.AttributeProto.INTS, ref_attr_name="steps")
    opset = [onnx.helper.make_opsetid("", 17)]
    function = onnx.helper.make_function(
        "their.own", "Convolve", ["a", "b"], ["c"], [inner], opset, ["steps"]
    )

    def calling(**given: object) -> onnx.ModelProto:
        call = node("Convolve", "x w", "y", domain="their.own", **given)
        model = build([call], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)})
        model.functions.append(function)
        return model

    assert banks(opened(calling(steps=[2, 2])))[0].strides == (2, 2)
    assert banks(opened(calling()))[0].strides == (1, 1)
    for wrong in ("many", 2):
        message = refused(written(tmp_path / "m.onnx", calling(steps=wrong))).message
        assert "attribute 'strides'" in message
    alone = build([node("Strange", "x", "a", domain="custom"), inner], {"x": [1, 3, 8, 8], "b": None})
    assert "is a reference outside a function" in refused(written(tmp_path / "m.onnx", alone)).message


def test_models_without_declared_shapes_are_accepted() -> None:
    model = build([node("Conv", "x w", "y")], {"x": None}, {"w": random(4, 3, 3, 3)})
    assert len(banks(opened(model))) == 1


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
