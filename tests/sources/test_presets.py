"""Presets of preprocessing, compared with Keras, and the options that change them."""

from __future__ import annotations

import inspect
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from filterkit.errors import UsageError
from filterkit.sources.keras_applications import APPLICATIONS
from filterkit.sources.presets import PRESETS, parse_preprocessing


@pytest.mark.keras
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


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_alone_is_itself_and_states_its_range(name: str) -> None:
    found = parse_preprocessing(name)
    assert replace(found, stated=()) == PRESETS[name]
    assert found.stated == (("channel_order", "scale") if name == "gray" else ("scale",))


@pytest.mark.parametrize(
    ("spec", "changed"),
    [
        ("raw:channels=bgr", {"channel_order": "BGR"}),
        ("raw:channel_order=RGBA", {"channel_order": "RGBA"}),
        ("unit:size=224", {"size": (224, 224)}),
        ("unit:size=224x200", {"size": (224, 200)}),
        ("unit:size=224/200,layout=NHWC", {"size": (224, 200), "layout": "NHWC"}),
        ("torch:size=none", {}),
        ("raw:mean=104/117/123,std=2/2/4", {"mean": (104.0, 117.0, 123.0), "std": (2.0, 2.0, 4.0)}),
        ("raw:scale=0.5,input=x", {"scale": 0.5, "input": "x"}),
    ],
)
def test_options_change_a_preset_and_are_stated(spec: str, changed: dict[str, Any]) -> None:
    found = parse_preprocessing(spec)
    assert replace(found, stated=()) == replace(PRESETS[spec.partition(":")[0]], **changed)
    assert set(found.stated) >= set(changed) - {"size"} | {"scale"}


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("caffee", "did you mean 'caffe'"),
        ("unit size=8; scale=1", "write unit:size=8,scale=1"),
        ("raw:channels=RGB,channel_order=BGR", "alias"),
        ("raw:channels=CMYK", "RGB"),
        ("raw:size=0", "at least 1 pixel"),
        ("raw:size=1000000x1000000", "at most"),
        ("raw:size=2x3x4", "at least 1 pixel"),
        ("raw:std=0", "finite number other than 0"),
        ("raw:mean=nan", "finite number"),
        ("raw:scale=inf", "finite number"),
        ("raw:assumed=true", ""),
        ("raw:bands=3", ""),
    ],
)
def test_what_is_no_preprocessing_has_a_hint(spec: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_preprocessing(spec)
    assert caught.value.hint and hint in caught.value.hint
