"""Random weights from one layer on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper
from small_cnn import CONSTANTS, PIXELS, network

import filterkit
from filterkit.attribution.randomized import randomized
from filterkit.errors import NotFoundError, UsageError

ORDER = ("w1", "w2", "w3", "w4")


@pytest.mark.parametrize(("tensor", "first"), [("c1", 0), ("c2", 1), ("c3", 2), ("scores", 3)])
def test_weights_from_there_on_are_random(tensor: str, first: int) -> None:
    done = randomized(network(), Path("cnn.onnx"), tensor, seed=3)
    found = {each.name: numpy_helper.to_array(each) for each in done.graph.initializer}
    changed = [name for name in CONSTANTS if not np.array_equal(found[name], CONSTANTS[name])]
    assert changed == [name for name in ORDER if name in ORDER[first:]]
    for name in changed:
        own = CONSTANTS[name]
        assert found[name].dtype == own.dtype
        assert found[name].std() == pytest.approx(own.std(), rel=0.35)
    again = randomized(network(), Path("cnn.onnx"), tensor, seed=3)
    assert again == done
    assert randomized(network(), Path("cnn.onnx"), tensor, seed=4) != done


def test_the_gradient_changes(cnn: filterkit.Workbench) -> None:
    plain = cnn.attribute("cnn@0:2", PIXELS)
    random, again, other = (
        cnn.attribute("cnn@0:2", PIXELS, randomize="conv2", seed=seed) for seed in (0, 0, 1)
    )
    assert np.array_equal(random.array, again.array)
    assert not np.array_equal(random.array, other.array)
    assert abs(np.corrcoef(plain.array.ravel(), random.array.ravel())[0, 1]) < 0.5
    assert random.randomized == "conv2"
    assert "random weights from conv2 on" in random.captions
    assert any("does not show what these layers have learned" in text for text in random.captions)
    assert np.array_equal(cnn.attribute("cnn@0:2", PIXELS).array, plain.array)


def test_a_layer_that_is_none(cnn: filterkit.Workbench) -> None:
    with pytest.raises(NotFoundError, match="cnn has no layer 'conv9' to randomize"):
        cnn.attribute("cnn@0:2", PIXELS, randomize="conv9")
    with pytest.raises(UsageError, match="does not depend on the layer to randomize"):
        cnn.attribute("cnn/conv1/2", PIXELS, randomize="conv2")
