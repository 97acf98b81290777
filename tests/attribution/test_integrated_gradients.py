"""Integrated gradients, compared with captum and with the difference that they must add up to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from small_cnn import PIXELS, close, network, picture, torch_network

import filterkit
from filterkit.attribution import integrated_gradients
from filterkit.attribution.subject import Subject
from filterkit.errors import UsageError


@pytest.mark.parametrize("smooth", [True, False])
def test_they_are_those_of_captum(tmp_path: Path, smooth: bool) -> None:
    """The integral is that of captum, with its own quadrature; without kinks both are exact."""
    attr = pytest.importorskip("captum.attr")
    torch = pytest.importorskip("torch")
    theirs, ours = torch_network(), network()
    if smooth:
        theirs[1] = theirs[4] = theirs[6] = torch.nn.Tanh()
        theirs[2] = torch.nn.AvgPool2d(2)
        for node in ours.graph.node:
            node.op_type = {"Relu": "Tanh", "MaxPool": "AveragePool"}.get(node.op_type, node.op_type)
    expected = attr.IntegratedGradients(theirs).attribute(picture(), target=3, n_steps=400)
    onnx.save(ours, tmp_path / "cnn.onnx")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "cnn.onnx")
        found = bench.attribute("cnn@0:3", PIXELS, method="integrated-gradients:steps=1000")
    close(found.array, expected[0], 1e-4 if smooth else 0.01)


def test_long_ways_are_integrated_in_parts(cnn: filterkit.Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cnn.attribute("cnn@0:3", PIXELS, method="integrated-gradients:steps=128")
    monkeypatch.setattr(integrated_gradients, "MOST_NUMBERS", 50 * PIXELS.size)
    parts = cnn.attribute("cnn@0:3", PIXELS, method="integrated-gradients:steps=128")
    assert not np.array_equal(parts.array, whole.array)
    close(parts.array, whole.array, 0.02)


def test_they_do_not_depend_on_chance(cnn: filterkit.Workbench) -> None:
    one, other = (
        cnn.attribute("cnn@0:3", PIXELS, method="integrated-gradients:steps=40").array for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 33])
def test_the_number_of_gradients_is_that_of_the_steps(
    cnn: filterkit.Workbench, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    counts: list[int] = []
    gradients = Subject.gradients

    def counted(self: Subject, pictures: Any, override: str | None = None) -> Any:
        counts.append(len(pictures))
        return gradients(self, pictures, override)

    monkeypatch.setattr(Subject, "gradients", counted)
    found = cnn.attribute("cnn@0:3", PIXELS, method=f"integrated-gradients:steps={steps}")
    assert sum(counts) == steps
    assert found.array.any()


@pytest.mark.parametrize("baseline", ["black", "gray", "white", "blur"])
@pytest.mark.parametrize("target", ["cnn@0:3", "cnn/conv3/4"])
def test_they_add_up_to_the_difference(cnn: filterkit.Workbench, target: str, baseline: str) -> None:
    found = cnn.attribute(target, PIXELS, method=f"integrated-gradients:steps=128,baseline={baseline}")
    (note,) = [each for each in found.notes if each.startswith("the sum")]
    numbers = re.search(r"the sum (\S+) differs by (\S+)% from .* baseline, (\S+)$", note)
    assert numbers is not None, note
    total, share, difference = map(float, numbers.groups())
    assert found.sum == pytest.approx(total, rel=1e-3)
    assert share <= 1
    assert total == pytest.approx(difference, rel=0.01)


def test_too_few_steps_are_reported(cnn: filterkit.Workbench) -> None:
    found = cnn.attribute("cnn@0:3", PIXELS, method="integrated-gradients:steps=1")
    assert "use more steps" in found.notes[-1]


@pytest.mark.parametrize("steps", [0, 10_001])
def test_the_number_of_steps_is_limited(cnn: filterkit.Workbench, steps: int) -> None:
    with pytest.raises(UsageError, match=r"steps must be between 1 and 10,000"):
        cnn.attribute("cnn@0:3", PIXELS, method=f"integrated-gradients:steps={steps}")
