"""Names that references suggest for models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.catalog.model_names import check_name, name_from_ref
from filterkit.errors import UsageError


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("vgg16", "vgg16"),
        ("zoo:vgg16", "vgg16"),
        ("classic", "classic"),
        ("some/folder/net.onnx", "net"),
        ("onnx:/some/my net (1).onnx", "my-net-1"),
        (r"C:\models\net.ONNX", "net"),
        ("resnet50-v1.5.onnx", "resnet50-v1.5"),
        ("keras:VGG16?weights=none&seed=1", "VGG16"),
        ("keras:models/edges.keras", "edges"),
        ("wheel:pkg==1.0!pkg/data/net.onnx#sha256=00", "net"),
        ("gabor:?frequencies=3", "gabor"),
        ("somewhere/net/", "net"),
    ],
)
def test_what_a_reference_suggests(ref: str, name: str) -> None:
    assert name_from_ref(ref) == name


@given(st.text())
def test_a_suggestion_is_always_allowed(ref: str) -> None:
    try:
        name = name_from_ref(ref)
    except UsageError as error:
        assert "--name" in str(error.hint)
    else:
        assert check_name(name) == name
