"""Connections: which channels a filter reaches is found by running the network with another bias."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from onnx_graphs import build, node, random
from picture_networks import PIXELS

import filterkit
from filterkit.errors import ModelError, NotFoundError, RuntimeFailure, UsageError

P = node("Conv", "x wp bp", "p", name="first", pads=[1] * 4)
Q = node("Conv", "x wq bq", "q", name="second", pads=[1] * 4)
RELU = node("Relu", "p", "r")
CONSTANTS = {
    "wp": random(4, 3, 3, 3) / 100,
    "bp": np.array([100, 110, 120, 130], np.float32),
    "wq": random(4, 3, 3, 3, seed=1) / 100,
    "bq": np.array([90, 80, 70, 60], np.float32),
}
SCALES = np.array([2, -1, 0.5, -3], np.float32)
NORM = {"beta": np.full(4, 900, np.float32), "mean": np.zeros(4, np.float32), "var": np.ones(4, np.float32)}

PATHS: dict[str, tuple[list[onnx.NodeProto], int, dict[str, Any]]] = {
    "nothing": ([node("Identity", "p", "z")], 4, {}),
    "pool": ([RELU, node("MaxPool", "r", "z", kernel_shape=[2, 2], strides=[2, 2])], 4, {}),
    "batch norm": (
        [node("BatchNormalization", "p scales beta mean var", "n"), node("Relu", "n", "z")],
        4,
        NORM,
    ),
    "batch norm after an addition": (
        [
            Q,
            node("Add", "p q", "s"),
            node("BatchNormalization", "s scales beta mean var", "n"),
            node("Relu", "n", "z"),
        ],
        4,
        NORM,
    ),
    "concatenation": ([Q, RELU, node("Concat", "q r q", "z", axis=1)], 12, {}),
    "edges": ([node("Concat", "p p", "z", axis=2)], 4, {}),
    "residual": (
        [Q, RELU, node("Add", "r q", "s"), node("Relu", "s", "t"), node("Sub", "t p", "z")],
        4,
        {},
    ),
    "subtracted from a constant": ([node("Sub", "thousand p", "z")], 4, {"thousand": np.float32(1000)}),
    "negative": ([node("Neg", "p", "n"), node("Add", "n thousand", "z")], 4, {"thousand": np.float32(1000)}),
    "factors": ([node("Mul", "p column", "z")], 4, {"column": SCALES.reshape(4, 1, 1)}),
    "gate": (
        [
            RELU,
            node("GlobalAveragePool", "r", "g"),
            node("Conv", "g wg", "h", name="gate"),
            node("Sigmoid", "h", "s"),
            node("Mul", "r s", "z"),
        ],
        4,
        {"wg": random(4, 4, 1, 1, seed=4) / 1e6},
    ),
    "split and slice": (
        [
            node("Split", "p halves", "one", axis=1),
            node("Slice", "p start end axis step", "two"),
            node("Gather", "p which", "three", axis=1),
            node("Concat", "other one two three", "z", axis=1),
        ],
        9,
        {
            "halves": np.array([1, 3]),
            "start": np.array([-1]),
            "end": np.array([-9]),
            "axis": np.array([1]),
            "step": np.array([-2]),
            "which": np.array([3, 0, 1]),
        },
    ),
    "shuffle": (
        [
            RELU,
            node("Reshape", "r grouped", "g"),
            node("Transpose", "g", "t", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "t flat", "z"),
        ],
        4,
        {"grouped": np.array([1, 2, 2, 40, 60]), "flat": np.array([1, 4, 40, 60])},
    ),
    "channels last": (
        [
            node("Transpose", "p", "t", perm=[0, 2, 3, 1]),
            node("Mul", "t scales", "m"),
            node("Add", "m thousand", "o"),
            node("Relu", "o", "n"),
            node("Transpose", "n", "z", perm=[0, 3, 1, 2]),
        ],
        4,
        {"thousand": np.full(4, 1000, np.float32)},
    ),
    "depth to space": ([node("DepthToSpace", "p", "z", blocksize=2, mode="CRD")], 1, {}),
    "space to depth": ([node("SpaceToDepth", "p", "z", blocksize=2)], 16, {}),
    "padding and resizing": (
        [node("Pad", "p pads", "d"), helper.make_node("Resize", ["d", "", "factors"], ["z"], mode="nearest")],
        4,
        {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "factors": np.array([1, 1, 2, 2], np.float32)},
    ),
    "quantized": (
        [
            node("QuantizeLinear", "p step low", "c"),
            node("MaxPool", "c", "m", kernel_shape=[2, 2]),
            node("DequantizeLinear", "m step low", "z"),
        ],
        4,
        {"step": np.float32(1), "low": np.array(0, np.uint8)},
    ),
    "silu": ([node("Sigmoid", "p", "s"), node("Mul", "p s", "z")], 4, {}),
    "gelu": (
        [
            node("Div", "p root", "d"),
            node("Erf", "d", "e"),
            node("Add", "e one", "f"),
            node("Mul", "p f", "g"),
            node("Mul", "g half", "z"),
        ],
        4,
        {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)},
    ),
    "mean of positions": (
        [node("ReduceMean", "p", "m", axes=[2, 3], keepdims=1), node("Pad", "m pads", "z")],
        4,
        {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
    ),
    "the picture too": ([RELU, node("Concat", "x r", "z", axis=1)], 7, {}),
}
PATHS["split and slice"][0][0].output[:] = ["other", "one"]


def write(folder: Path, name: str, *, groups: int = 1) -> onnx.ModelProto:
    nodes, channels, constants = PATHS[name]
    last = random(6, channels // groups, 3, 3, seed=9)
    model = build(
        [P, *nodes, node("Conv", "z v", "y", name="last", group=groups)],
        {"x": [1, 3, 40, 60]},
        {**CONSTANTS, "scales": SCALES, **constants, "v": last},
        opset=17,
    )
    onnx.save(model, folder / "net.onnx")
    return model


def reached(model: onnx.ModelProto, bias: str, number: int) -> np.ndarray:
    """The signs with which a filter's bias changes each channel of the last layer's input."""

    def run(change: float) -> np.ndarray:
        changed = onnx.ModelProto.FromString(model.SerializeToString())
        (tensor,) = [each for each in changed.graph.initializer if each.name == bias]
        values = numpy_helper.to_array(tensor).copy()
        values[number] += change
        tensor.CopyFrom(numpy_helper.from_array(values, bias))
        changed.graph.output.append(helper.make_tensor_value_info("z", 1, None))
        session = onnxruntime.InferenceSession(
            changed.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        x = PIXELS.transpose(2, 0, 1)[None].astype(np.float32) / 255
        return session.run(["z"], {"x": x})[0][0]

    change = run(10) - run(0)
    strongest = change.reshape(len(change), -1)
    each = strongest[np.arange(len(change)), np.abs(strongest).argmax(axis=1)]
    return np.where(np.abs(each) > 1e-2, np.sign(each), 0)


@pytest.mark.parametrize("name", PATHS)
def test_norms_signs_and_shares(name: str, bench: filterkit.Workbench, tmp_path: Path) -> None:
    model = write(tmp_path, name)
    bench.add(tmp_path / "net.onnx")
    weights = np.asarray(bench.bank("net/last"), np.float64)
    found = bench.connections("net/last", top=None)
    rows = {(row["address"], row["from_address"]): row for row in found}
    expected = {}
    for layer, bias in (("first", "bp"), ("second", "bq")):
        if layer == "second" and Q not in PATHS[name][0]:
            continue
        for source in range(4):
            signs = reached(model, bias, source)
            if name == "residual" and layer == "first":
                signs[source] = 0  # added and subtracted: no effect, but both branches are reported
            for number in range(6):
                kernel = np.tensordot(signs, weights[number], 1)
                if signs.any():
                    expected[f"net/last/{number}", f"net/{layer}/{source}"] = kernel
    if name == "residual":
        for row in found:
            if row["from_address"].startswith("net/first"):
                assert row["weight_norm"] == 0 == row["sign"]
        rows = {key: row for key, row in rows.items() if not key[1].startswith("net/first")}
    assert set(rows) == set(expected)
    for key, kernel in expected.items():
        assert rows[key]["weight_norm"] == pytest.approx(np.linalg.norm(kernel), rel=1e-5)
        assert rows[key]["sign"] == np.sign(kernel.sum())
    for number in range(6):
        shares = [row["share"] for row in found if row["address"] == f"net/last/{number}"]
        assert shares == sorted(shares, reverse=True)
        if name != "the picture too":
            assert sum(shares) == pytest.approx(1)
        else:
            picture = np.square(weights[number][:3]).sum() / np.square(weights[number]).sum()
            assert sum(shares) == pytest.approx(1 - picture)


@pytest.mark.parametrize("name", PATHS)
def test_both_directions_have_the_same_numbers(name: str, bench: filterkit.Workbench, tmp_path: Path) -> None:
    write(tmp_path, name)
    bench.add(tmp_path / "net.onnx")
    back = {
        (row["from_address"], row["address"]): (row["weight_norm"], row["sign"], row["share"])
        for row in bench.connections("net", top=None)
    }
    rows = bench.connections("net", top=None, direction="to")
    assert rows.columns == ("address", "to_address", "weight_norm", "sign", "share")
    found = {
        (row["address"], row["to_address"]): (row["weight_norm"], row["sign"], row["share"]) for row in rows
    }
    assert found == back
    for each in {source for source, _ in back}:
        norms = [row["weight_norm"] for row in rows if row["address"] == each]
        assert norms == sorted(norms, reverse=True)
        assert (
            bench.connections(each, top=3, direction="to")
            == [row for row in rows if row["address"] == each][:3]
        )


@pytest.mark.parametrize("block", [1, 60, 1 << 21])
def test_what_a_filter_excites_by_brute_force(
    block: int, bench: filterkit.Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two layers read the same one; that of groups reads every channel once."""
    monkeypatch.setattr("filterkit.operations.connections.BLOCK", block)
    nodes = [
        P,
        RELU,
        node("Conv", "r v", "y", name="wide"),
        node("Conv", "r g", "z", name="grouped", group=2),
    ]
    constants = {**CONSTANTS, "v": random(7, 4, 3, 3, seed=9), "g": random(6, 2, 5, 5, seed=8)}
    onnx.save(build(nodes, {"x": [1, 3, 40, 60]}, constants, opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    wide, grouped = (np.asarray(bench.bank(f"net/{name}"), np.float64) for name in ("wide", "grouped"))
    for number in range(4):
        kernels = {f"net/wide/{each}": wide[each, number] for each in range(7)}
        first = 3 * (number // 2)
        kernels |= {f"net/grouped/{each}": grouped[each, number % 2] for each in range(first, first + 3)}
        found = bench.connections(f"net/first/{number}", top=4, direction="to")
        expected = sorted(kernels, key=lambda each: -np.linalg.norm(kernels[each]))[:4]
        assert found["to_address"] == expected
        for row in found:
            kernel = kernels[row["to_address"]]
            bank = {"wide": wide, "grouped": grouped}[row["to_address"].split("/")[1]]
            whole = bank[int(row["to_address"].split("/")[2])]
            assert row["weight_norm"] == pytest.approx(np.linalg.norm(kernel))
            assert row["sign"] == np.sign(kernel.sum())
            assert row["share"] == pytest.approx(np.square(kernel).sum() / np.square(whole).sum())


def test_layers_that_nothing_reads(bench: filterkit.Workbench, tmp_path: Path) -> None:
    write(tmp_path, "pool")
    bench.add(tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="net/last has no connections: no layer reads its output") as caught:
        bench.connections("net/last", direction="to")
    assert caught.value.hint == "choose an earlier layer"
    found = bench.connections("net", top=1, direction="to")
    assert len(found) == 4
    assert found.left_out == {"net/last": "no layer reads its output"}
    with pytest.raises(UsageError, match="direction cannot be 'forth'"):
        bench.connections("net/first", direction="forth")  # type: ignore[arg-type]


def test_groups(bench: filterkit.Workbench, tmp_path: Path) -> None:
    write(tmp_path, "concatenation", groups=2)
    bench.add(tmp_path / "net.onnx")
    weights = np.asarray(bench.bank("net/last"), np.float64)
    found = bench.connections("net/last/4", top=None)
    each = {row["from_address"]: row for row in found}  # the second half: 2 and 3 of first, all of second
    assert set(each) == {"net/first/2", "net/first/3", *(f"net/second/{number}" for number in range(4))}
    assert each["net/first/3"]["weight_norm"] == pytest.approx(np.linalg.norm(weights[4, 1]))
    assert each["net/second/0"]["weight_norm"] == pytest.approx(np.linalg.norm(weights[4, 2]))


def test_top_and_several_layers(bench: filterkit.Workbench, tmp_path: Path) -> None:
    write(tmp_path, "gate")
    bench.add(tmp_path / "net.onnx")
    found = bench.connections("net", top=2)
    assert {row["address"].rpartition("/")[0] for row in found} == {"net/gate", "net/last"}
    assert found.left_out == {"net/first": "it is a first layer, which reads the input of the network"}
    assert len(found) == 2 * 10
    assert len(bench.connections(["net/last/1", "net/gate/2"], top=1)) == 2
    assert found.columns == ("address", "from_address", "weight_norm", "sign", "share")


def test_layers_in_a_branch(bench: filterkit.Workbench, tmp_path: Path) -> None:
    inner = [node("MaxPool", "r", "m", kernel_shape=[2, 2]), node("Conv", "m v", "yes", name="last")]
    info = helper.make_tensor_value_info
    branches = {
        "then_branch": helper.make_graph(inner, "yes", [], [info("yes", 1, None)]),
        "else_branch": helper.make_graph(
            [node("Conv", "r v", "no", name="other")], "no", [], [info("no", 1, None)]
        ),
    }
    nodes = [P, RELU, helper.make_node("If", ["true"], ["y"], name="if", **branches)]
    constants = {**CONSTANTS, "true": np.array(True), "v": random(6, 4, 3, 3, seed=9)}
    onnx.save(build(nodes, {"x": [1, 3, 40, 60]}, constants, opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    (address,) = (row["address"] for row in bench.layers("net") if row["address"].endswith("last"))
    found = bench.connections(f"{address}/0", top=None)
    assert sorted(found["from_address"]) == [f"net/first/{number}" for number in range(4)]


@pytest.mark.parametrize(
    ("nodes", "operator"),
    [
        ([node("CumSum", "p one", "z")], "CumSum"),
        ([node("MatMul", "p p", "m"), node("Relu", "m", "z")], "MatMul"),
        ([node("Mul", "p p", "z")], "Mul"),
        ([node("Reshape", "p sizes", "z")], "Reshape"),
    ],
)
def test_an_operator_that_cannot_be_followed_is_named(
    nodes: list[onnx.NodeProto], operator: str, bench: filterkit.Workbench, tmp_path: Path
) -> None:
    constants = {**CONSTANTS, "one": np.array(1), "sizes": np.array([1, 2, -1, 40]), "v": random(2, 4, 3, 3)}
    if operator == "Reshape":
        constants["v"] = random(2, 2, 3, 3)
    model = build([P, *nodes, node("Conv", "z v", "y", name="last")], {"x": [1, 3, 40, 40]}, constants)
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=rf"cannot be followed through node '.*' \({operator}\)"):
        bench.connections("net/first", direction="to")
    with pytest.raises(ModelError, match=rf"cannot be followed through node '.*' \({operator}\)") as caught:
        bench.connections("net/last")
    assert caught.value.hint is not None and caught.value.hint.startswith("connections are followed through")


def test_what_is_refused(bench: filterkit.Workbench, tmp_path: Path) -> None:
    write(tmp_path, "pool")
    bench.add(tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="net/first has no connections: it is a first layer") as caught:
        bench.connections("net/first")
    assert caught.value.hint == "choose a later layer, e.g. net/last"
    with pytest.raises(UsageError, match="not of single kernels"):
        bench.connections("net/last/0/1")
    with pytest.raises(UsageError, match="top must be at least 1"):
        bench.connections("net/last", top=0)
    with pytest.raises(NotFoundError):
        bench.connections("net/nothing")
    np.savez(tmp_path / "weights.npz", conv=random(4, 3, 3, 3))
    bench.add(f"weights:{tmp_path / 'weights.npz'}", name="weights")
    with pytest.raises(RuntimeFailure, match="consists of weights without a network"):
        bench.connections("weights")


@pytest.mark.parametrize(("low", "is_gate"), [(0.0, True), (-1.0, False)])
def test_a_clip_is_a_gate_only_without_negative_results(
    low: float, is_gate: bool, bench: filterkit.Workbench, tmp_path: Path
) -> None:
    nodes = [
        P,
        node("GlobalAveragePool", "p", "g"),
        node("Clip", "g low high", "c"),
        node("Mul", "p c", "z"),
        node("Conv", "z w", "y", name="last"),
    ]
    constants = {**CONSTANTS, "low": np.float32(low), "high": np.float32(1), "w": random(2, 4, 1, 1)}
    constants = {name: constants[name] for name in ("wp", "bp", "low", "high", "w")}
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, constants), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", preprocessing="raw")
    if is_gate:
        assert len(bench.connections("net/last", top=None)) == 8
        return
    with pytest.raises(ModelError, match="cannot be followed through node"):
        bench.connections("net/last")
