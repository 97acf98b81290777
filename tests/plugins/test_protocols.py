"""Protocols tell apart the kinds of objects that plugins contribute."""

from __future__ import annotations

from typing import get_args

import pytest

from filterkit.plugins import protocols
from filterkit.plugins.host import PluginHost
from filterkit.plugins.protocols import Contribution
from filterkit.plugins.registry import Kind, Registry

PROTOCOLS: dict[Kind, tuple[type, ...]] = {
    "source": (protocols.ModelSource,),
    "extractor": (protocols.WeightExtractor,),
    "normalizer": (protocols.Normalizer,),
    "renderer": (protocols.Renderer,),
    "metric": (protocols.FilterMetric, protocols.LayerMetric),
    "format": (protocols.OutputFormat,),
    "gradient-rule": (protocols.GradientRule,),
    "attribution": (protocols.AttributionMethod,),
    "image-source": (protocols.ImageSource,),
    "response-metric": (protocols.ResponseMetric,),
    "panel": (protocols.Panel,),
}


def test_every_kind_has_its_protocol() -> None:
    assert set(PROTOCOLS) == set(get_args(Kind))


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_built_in_objects_are_of_their_kind_alone(host: PluginHost, kind: Kind) -> None:
    registry = Registry(host)
    for name in registry.names(kind):
        inner = registry.create(kind, name).inner
        found = {other for other, kinds in PROTOCOLS.items() if isinstance(inner, kinds)}
        assert found == {kind}, name


def test_contributions_are_values() -> None:
    one, same = (Contribution("x", "An x", "package.module:X") for _ in range(2))
    assert one == same and hash(one) == hash(same) and one.extra is None
    with pytest.raises(AttributeError):
        one.name = "y"  # type: ignore[misc]
