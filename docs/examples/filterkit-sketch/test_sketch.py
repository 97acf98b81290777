"""Tests of filterkit-sketch."""

import numpy as np
import pytest
from filterkit_sketch.dots import Dots
from filterkit_sketch.rings import Rings
from filterkit_sketch.root import Root

import filterkit
from filterkit.testing import check_normalizer, check_renderer, check_source


@pytest.mark.parametrize("degree", [1.0, 2.0, 3.5])
def test_root_is_a_normalizer(degree):
    check_normalizer(Root(degree))


def test_root_amplifies_small_weights():
    drawn = Root().normalize(np.array([[[[-1.0, 0.0, 0.25]]]])).values
    np.testing.assert_allclose(drawn, [[[[0, 0.5, 0.75]]]])


def test_dots_is_a_renderer():
    check_renderer(Dots)


def test_rings_is_a_source():
    check_source(Rings, "", "?count=3", wrong=["?count=0", "?size=3", "large"])


def test_all_three_together(tmp_path):
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("rings:?count=2")
        sheet = bench.sheet("rings/rings", "root:degree=3")
        assert sheet.tile_labels == ("r=2.0", "r=8.0")
        assert bench.render(sheet, "dots").count(b"<circle") == 2 * 21 * 21
