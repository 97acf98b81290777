"""Which observation of a layer is compared, and its responses in the order of the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from observed import write_pictures
from small_network import write_network

import filterkit
from filterkit.errors import NotFoundError
from filterkit.operations.observed_layers import ObservedLayers
from filterkit.session import Session


@pytest.fixture
def session(bench: filterkit.Workbench, tmp_path: Path) -> Session:
    """``all`` has the pictures in another order than ``photos``; ``conv1`` has only that layer."""
    photos = write_pictures(tmp_path / "photos")
    bench.add(write_network(tmp_path / "net.onnx"))
    bench.observe("net", sorted(photos.rglob("*.png"), reverse=True), name="all")
    bench.observe("net", [photos])
    bench.observe("net/conv1", [photos / "class0"], name="conv1")
    return bench._session


def test_names(session: Session) -> None:
    first, second = session.matches("net")
    layers = ObservedLayers(session.catalog(), [first, second])
    assert [row["name"] for row in layers.of(first)] == ["conv1", "photos", "all"]
    assert [row["name"] for row in layers.of(second)] == ["photos", "all"]
    assert layers.reference(first, None)["name"] == "conv1"
    assert layers.reference(first, "all")["name"] == "all"
    with pytest.raises(NotFoundError, match="does not contain this layer"):
        layers.reference(second, "conv1")
    whole = layers.reference(first, "all")
    for name, found in (("photos", "photos"), ("conv1", None), (None, "all")):
        row = layers.alike(whole, second if name is None else first, name)
        assert (row and row["name"]) == found


def test_responses_in_the_order_of_the_reference(session: Session) -> None:
    [match] = session.matches("net/conv2")
    layers = ObservedLayers(session.catalog(), [match])
    photos, turned = layers.reference(match, "photos"), layers.reference(match, "all")
    one, other = layers.responses(match, photos), layers.responses(match, turned, photos)
    assert one.order is None
    assert other.order is not None
    every = slice(None)
    np.testing.assert_allclose(other.centred(every), one.centred(every), atol=1e-7)
    assert not np.allclose(layers.responses(match, turned).centred(every), one.centred(every), atol=1e-3)
