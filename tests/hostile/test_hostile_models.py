"""Untrusted models in ``filterkit add``: added, or refused in one line with a hint, cheaply."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from isolated import Run
from onnx import TensorProto, helper
from onnx_graphs import build, node, random
from small_models import Make, convolution, placed


def field(number: int, data: bytes) -> bytes:
    """A field of a protobuf message, by hand: its tag, its length, its data."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 127:
        encoded, value = encoded + bytes([value & 127 | 128]), value >> 7
    return encoded + bytes([value])


def with_dims(*dims: int) -> onnx.ModelProto:
    model = convolution()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    return model


def without_data() -> onnx.ModelProto:
    model = convolution()
    model.graph.initializer[0].ClearField("raw_data")
    return model


def claiming(length: int) -> bytes:
    """A graph that says it is so long."""
    return bytes([8, 8]) + _varint(7 << 3 | 2) + _varint(length) + b"\x0a\x02xy"


def large_file(folder: Path) -> None:
    (folder / "model.onnx").touch()
    os.truncate(folder / "model.onnx", 100 << 30)  # no disk is taken


def a_zip(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.onnx", "w") as archive:
        archive.writestr("inner.onnx", convolution().SerializeToString())


def nested(depth: int) -> bytes:
    """A convolution inside `depth` If bodies; written by hand, since protobuf would not write so deep."""
    leaf = convolution().graph.node[0].SerializeToString()
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None).SerializeToString()
    graph = field(1, leaf) + field(2, b"g") + field(12, y)
    for _ in range(depth):
        branches = b"".join(
            field(5, field(1, name) + bytes([0xA0, 1, 5]) + field(6, graph)) for name in (b"then_branch",)
        )
        choice = field(1, b"c") + field(2, b"y") + field(4, b"If") + branches
        graph = field(1, choice) + field(2, b"g") + field(12, y)
    outer = convolution().graph
    graph += b"".join(field(5, tensor.SerializeToString()) for tensor in outer.initializer)
    graph += b"".join(field(11, value.SerializeToString()) for value in outer.input)
    graph += field(11, helper.make_tensor_value_info("c", TensorProto.BOOL, []).SerializeToString())
    return bytes([8, 8]) + field(7, graph) + field(8, field(1, b"") + bytes([16, 17]))


def cyclic() -> onnx.ModelProto:
    return build([node("Conv", "b w", "a"), node("Relu", "a", "b")], {"x": [1]}, {"w": random(4, 4, 1, 1)})


def same_outputs() -> onnx.ModelProto:
    nodes = [node("Conv", "x w", "y"), node("Relu", "x", "y")]
    return build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)})


def same_weights() -> onnx.ModelProto:
    model = convolution()
    model.graph.initializer.add().CopyFrom(model.graph.initializer[0])
    return model


REFUSED: dict[str, tuple[Make, str]] = {
    "empty": (lambda _: b"", "empty"),
    "garbage": (lambda _: np.random.default_rng(0).bytes(5000), "not an ONNX model"),
    "zeros": (lambda _: bytes(5000), "not an ONNX model"),
    "text": (lambda _: b"# A network\n\nIt is very deep.\n" * 50, "not an ONNX model"),
    "zip": (a_zip, "not an ONNX model"),
    "cyclic": (lambda _: cyclic(), "contains a cycle"),
    "duplicate outputs": (lambda _: same_outputs(), "two nodes produce the tensor 'y'"),
    "duplicate weights": (lambda _: same_weights(), "'w' is defined twice"),
    "negative dims": (lambda _: with_dims(-4, 3, 3, 3), "negative dimension"),
    "negative dims, positive product": (lambda _: with_dims(-4, -3, 3, 3), "negative dimension"),
    "dims without data": (lambda _: without_data(), "does not match its shape"),
    "data without dims": (lambda _: with_dims(), "does not match its shape"),
    "dims of 2^60": (lambda _: with_dims(2**60, 3, 3, 3), "does not match its shape"),
    "dims beyond 2^64": (lambda _: with_dims(2**62, 2**62, 2**62, 4), "does not match its shape"),
    "dims of 3 GiB": (lambda _: with_dims(3 << 28, 1, 1, 1), "does not match its shape"),
    "a length of 2^60": (lambda _: claiming(2**60), "not an ONNX model"),
    "a length of 3 GiB": (lambda _: claiming(3 << 30), "not an ONNX model"),
    "a file of 100 GiB": (large_file, "larger than 2 GiB"),
    "60 deep": (lambda _: nested(60), "deep"),
    "400 deep": (lambda _: nested(400), "deep"),
    "5,000 deep": (lambda _: nested(5000), "deep"),
    "a folder": (lambda folder: (folder / "model.onnx").mkdir(), "folder"),
    "a weight that is a list of attributes": (lambda _: convolution(group=[1]), "attribute 'group'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(run: Run, tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]
    placed(tmp_path, make)
    before = sorted(tmp_path.rglob("*"))
    error, _ = run("add", "model.onnx").refusal()
    assert words in error
    assert sorted(tmp_path.rglob("*")) == before, "something was written"


@pytest.mark.parametrize("part", range(1, 16))
def test_truncated(run: Run, tmp_path: Path, part: int) -> None:
    data = convolution().SerializeToString()
    (tmp_path / "model.onnx").write_bytes(data[: len(data) * part // 16])
    run("add", "model.onnx").refusal()
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_refusing_a_model_leaves_the_catalog_as_it_was(run: Run, tmp_path: Path) -> None:
    placed(tmp_path, lambda _: convolution())
    run("add", "model.onnx").fine  # noqa: B018
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "bad.onnx").write_bytes(cyclic().SerializeToString())
    run("add", "bad.onnx").refusal()
    run("add", "bad.onnx", "--name", "model", "--replace").refusal()
    (tmp_path / "bad.onnx").unlink()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_nodes_out_of_order_are_sorted(run: Run, tmp_path: Path) -> None:
    nodes = [node("Conv", "a w", "y"), node("Relu", "x", "a")]
    model = build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)}, outputs=["y"])
    placed(tmp_path, lambda _: model)
    run("add", "model.onnx").fine  # noqa: B018
    assert run("layers", "model", "--format", "json").rows[0]["filters"] == 4
    maps = run("maps", "model", photo(tmp_path), "-o", "maps")  # it is run in the right order too
    assert maps.fine


def test_30_deep_is_taken(run: Run, tmp_path: Path) -> None:
    placed(tmp_path, lambda _: nested(30))
    run("add", "model.onnx").fine  # noqa: B018
    layers = run("layers", "model", "--format", "json").rows
    skipped = run("layers", "model", "--skipped", "--format", "json").rows
    assert len(layers) + len(skipped) == 1


BOMBS = {
    "fill": [node("ConstantOfShape", "shape", "fill")],
    "expand": [node("Expand", "one shape", "expand")],
    "tile": [node("Tile", "one shape", "tile")],
    "double": [
        node("ConstantOfShape", "small", "d0"),
        *(node("Concat", f"d{step} d{step}", f"d{step + 1}", axis=0) for step in range(40)),
        node("Identity", "d40", "double"),
    ],
}
"""Nodes that make a weight, by the weight's name."""


@pytest.mark.parametrize("size", [2**12, 2**31, 2**60])
def test_bombs(run: Run, tmp_path: Path, size: int) -> None:
    """A few bytes that ask for a weight of 64 GB and more: skipped with a reason, at no cost."""
    constants = {
        "shape": np.array([size, size, 3, 3]),
        "small": np.array([1, 3, 3, 3]),
        "one": np.ones((1, 1, 1, 1), np.float32),
    }
    nodes = [bomb for bombs in BOMBS.values() for bomb in bombs]
    nodes += [node("Conv", f"x {bomb}", f"y_{bomb}", name=bomb) for bomb in BOMBS]
    placed(tmp_path, lambda _: build(nodes, {"x": [1, 3, 8, 8]}, constants))
    assert "4 layers could not be extracted" in run("add", "model.onnx").fine.stderr
    rows = run("layers", "model", "--skipped", "--format", "json").rows
    assert {row["node"] for row in rows} == set(BOMBS)
    assert all("too large to compute" in row["reason"] for row in rows)


def test_more_filters_than_there_is_room_for(run: Run, tmp_path: Path) -> None:
    """Few bytes make millions of filters of one number each, and each would be a row."""
    nodes = [
        node("ConstantOfShape", "shape", "many"),
        node("Conv", "x many", "y", name="hoard"),
        node("Conv", "x w", "z", name="honest"),
    ]
    constants = {"shape": np.array([2**24, 1, 1, 1]), "w": random(4, 1, 3, 3)}
    placed(tmp_path, lambda _: build(nodes, {"x": [1, 1, 8, 8]}, constants, outputs=["y", "z"]))
    assert run("add", "model.onnx", "--format", "json").rows[0]["filters"] == 4
    [row] = run("layers", "model", "--skipped", "--format", "json").rows
    assert row["node"] == "hoard"
    assert row["reason"] == "its 16,777,216 filters exceed the limit of one model"


def test_a_graph_that_aborts_shape_inference_is_taken(run: Run, tmp_path: Path) -> None:
    """The window is larger than the picture: onnx makes a size of -2 of it, at which its Slice asserts."""
    slices = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])}
    model = build(
        [node("Conv", "x w", "c"), node("Slice", "c zero one two", "s"), node("Conv", "s v", "y")],
        {"x": [1, 3, 4, 4]},
        {"w": random(4, 3, 7, 7), "v": random(2, 4, 1, 1), **slices},
    )
    placed(tmp_path, lambda _: model)
    rows = run("add", "model.onnx", "--format", "json").rows
    assert (rows[0]["layers"], rows[0]["filters"]) == (2, 6)
    assert [row["filters"] for row in run("layers", "model", "--format", "json").rows] == [4, 2]


def test_weights_that_are_no_numbers(run: Run, tmp_path: Path) -> None:
    """NaN and infinity: catalogued, measured as NULL, drawn, and said."""
    weight = random(4, 3, 3, 3)
    weight[1, 0, 0, 0], weight[2, 1, 1, 1], weight[3] = np.nan, np.inf, np.nan
    placed(tmp_path, lambda _: build([node("Conv", "x w", "y")], {"x": [1, 3, 8, 8]}, {"w": weight}))
    assert "3 filters have weights that are not finite" in run("add", "model.onnx").fine.stderr
    rows = run("filters", "model", "--format", "json").rows
    assert [row["l2_norm"] is None for row in rows] == [False, True, True, True]
    assert [
        row["address"] for row in run("filters", "*", "--where", "l2_norm is null", "--format", "json").rows
    ] == [f"model/y/{place}" for place in (1, 2, 3)]
    for normalizer in ("minmax", "symmetric", "percentile", "zscore"):
        for renderer in ("grid", "mosaic"):
            run("show", "model", "--normalizer", normalizer, "--renderer", renderer, "-o", "p.png").fine  # noqa: B018
            assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
            (tmp_path / "p.png").unlink()
    assert run("show", "model", "--renderer", "terminal").fine.stdout


NAMES = {
    "slash": "a/b", "dots": "..", "path": "../../etc/passwd", "absolute": "/etc/passwd", "nul": "a\0b",
    "escape": "\x1b[2J\x1b[31mred\x07", "lines": "a\nb\r\nc", "long": "n" * 10_000, "empty": "", "dot": ".",
    "bidi": "\u202egnp.exe", "star": "*", "quote": "'; DROP TABLE model; --", "device": "CON",
    "markup": "[red]x[/red]",
    "percent": "%s%n", "dash": "--help", "emoji": "😀",
}  # fmt: skip


def test_names(run: Run, tmp_path: Path) -> None:
    """Nodes, weights, outputs and inputs under names that are none, each of them twice."""
    nodes, weights, last = [], {}, "x\0\x1b[31m/../x"
    for word in NAMES:
        for copy in ("", "again"):
            weight, output = f"{word}{copy}" or "w", f"{word}{copy} out"
            nodes.append(helper.make_node("Conv", [last, weight], [output], name=word))
            weights[weight], last = random(3, 3, 1, 1), output
    placed(tmp_path, lambda _: build(nodes, {nodes[0].input[0]: [1, 3, 8, 8]}, weights))
    run("add", "model.onnx").fine  # noqa: B018
    rows = run("layers", "model", "--format", "json").rows
    assert len({row["layer"].casefold() for row in rows}) == len(rows) == 2 * len(NAMES)
    for row in rows:
        assert (
            row["layer"] and "/" not in row["layer"] and row["layer"].strip(".") and len(row["layer"]) <= 100
        )
    assert run("layers", "model").fine.stdout
    assert run("filters", "model/*/0").fine.stdout
    run("show", "model", "--renderer", "mosaic", "-o", "drawn").fine  # noqa: B018
    run("export", "model", "-o", "weights.npz").fine  # noqa: B018
    run("maps", "model", photo(tmp_path), "--renderer", "mosaic", "-o", "maps").fine  # noqa: B018
    known = {"model.onnx", "catalog.db", "catalog.store", "drawn", "weights.npz", "maps", "photo.png"}
    assert {path.name for path in tmp_path.iterdir()} - {"catalog.db-wal", "catalog.db-shm"} == known
    assert len(list((tmp_path / "maps").iterdir())) == len(rows)


def test_layers_of_one_name(run: Run, tmp_path: Path) -> None:
    """Names equal to another's, but for their case too, are told apart by a number."""
    names = ["conv", "conv", "Conv", "conv_2"]
    nodes = [node("Conv", f"t{place} w", f"t{place + 1}", name=name) for place, name in enumerate(names)]
    placed(tmp_path, lambda _: build(nodes, {"t0": [1, 3, 8, 8]}, {"w": random(3, 3, 1, 1)}))
    run("add", "model.onnx").fine  # noqa: B018
    rows = run("layers", "model", "--format", "json").rows
    assert len({row["layer"].casefold() for row in rows}) == 4


FOREIGN = {
    "operator": ({"op": "NoSuchThing"}, 17, "no operator NoSuchThing"),
    "domain": ({"op": "Polish", "domain": "somebody.else"}, 17, "no operator Polish of domain somebody.else"),
    "opset 999": ({"op": "Relu"}, 999, "opset"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_onnx_runtime_does_not_know(run: Run, tmp_path: Path, kind: str) -> None:
    """Filters are extracted and drawn all the same; running says why not."""
    extra, opset, words = FOREIGN[kind]
    nodes = [
        node(extra["op"], "x", "a", domain=extra.get("domain", "")),
        node("Conv", "a w", "y", name="conv"),
    ]
    placed(tmp_path, lambda _: build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)}, opset=opset))
    run("add", "model.onnx").fine  # noqa: B018
    run("show", "model", "-o", "p.png").fine  # noqa: B018
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 3, 8, 8), np.float32))
    error, _ = run("maps", "model", "--input", "x.npz", "-o", "maps").refusal()
    assert words in error
    assert not (tmp_path / "maps").exists()


def photo(folder: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (8, 8), "teal").save(folder / "photo.png")
    return folder / "photo.png"
