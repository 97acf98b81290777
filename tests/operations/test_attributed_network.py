"""Networks with branches, fixed batches and sizes, and integer inputs are attributed like others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import build, node, random
from picture_networks import PIXELS

import filterkit
from filterkit.errors import RuntimeFailure

WEIGHTS = {"w": random(4, 3, 3, 3), "v": random(2, 4, 3, 3, seed=1), "u": random(2, 4, 3, 3, seed=2)}


def add(
    bench: filterkit.Workbench, folder: Path, name: str, nodes: Any, shape: Any, **constants: Any
) -> None:
    model = build(nodes, {"x": shape}, WEIGHTS | constants, opset=17)
    model.graph.input[0].type.tensor_type.elem_type = 2 if nodes[0].op_type == "Cast" else 1
    onnx.save(model, folder / f"{name}.onnx")
    bench.add(folder / f"{name}.onnx", preprocessing="raw")


CONV = node("Conv", "x w", "a", name="conv", pads=[1] * 4)
FREE = ["N", 3, "H", "W"]


def branch(name: str, weight: str) -> onnx.GraphProto:
    inner = node("Conv", f"a {weight}", name, name=f"conv_{name}", pads=[1] * 4)
    return helper.make_graph([inner], name, [], [helper.make_tensor_value_info(name, 1, None)])


@pytest.fixture
def nets(bench: filterkit.Workbench, tmp_path: Path) -> filterkit.Workbench:
    last = node("Conv", "a v", "y", name="conv_yes", pads=[1] * 4)
    add(bench, tmp_path, "plain", [CONV, last], FREE)
    add(bench, tmp_path, "fixed", [CONV, last], [2, 3, 40, 60])
    add(
        bench,
        tmp_path,
        "integers",
        [node("Cast", "x", "f", to=1), node("Conv", "f w", "a", name="conv", pads=[1] * 4), last],
        FREE,
    )
    decide = [
        CONV,
        node("ReduceMean", "a", "m", keepdims=0),
        node("Less", "m limit", "condition"),
        helper.make_node(
            "If", ["condition"], ["y"], then_branch=branch("yes", "v"), else_branch=branch("no", "u")
        ),
    ]
    add(bench, tmp_path, "branches", decide, FREE, limit=np.float32(1e9))
    return bench


@pytest.mark.parametrize(
    "target", ["fixed/conv_yes/1", "integers/conv_yes/1", "branches/conv_yes/1", "branches@0:1"]
)
@pytest.mark.parametrize("position", ["max", "mean", (0, 59), (20, 30)])
def test_all_give_the_same(nets: filterkit.Workbench, target: str, position: Any) -> None:
    plain = nets.attribute("plain/conv_yes/1", PIXELS, position=position)
    found = nets.attribute(target, PIXELS, position=position)
    assert found.value == pytest.approx(plain.value, rel=1e-5)
    np.testing.assert_allclose(found.array, plain.array, atol=1e-5)
    assert found.position == plain.position


@pytest.mark.parametrize("method", ["integrated-gradients:steps=5", "occlusion", "grad-cam", "eigen-cam"])
def test_a_fixed_batch_for_every_method(nets: filterkit.Workbench, method: str) -> None:
    plain, found = (
        nets.attribute(f"{name}/conv_yes/1", PIXELS, method=method) for name in ("plain", "fixed")
    )
    np.testing.assert_allclose(found.array, plain.array, rtol=1e-4, atol=1e-4 * np.abs(plain.array).max())


def test_a_branch_that_is_not_taken(nets: filterkit.Workbench) -> None:
    with pytest.raises(RuntimeFailure, match="branches/conv_no/1 did not run"):
        nets.attribute("branches/conv_no/1", PIXELS)


def test_networks_are_kept_by_size_and_model(nets: filterkit.Workbench, tmp_path: Path) -> None:
    """Results do not depend on what ran before, also after the model was replaced by another."""
    calls = [
        ("conv_yes/1", (4, 5), PIXELS),
        ("conv_yes/1", (30, 33), PIXELS),
        ("conv_yes/0", (4, 5), PIXELS[:30]),
    ]

    def run(bench: filterkit.Workbench) -> list[Any]:
        return [
            bench.attribute(f"plain/{layer}", picture, position=place, at="pre").array
            for layer, place, picture in calls
        ]

    once, again = run(nets), run(nets)
    for one, other in zip(once, again, strict=True):
        assert one.any()
        np.testing.assert_array_equal(one, other)
    other_weights = {"w": random(4, 3, 3, 3, seed=8), "v": random(2, 4, 3, 3, seed=9)}
    last = node("Conv", "a v", "y", name="conv_yes", pads=[1] * 4)
    onnx.save(build([CONV, last], {"x": FREE}, other_weights, opset=17), tmp_path / "plain.onnx")
    nets.add(tmp_path / "plain.onnx", preprocessing="raw", replace=True)
    with filterkit.open(tmp_path / "fresh.db") as fresh:
        fresh.add(tmp_path / "plain.onnx", preprocessing="raw")
        for one, other, before in zip(run(nets), run(fresh), once, strict=True):
            np.testing.assert_array_equal(one, other)
            assert not np.array_equal(one, before)
