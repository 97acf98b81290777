"""The hooks: everything that a plugin can contribute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from filterkit.plugins.protocols import (
        AttributionMethod,
        Contribution,
        FilterMetric,
        GradientRule,
        ImageSource,
        LayerMetric,
        ModelSource,
        Normalizer,
        OutputFormat,
        Panel,
        Renderer,
        ResponseMetric,
        WeightExtractor,
    )
    from filterkit.records import IngestEvent, ObserveEvent

PROJECT = "filterkit"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def filterkit_model_sources() -> Iterable[Contribution[ModelSource]]:  # type: ignore[empty-body]
    """Model sources: where models come from (`ModelSource`)."""


@hookspec
def filterkit_weight_extractors() -> Iterable[Contribution[WeightExtractor]]:  # type: ignore[empty-body]
    """Weight extractors: find filters in a graph (`WeightExtractor`)."""


@hookspec
def filterkit_normalizers() -> Iterable[Contribution[Normalizer]]:  # type: ignore[empty-body]
    """Normalizers: map values to [0, 1] (`Normalizer`)."""


@hookspec
def filterkit_renderers() -> Iterable[Contribution[Renderer]]:  # type: ignore[empty-body]
    """Renderers: turn a sheet into a picture (`Renderer`)."""


@hookspec
def filterkit_metrics() -> Iterable[Contribution[FilterMetric | LayerMetric]]:  # type: ignore[empty-body]
    """Metrics of filters (`FilterMetric`) and of layers (`LayerMetric`)."""


@hookspec
def filterkit_output_formats() -> Iterable[Contribution[OutputFormat]]:  # type: ignore[empty-body]
    """Output formats: write rows (`OutputFormat`)."""


@hookspec
def filterkit_gradient_rules() -> Iterable[Contribution[GradientRule]]:  # type: ignore[empty-body]
    """Gradient rules: how operators are differentiated (`GradientRule`)."""


@hookspec
def filterkit_attributions() -> Iterable[Contribution[AttributionMethod]]:  # type: ignore[empty-body]
    """Attribution methods: which pixels a target responds to (`AttributionMethod`)."""


@hookspec
def filterkit_image_sources() -> Iterable[Contribution[ImageSource]]:  # type: ignore[empty-body]
    """Image sources: where pictures come from (`ImageSource`)."""


@hookspec
def filterkit_response_metrics() -> Iterable[Contribution[ResponseMetric]]:  # type: ignore[empty-body]
    """Response metrics: statistics of filters over the pictures of an observation (`ResponseMetric`)."""


@hookspec
def filterkit_panels() -> Iterable[Contribution[Panel]]:  # type: ignore[empty-body]
    """Panels: what pages of the explorer show (`Panel`)."""


@hookspec
def filterkit_commands(app: typer.Typer) -> None:
    """Add commands to the command line."""


@hookspec
def filterkit_after_ingest(event: IngestEvent) -> None:
    """Called after a model has been added to a catalog."""


@hookspec
def filterkit_after_observe(event: ObserveEvent) -> None:
    """Called after an observation has been added to a catalog, continued or extended."""
