"""Untrusted files: whatever their products look like, each is read, skipped with a reason, or refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import filterkit
import numpy as np
import onnx
import pytest
from filterkit.testing import open_graph
from graphs import build, node, random
from onnx import helper

from filterkit_dense.extractor import DenseExtractor
from filterkit_dense.product import CODES, FLOATS, OTHERS


def test_attributes_of_other_types_are_refused(tmp_path: Path) -> None:
    model = build([node("Gemm", "x w", "y", alpha=[1, 2])], [3, 4], {"w": random(4, 5)})
    onnx.save(model, tmp_path / "malformed.onnx")
    with pytest.raises(filterkit.ModelError, match="attribute 'alpha'"):
        open_graph(tmp_path / "malformed.onnx")


@pytest.mark.parametrize("opset", [9, 17])
@pytest.mark.parametrize("op", [*FLOATS, *CODES, *OTHERS, "Einsum"])
@pytest.mark.parametrize(
    ("inputs", "outputs", "attributes"),
    [
        ("x w", "y", {"alpha": "abc", "transB": [1.5], "equation": 3}),
        ("x w", "", {}),
        ("w", "y", {}),
        ("", "y", {}),
        ("x w w w w w w w w w", "y", {}),
    ],
)
def test_odd_nodes(
    op: str, opset: int, inputs: str, outputs: str, attributes: dict[str, object], tmp_path: Path
) -> None:
    strange = helper.make_node("Strange", ["x"], ["s"], domain="their.own")  # onnx's checker stops at it
    nodes = [strange, node(op, inputs, outputs, "odd", **attributes), node("Relu", "x", "z")]
    model = build(nodes, [3, 4], {"w": random(4, 5)})
    model.opset_import[0].version = opset
    onnx.save(model, tmp_path / "odd.onnx")
    with suppress(filterkit.ModelError):
        for found in DenseExtractor().extract(open_graph(tmp_path / "odd.onnx")):
            assert isinstance(found, filterkit.FilterBank) or found.reason


def test_codes_without_a_scale_are_skipped(tmp_path: Path) -> None:
    nodes = [node("DynamicQuantizeLinear", "x", "q s z"), node("MatMulInteger", "q w z", "i")]
    model = build([*nodes, node("Cast", "i", "y", to=1)], [3, 4], {"w": np.ones((4, 5), np.uint8)})
    onnx.save(model, tmp_path / "codes.onnx")
    [only] = DenseExtractor().extract(open_graph(tmp_path / "codes.onnx"))
    assert isinstance(only, filterkit.Skipped)
    assert "integer codes" in only.reason
