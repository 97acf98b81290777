"""Styles: their texts, and colours that tell signs apart without their hues."""

from __future__ import annotations

import io

import numpy as np
import pytest
from drawn import shades_in
from PIL import Image

from filterkit.errors import NotFoundError
from filterkit.web.atlas.styles import LOOKS, Style, png


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (Style(), "weights"),
        (Style("signs", None, "-l2_norm"), "signs.down.l2_norm"),
        (Style("magnitudes", None, "frequency"), "magnitudes.up.frequency"),
        (Style("metric", "l2_norm", "-up"), "metric.l2_norm.down.up"),
    ],
)
def test_a_style_is_a_text(style: Style, text: str) -> None:
    assert str(style) == text
    assert Style.parse(text) == style


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "metric",
            "metric.",
            "metric.a b",
            "weights.up",
            "weights.left.mean",
            "weights.up.mean.up.mean",
        ),
        *("Weights", "weights\n", "../weights", f"metric.{'x' * 65}", "metric.é"),
    ],
)
def test_other_texts_are_no_styles(text: str) -> None:
    with pytest.raises(NotFoundError):
        Style.parse(text)


@pytest.mark.parametrize("look", LOOKS)
def test_shades_become_lighter(look: str) -> None:
    colours = np.frombuffer(Style(look, "x" if look == "metric" else None).palette(), np.uint8).reshape(
        256, 3
    )
    lightness = colours[1:] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) >= -0.5).all()
    assert lightness[-1] - lightness[0] > 150
    assert colours[0].tolist() not in colours[1:].tolist()  # gaps are no shade


def test_gray_is_the_shade_itself() -> None:
    colours = np.frombuffer(Style().palette(), np.uint8).reshape(256, 3)
    assert np.array_equal(colours[1:], np.repeat(np.arange(1, 256)[:, None], 3, axis=1))


@pytest.mark.parametrize("shape", [(1, 1), (256, 256), (3, 200)])
def test_pictures_are_what_was_drawn(shape: tuple[int, int]) -> None:
    shades = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    made = png(shades, Style().palette())
    assert np.array_equal(shades_in(made), shades)
    with Image.open(io.BytesIO(made)) as picture:
        picture.load()
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), shades)
