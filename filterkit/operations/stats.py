"""List the metrics of layers, or draw them as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filterkit.address import parse_address
from filterkit.atomic_writes import write_file
from filterkit.errors import NotFoundError, UsageError, closest
from filterkit.renderers.rendered import Rendered
from filterkit.results.stats import LayerStatistics

if TYPE_CHECKING:
    from filterkit.charts.style import LayerStats
    from filterkit.session import Session

MOST_LAYERS = 300
"""Limit on the layers in one chart."""

ChartFormat = Literal["png", "svg", "pdf"]


def stats(session: Session, address: str, observation: str | None = None) -> LayerStatistics:
    """See `Workbench.stats`."""
    from filterkit.catalog.stats import stats as stats_of

    columns, rows, matches = stats_of(session.catalog(), parse_address(address), observation)
    return LayerStatistics(rows, columns, matches)


def stats_chart(session: Session, address: str | LayerStatistics, format: str) -> Rendered:
    """See `Workbench.stats_chart`."""
    from filterkit.renderers.figures import MEDIA_TYPES, settings, written
    from filterkit.renderers.metadata import metadata

    if format not in MEDIA_TYPES:
        raise UsageError(f"cannot write a chart as '{format}'", hint=closest(format, MEDIA_TYPES))
    rows = address if isinstance(address, LayerStatistics) else stats(session, address)
    if len(rows) > MOST_LAYERS:
        raise UsageError(
            f"{len(rows):,} layers do not fit into one chart; the limit is {MOST_LAYERS}",
            hint="choose one model, or some of its layers",
        )
    layers = _layer_stats(session, rows)
    if not any(_is_measured(layer) for layer in layers):
        model = rows[0]["model"]
        raise NotFoundError(f"{model} has no metrics", hint=f"`filterkit measure {model}` computes them")
    from filterkit.charts.depth import depth_chart
    from filterkit.charts.layer import layer_chart

    single = len(layers) == 1
    title = f"{layers[0].model}/{layers[0].layer}" if single else _title(layers)
    models = dict.fromkeys(f"{match.model['name']} sha256:{match.model['sha256']}" for match in rows.matches)
    asked = dict.fromkeys(str(match.asked) for match in rows.matches)
    with settings():
        figure = layer_chart(layers[0], title) if single else depth_chart(layers, title)
        texts = metadata(title, "", {"address": ", ".join(asked), "model": ", ".join(models)})
        return Rendered(written(figure, format, texts), f".{format}")


def save_stats_chart(session: Session, address: str | LayerStatistics, path: Path) -> None:
    """See `Workbench.save_stats_chart`."""
    write_file(path, stats_chart(session, address, path.suffix.lower().lstrip(".")))


def _layer_stats(session: Session, rows: LayerStatistics) -> list[LayerStats]:
    from filterkit.catalog.responses import RESPONSES
    from filterkit.catalog.stats import CLASSIC_TYPES, distributions
    from filterkit.charts.depth import DISTRIBUTIONS
    from filterkit.charts.layer import RANGES
    from filterkit.charts.style import LayerStats

    columns = tuple(dict.fromkeys((*DISTRIBUTIONS, *RANGES)))
    addresses = {match.layer["id"]: match.address for match in rows.matches}
    values = distributions(session.catalog(), addresses, columns)
    numbers = ("address", "model", "layer", "filters", "dead", *CLASSIC_TYPES, *RESPONSES)
    return [
        LayerStats(
            model=row["model"],
            layer=row["layer"],
            filters=row["filters"],
            dead=row["dead"],
            metrics={name: _number(value) for name, value in row.items() if name not in numbers},
            values=values[row["address"]],
            types={name: row[name] for name in CLASSIC_TYPES if row[name] is not None},
        )
        for row in rows
        if row["address"] in values  # otherwise it was replaced in the meantime
    ]


def _number(value: Any) -> float | None:
    """The metric as a number to plot; None for a plugin's text metric."""
    return float(value) if isinstance(value, int | float) else None


def _is_measured(layer: LayerStats) -> bool:
    return bool(layer.types) or any(value is not None for value in layer.metrics.values())


def _title(layers: Sequence[LayerStats]) -> str:
    filters = sum(layer.filters for layer in layers)
    models = list(dict.fromkeys(layer.model for layer in layers))
    names = ", ".join(models) if len(models) <= 4 else f"{len(models)} models"
    return f"{names}: {len(layers)} layers, {filters:,} filters"
