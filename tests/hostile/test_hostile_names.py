"""Names of any length and number: refused or shortened in one line, and never looked at for long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from isolated import Run
from onnx import helper
from onnx_graphs import build, node, random

import filterkit
from filterkit.graph.loading.names import LONGEST_NAME

HERE = Path(__file__).parent


def test_no_text_of_200_000_characters_takes_long() -> None:
    """Quadratic patterns would take hours over all of them together; what is here takes half a minute."""
    paths = [Path(filterkit.__file__).parents[1], HERE, HERE.parent]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    subprocess.run([sys.executable, HERE / "hostile_texts.py"], env=environment, timeout=900, check=True)


def named(what: str, name: str) -> onnx.ModelProto:
    """A convolution with one name in the place of another."""
    constants = {name if what == "tensor" else "w": random(4, 3, 3, 3)}
    weight = next(iter(constants))
    conv = helper.make_node("Conv", ["x", weight], ["y"], name=name if what == "node" else "conv")
    model = build([conv], {"x": [1, 3, 8, 8]}, constants)
    if what == "operator":
        model.graph.node.append(helper.make_node(name, ["y"], ["z"], domain="some.where"))
        model.opset_import.append(helper.make_opsetid("some.where", 1))
    if what in ("domain", "opset"):
        model.opset_import.append(helper.make_opsetid(name, 1))
    if what == "domain":
        model.graph.node.append(helper.make_node("Own", ["y"], ["z"], domain=name))
    if what == "attribute":
        model.graph.node.append(helper.make_node("Own", ["y"], ["z"], domain="some.where", **{name: 1}))
        model.opset_import.append(helper.make_opsetid("some.where", 1))
    if what == "axis":
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = name
    if what == "producer":
        model.producer_name = name
    return model


@pytest.mark.parametrize(
    "what", ["tensor", "node", "operator", "domain", "opset", "attribute", "axis", "producer"]
)
def test_names_in_a_graph(run: Run, tmp_path: Path, what: str) -> None:
    onnx.save(named(what, "n" * LONGEST_NAME), tmp_path / "model.onnx")
    run("add", "model.onnx").fine  # noqa: B018
    onnx.save(named(what, "n" * (LONGEST_NAME + 1)), tmp_path / "longer.onnx")
    error, _ = run("add", "longer.onnx").refusal()
    assert "contains a name of 16,385 characters ('nnn" in error


def test_names_of_bodies_add_up(run: Run, tmp_path: Path) -> None:
    """Every layer inside is named with all that is around it."""
    inner = build([node("Conv", "x w", "y", name="conv")], {}, {"w": random(4, 3, 3, 3)}, outputs=["y"]).graph
    for depth in range(3):
        choice = helper.make_node("If", ["c"], [f"y{depth}"], name="n" * 8000, then_branch=inner)
        choice.attribute.add(name="else_branch", type=onnx.AttributeProto.GRAPH).g.CopyFrom(inner)
        output = helper.make_tensor_value_info(f"y{depth}", onnx.TensorProto.FLOAT, None)
        inner = helper.make_graph([choice], "body", [], [output])
    model = build([node("Identity", "x", "out")], {"x": [1, 3, 8, 8]}, {"c": np.array(True)}, outputs=["out"])
    model.graph.node.extend(inner.node)
    onnx.save(model, tmp_path / "model.onnx")
    error, _ = run("add", "model.onnx").refusal()
    assert "the path of a nested body has 24" in error


def test_many_layers_of_one_name(run: Run, tmp_path: Path) -> None:
    """As many as there are numbers to try, if each were tried anew; some differ where names are cut only."""
    nodes = []
    for place in range(1500):
        name = "conv" if place % 2 else "c" * 96 + chr(0x4E00 + place % 500)
        nodes.append(helper.make_node("Conv", ["x", "w"], [f"y{place}"], name=name))
    onnx.save(build(nodes, {"x": [1, 1, 4, 4]}, {"w": random(1, 1, 1, 2)}), tmp_path / "model.onnx")
    run("add", "model.onnx").fine  # noqa: B018
    rows = run("layers", "model", "--format", "json").rows
    assert len(rows) > 500
    assert len({row["layer"].casefold() for row in rows}) == len(rows)
    assert all(len(row["layer"]) <= 100 for row in rows)


def safetensors(path: Path, name: str) -> None:
    head = json.dumps({name: {"dtype": "F32", "shape": [2, 2, 1, 1], "data_offsets": [0, 16]}}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(16))


def npz(path: Path, name: str) -> None:
    np.savez(path, **{name: random(2, 2, 1, 1)})


def h5(path: Path, name: str) -> None:
    with h5py.File(path, "w") as file:
        file[name] = random(1, 1, 2, 2)


@pytest.mark.parametrize("write", [safetensors, npz, h5], ids=lambda write: write.__name__)
def test_names_in_a_file_of_weights(run: Run, tmp_path: Path, write: object) -> None:
    kind = write.__name__  # type: ignore[attr-defined]
    write(tmp_path / f"fine.{kind}", "w" * LONGEST_NAME)  # type: ignore[operator]
    run("add", f"weights:fine.{kind}").fine  # noqa: B018
    write(tmp_path / f"longer.{kind}", "w" * (LONGEST_NAME + 1))  # type: ignore[operator]
    error, _ = run("add", f"weights:longer.{kind}").refusal()
    assert "16,385 characters" in error


def test_numbers_in_names_are_of_any_length(run: Run, tmp_path: Path) -> None:
    """Python makes no number of more than 4,300 digits."""
    for name in ("conv_" + "9" * 10_000, "c/vars/" + "1" * 5000, "w:" + "7" * 5000):
        safetensors(tmp_path / "net.safetensors", name)
        run("add", "weights:net.safetensors", "--replace").fine  # noqa: B018
