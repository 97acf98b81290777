"""The preprocessing of Keras's networks, compared with Keras."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np
import pytest

from filterkit.sources.keras_applications import APPLICATIONS
from filterkit.sources.presets import PRESETS

pytestmark = pytest.mark.keras


def test_the_table_holds_every_network_of_keras_with_its_preprocessing(keras: Any) -> None:
    theirs = {
        name: application
        for name, application in vars(keras.applications).items()
        if inspect.isfunction(application) and name[0].isupper()
    }
    assert set(theirs) == set(APPLICATIONS)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 4, 5, 3)).astype(np.float32)
    for name, application in theirs.items():
        ours = PRESETS[APPLICATIONS[name].mode]
        expected = sys.modules[application.__module__].preprocess_input(pixels.copy())
        ordered = pixels[..., ::-1] if ours.channel_order == "BGR" else pixels
        values = (ordered * ours.scale - np.array(ours.mean or (0,))) / np.array(ours.std or (1,))
        np.testing.assert_allclose(values, expected, atol=1e-4, err_msg=name)
