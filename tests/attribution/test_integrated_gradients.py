"""Integrated gradients, compared with captum and with the difference that they must add up to."""

from __future__ import annotations

import re

import pytest
from small_cnn import PIXELS, close, picture, torch_network

import filterkit
from filterkit.errors import UsageError


def test_they_are_those_of_captum(cnn: filterkit.Workbench) -> None:
    attr = pytest.importorskip("captum.attr")
    expected = attr.IntegratedGradients(torch_network()).attribute(
        picture(), target=3, n_steps=50, method="gausslegendre"
    )
    close(cnn.attribute("cnn@0:3", PIXELS, method="integrated-gradients:steps=50").array, expected[0])


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
