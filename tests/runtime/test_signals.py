"""Inputs in one dimension as pictures of height 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from filterkit.runtime.onnx_session import Input
from filterkit.runtime.signals import SignalEntry, signal_axes

PICTURES = np.random.default_rng(0).random((5, 2, 1, 30), np.float32)


@pytest.mark.parametrize(
    ("shape", "layout", "channels"),
    [
        ((1, 400), "NL", 1),
        (("N", "T"), "NL", 1),
        (("N", 1, "T"), "NCL", 1),
        (("N", "T", 2), "NLC", 2),
        ((1, 43844, 1), "NLC", 1),
        ((1, 2, 16000), "NCL", 2),
        (("N", "C", "T"), "NCL", 1),
        ((1, 8, 8), "NCL", 8),
    ],
)
def test_axes(shape: Any, layout: str, channels: int) -> None:
    assert signal_axes(shape) == (layout, channels)


@pytest.mark.parametrize(
    ("shape", "fed"), [(("N", 2, "T"), (5, 2, 30)), (("N", "T", 2), (5, 30, 2)), (("N", "T"), (5, 30))]
)
def test_what_is_fed_is_taken_back(shape: Any, fed: tuple[int, ...]) -> None:
    entry = SignalEntry.of(Input("x", "float32", shape))
    pictures = PICTURES if len(fed) == 3 else PICTURES[:, :1]
    given = entry.fed(pictures)
    assert given.shape == fed
    assert given.flags.c_contiguous
    np.testing.assert_array_equal(entry.taken(given), pictures)
