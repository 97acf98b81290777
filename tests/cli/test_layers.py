"""``filterkit layers``."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from command_line import Run
from onnx_graphs import build, node

KEYS = [
    "address",
    "model",
    "layer",
    "position",
    "op",
    "kernel_shape",
    "strides",
    "dilations",
    "pads",
    "groups",
    "in_channels",
    "out_channels",
    "filters",
    "kernels",
    "parameters",
    "macs",
    "receptive_field",
    "jump",
    "offset",
    "output_shape",
    "activation",
    "norm",
    "global_context",
    "dtype",
    "node",
]
LISTS = {"kernel_shape", "strides", "dilations", "pads", "output_shape"}


@pytest.mark.zoo
@pytest.mark.usefixtures("catalog")
def test_the_rows_of_vgg16(run: Run) -> None:
    rows = run("layers", "vgg16", "--format", "json").rows
    assert len(rows) == 13
    assert all(list(row) == KEYS for row in rows)
    assert all(isinstance(row[key], list) for row in rows for key in LISTS)
    assert [row["position"] for row in rows] == list(range(13))
    assert sum(row["macs"] for row in rows) == 15346630656
    assert sum(row["filters"] for row in rows) == 4224
    last = rows[-1]
    assert last["address"] == "vgg16/block5_conv3"
    assert (last["receptive_field"], last["jump"], last["offset"]) == (196, 16, 90)
    assert (last["kernel_shape"], last["strides"], last["pads"]) == ([3, 3], [1, 1], [1, 1, 1, 1])
    assert (last["in_channels"], last["parameters"]) == (512, 512 * 512 * 9 + 512)
    assert (last["op"], last["activation"], last["dtype"]) == ("Conv", "relu", "float32")
    assert last["output_shape"][1] == 512


@pytest.mark.zoo
@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("address", "count"), [("vgg16/block3_*", 3), ("vgg*", 13), ("*", 26), ("*/edge_*", 6)]
)
def test_patterns(run: Run, address: str, count: int) -> None:
    rows = run("layers", address, "--format", "json").rows
    assert len(rows) == count


@pytest.mark.zoo
@pytest.mark.usefixtures("catalog")
def test_the_table_fits_a_terminal(run: Run) -> None:
    lines = run("layers", "vgg16").stdout.splitlines()
    assert len(lines) >= 15
    assert max(map(len, lines)) <= 80
    assert lines[-1].split() == ["block5_conv3", "3×3", "512", "512", "2,359,808", "196", "16"]
    assert "model" not in lines[1].split()
    assert "model" in run("layers", "*").stdout.splitlines()[1].split()


@pytest.mark.zoo
@pytest.mark.usefixtures("catalog")
def test_mistyped_names_list_the_closest(run: Run) -> None:
    code, error, hint = run("layers", "vgg61").failure
    assert code == 1
    assert "vgg61" in error
    assert "'vgg16'" in hint
    code, error, hint = run("layers", "vgg16/block1_conv9").failure
    assert code == 1
    assert "block1_conv9" in error
    assert "block1_conv1" in hint


@pytest.mark.parametrize("address", ["classic/edge_sobel_x/nine", "classic/a/1/2/3", "classic//3", ""])
def test_wrong_addresses_are_wrong_use(run: Run, classic: Path, address: str) -> None:
    code, _, hint = run("layers", address).failure
    assert code == 2
    assert hint


def test_skipped_says_what_was_not_extracted_and_why(run: Run, tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x kernel", "y", "computed"),
        node("Conv", "y weights", "z", "plain"),
    ]
    weights = {"weights": [[[[1.0]], [[2.0]]]]}
    shapes = {"x": [1, 1, 8, 8], "kernel": [2, 1, 3, 3]}
    onnx.save(build(nodes, shapes, weights), tmp_path / "half.onnx")
    added = run("add", tmp_path / "half.onnx")
    assert added.exit_code == 0, added
    assert "filterkit layers half --skipped" in added.stderr
    [row] = run("layers", "half", "--skipped", "--format", "json").rows
    assert list(row) == ["model", "node", "op", "reason"]
    assert (row["model"], row["node"], row["op"]) == ("half", "computed", "Conv")
    assert "kernel" in row["reason"]
    assert [row["layer"] for row in run("layers", "half", "--format", "json").rows] == ["plain"]
    assert "computed" in run("layers", "half", "--skipped").stdout


def test_nothing_skipped(run: Run, classic: Path) -> None:
    ran = run("layers", "classic", "--skipped", "--format", "json")
    assert ran.rows == []


def test_edges_are_pairs_of_layers(run: Run, classic: Path) -> None:
    rows = run("layers", "classic/edge_*_x", "--edges", "--format", "json").rows
    ends = [(row["from_address"], row["to_address"], row["tensor"]) for row in rows]
    assert (None, "classic/edge_sobel_x", "gray") in ends
    assert ("classic/edge_sobel_x", None, "edge_sobel_x") in ends
    code, error, hint = run("layers", "classic", "--edges", "--skipped").failure
    assert code == 2 and "two lists" in error and "one of them" in hint
