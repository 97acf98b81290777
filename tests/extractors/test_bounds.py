"""Hostile constants cost nothing, however many; large honest ones are read where they lie."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx_graphs import FLOAT, banks, build, found, node, opened, random

from filterkit.graph.loading.load import open_graph
from filterkit.records import FilterBank, Skipped


def test_many_constants_that_are_each_allowed_are_too_many() -> None:
    """Forty weights of 16 million elements each, told by a few bytes."""
    nodes = [
        step
        for place in range(40)
        for step in (node("ConstantOfShape", "s", f"w{place}"), node("Conv", f"x w{place}", f"y{place}"))
    ]
    model = build(nodes, {"x": [1, 2**12, 8, 8]}, {"s": np.array([2**12, 2**12, 1, 1])})
    read = 0
    for one in found(opened(model)):
        if isinstance(one, Skipped):
            assert one.reason.endswith("one of more constants than one model may have")
        else:
            read += 1
    assert 1 <= read < 10


def test_a_weight_that_is_shared_is_there_once_and_not_for_ever() -> None:
    nodes = [node("Conv", "x w", f"y{place}") for place in range(3000)]
    model = build(nodes, {"x": [1, 256, 8, 8]}, {"w": random(256, 256, 1, 1)})
    results = found(opened(model))
    kept = [one for one in results if isinstance(one, FilterBank)]
    assert len(results) == 3000
    assert 1000 < len(kept) < 3000
    assert len({id(bank.weights) for bank in kept}) == 1


def test_a_bomb_behind_a_body_or_a_function_costs_nothing() -> None:
    bomb = [node("ConstantOfShape", "s", "v"), node("Conv", "x v", "t", name="conv")]
    output = helper.make_tensor_value_info("t", FLOAT, None)
    body = helper.make_graph(bomb, "body", [], [output])
    both = helper.make_node("If", ["c"], ["y"], name="if", then_branch=body, else_branch=body)
    tracemalloc.start()
    results = found(
        opened(build([both], {"x": [1, 2, 8, 8]}, {"c": np.array(True), "s": np.array([2**20, 2**20, 3, 3])}))
    )
    assert (
        all(isinstance(one, Skipped) and "too large" in one.reason for one in results) and len(results) == 2
    )
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def test_a_model_of_more_than_two_gigabytes(tmp_path: Path) -> None:
    """External data of 3 GiB, a hole in the file; what a convolution needs of it lies behind the hole."""
    weight = random(4, 2, 3, 3)
    offset = 3 * 2**30
    with (tmp_path / "weights.bin").open("wb") as file:
        file.seek(offset)
        file.write(weight.tobytes())

    def external(name: str, dims: list[int], offset: int, length: int) -> TensorProto:
        tensor = TensorProto(name=name, data_type=FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
        for key, value in {"location": "weights.bin", "offset": offset, "length": length}.items():
            tensor.external_data.add(key=key, value=str(value))
        return tensor

    model = build(
        [node("Conv", "x w", "c"), node("Identity", "huge", "h")], {"x": [1, 2, 8, 8]}, {}, ["c", "h"]
    )
    model.graph.initializer.append(external("w", [4, 2, 3, 3], offset, weight.nbytes))
    model.graph.initializer.append(external("huge", [offset // 4], 0, offset))
    onnx.save(model, tmp_path / "model.onnx")
    graph = open_graph(tmp_path / "model.onnx")
    tracemalloc.start()
    (bank,) = banks(graph)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    np.testing.assert_array_equal(bank.weights, weight)
