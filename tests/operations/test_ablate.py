"""Ablation: equal to zeroing weights and bias by hand, in all kinds of graphs; targets, means, estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ablated_networks import NETWORKS, example, model_of, outputs, without
from picture_networks import PIXELS

import filterkit
from filterkit.errors import ImageError, ModelError, NotFoundError, UsageError
from filterkit.operations.ablate import rank_correlation

LAST = 3
"""The entry of the output that is measured."""


def add(bench: filterkit.Workbench, folder: Path, name: str, **options: Any) -> onnx.ModelProto:
    model = model_of(name)
    onnx.save(model, folder / "net.onnx")
    bench.add(folder / "net.onnx", preprocessing="raw", **options)
    return model


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "scores of all pixels"])
def test_exact_ablation_is_zeroing_weights_and_bias(
    name: str, bench: filterkit.Workbench, tmp_path: Path
) -> None:
    model = add(bench, tmp_path, name)
    x = example(name)
    conv = next(row["address"] for row in bench.layers("net") if row["address"].endswith("conv"))
    found = bench.ablate(conv, inputs={"x": x}, target=f"net@0:{LAST}", top=None)
    before = outputs(model, x)[:, LAST]
    assert found["before"] == pytest.approx([before.mean(dtype=np.float64)] * 4, rel=1e-5)
    after = {row["address"]: row["after"] for row in found}
    for number in range(4):
        expected = outputs(without(model, number, transposed=name == "transposed"), x)[:, LAST]
        assert after[f"{conv}/{number}"] == pytest.approx(expected.mean(dtype=np.float64), rel=1e-5, abs=1e-5)
    changes = [abs(row["change"]) for row in found]
    assert changes == sorted(changes, reverse=True)
    assert found["rank"] == [1, 2, 3, 4]
    assert set(found["images"]) == {len(x)}
    assert set(found["target"]) == {f"net@0:{LAST}"}
