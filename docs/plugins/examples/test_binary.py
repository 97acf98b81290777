"""Tests of filterkit-binary: what every normalizer must do, and what this one draws."""

import numpy as np
import pytest
from filterkit_binary import Binary

import filterkit
from filterkit.testing import check_normalizer, tiny_catalog, tiny_model


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.05])
def test_it_is_a_normalizer(threshold):
    check_normalizer(Binary(threshold))


def test_it_is_white_above_the_threshold(tmp_path):
    model = tiny_model("plain", tmp_path)
    weights = model.weights["conv1"]
    np.testing.assert_array_equal(Binary(0.5).normalize(weights).values, weights > 0.5)


def test_filterkit_finds_it(tmp_path):
    with filterkit.open(tiny_catalog(tmp_path, ["plain"])) as bench:
        assert bench.sheet("plain/conv1", "binary:threshold=0.5").note == "above 0.5"
