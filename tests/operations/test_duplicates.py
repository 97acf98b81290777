"""Filters of one layer that are copies of each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_network import FIRST, write_network

import filterkit


def test_a_copy_is_found_with_what_removing_it_saves(small: filterkit.Workbench) -> None:
    found = small.duplicates("net")
    [row] = found
    assert (row["address"], row["filters"], row["size"]) == ("net/conv1/0,2", [0, 2], 2)
    assert row["min_cosine"] == pytest.approx(1)
    assert row["parameters_saved"] == FIRST[0].size + 1


def test_a_copy_of_the_other_sign_needs_the_invariance(bench: filterkit.Workbench, tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(write_network(tmp_path / "net.onnx"))
    [weight] = [tensor for tensor in model.graph.initializer if tensor.name == "w1"]
    values = FIRST.copy()
    values[2] *= -2
    weight.CopyFrom(numpy_helper.from_array(values, "w1"))
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    assert bench.duplicates("net") == []
    [row] = bench.duplicates("net", invariant=["sign"])
    assert row["filters"] == [0, 2]


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"threshold": 2}, {"invariant": ["flip"]}])
def test_wrong_use(small: filterkit.Workbench, wrong: dict[str, object]) -> None:
    with pytest.raises(filterkit.UsageError) as caught:
        small.duplicates("net", **wrong)  # type: ignore[arg-type]
    assert caught.value.hint
