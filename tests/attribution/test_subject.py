"""What a method of a plugin gets, through a method that records it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_cnn import PIXELS, close

import filterkit
from filterkit.attribution.saliency import Gradient
from filterkit.attribution.subject import Subject
from filterkit.errors import UsageError


@pytest.fixture
def subjects(monkeypatch: pytest.MonkeyPatch) -> list[Subject]:
    """The subjects that the method ``gradient`` gets."""
    seen: list[Subject] = []
    whole = Gradient.attribute

    def attribute(self: Gradient, subject: Subject) -> Any:
        seen.append(subject)
        return whole(self, subject)

    monkeypatch.setattr(Gradient, "attribute", attribute)
    return seen


def test_pictures_are_in_the_units_of_the_network(cnn: filterkit.Workbench, subjects: list[Subject]) -> None:
    found = cnn.attribute("cnn@0:2", PIXELS)
    (subject,) = subjects
    np.testing.assert_allclose(subject.whole, PIXELS.transpose(2, 0, 1) / 255, atol=1e-6)
    assert np.array_equal(subject.picture, subject.whole)
    assert (subject.black.ravel().tolist(), subject.white.ravel().tolist()) == ([0] * 3, [1] * 3)
    pictures = np.stack([subject.picture, subject.picture / 2])
    values, gradients = subject.gradients(pictures)
    np.testing.assert_allclose(values, subject.values(pictures), rtol=1e-5)
    assert values[0] == pytest.approx(found.value, rel=1e-5)
    close(gradients[0], found.array, 1e-6)


def test_only_the_receptive_field_is_computed(cnn: filterkit.Workbench, subjects: list[Subject]) -> None:
    found = cnn.attribute("cnn/conv2/3", PIXELS, position=(10, 12), at="pre")
    (subject,) = subjects
    assert found.box == (17, 21, 25, 29)  # 3 + 1 + 2 · 2 pixels
    assert subject.picture.size < subject.whole.size / 8
    assert np.array_equal(subject.picture, subject.part(subject.whole))


def test_the_value_is_that_of_the_gradient(cnn: filterkit.Workbench, subjects: list[Subject]) -> None:
    found = cnn.attribute("cnn/conv2/3", PIXELS, position=(10, 12))
    (subject,) = subjects
    (value,) = subject.values(subject.picture[None])
    assert found.value == subject.value() == pytest.approx(value, rel=1e-5)
    subject.gradients(subject.picture[None] / 2)  # of another picture
    subject.gradients(subject.picture[None], "linear")  # of another network
    assert subject.value() == found.value
    other = cnn.attribute("cnn/conv2/3", PIXELS, position=(10, 12), method="occlusion:window=3,stride=3")
    assert other.value == pytest.approx(value, rel=1e-5)


def test_layers_and_notes(cnn: filterkit.Workbench, subjects: list[Subject]) -> None:
    cnn.attribute("cnn@0:2", PIXELS)
    (subject,) = subjects
    maps, gradients = subject.layer()
    assert maps.shape == gradients.shape == (10, 10, 12)
    assert np.array_equal(maps, subject.maps("conv3"))
    np.testing.assert_allclose(maps, cnn.feature_maps("cnn/conv3", PIXELS), atol=1e-5)
    with pytest.raises(UsageError, match="does not depend on a layer 'con3'") as caught:
        subject.layer("con3")
    assert caught.value.hint == "did you mean 'conv3' or 'conv2' or 'conv1'?"
