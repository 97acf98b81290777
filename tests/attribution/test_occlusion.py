"""Occlusion, compared with captum."""

from __future__ import annotations

import numpy as np
import pytest
from small_cnn import PIXELS, close, picture, torch_network

import filterkit
from filterkit.errors import UsageError


def test_it_is_that_of_captum(cnn: filterkit.Workbench) -> None:
    attr = pytest.importorskip("captum.attr")
    expected = attr.Occlusion(torch_network()).attribute(
        picture(), target=2, sliding_window_shapes=(3, 8, 8), strides=(3, 4, 4), baselines=0.5
    )
    found = cnn.attribute("cnn@0:2", PIXELS, method="occlusion:window=8,stride=4")
    close(found.array, expected[0, :1])


@pytest.mark.parametrize("fill", ["gray", "blur"])
def test_the_receptive_field_gives_what_the_whole_picture_gives(
    cnn: filterkit.Workbench, fill: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = f"occlusion:window=5,stride=3,fill={fill}"
    for position in ((0, 0), (9, 11), (4, 5)):
        part = cnn.attribute("cnn/conv3/2", PIXELS, position=position, method=method, at="pre")
        with monkeypatch.context() as patch:
            patch.setattr("filterkit.operations.attribute.WORTHWHILE", 0)
            whole = cnn.attribute("cnn/conv3/2", PIXELS, position=position, method=method, at="pre")
        close(part.array, whole.array, 1e-5)


def test_a_window_larger_than_the_picture(cnn: filterkit.Workbench) -> None:
    found = cnn.attribute("cnn@0:2", PIXELS, method="occlusion:window=100,stride=50")
    assert np.ptp(found.array) == 0


@pytest.mark.parametrize("options", ["window=0", "stride=0", "window=4,stride=5", "fill=red"])
def test_options_are_checked(cnn: filterkit.Workbench, options: str) -> None:
    with pytest.raises(UsageError):
        cnn.attribute("cnn@0:2", PIXELS, method=f"occlusion:{options}")
