"""The operations of filterkit, one verb per file. Each takes a `Session` first; `Workbench` calls them.

Each operation is imported on first use: `filterkit.operations.diff`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filterkit.operations import (
        ablate,
        add,
        attribute,
        attributed_network,
        connections,
        convolve,
        corrections,
        diff,
        doctor,
        draw,
        duplicates,
        edges,
        exemplars,
        export,
        filters,
        frequency_response,
        histogram,
        layers,
        maps,
        measure,
        merge,
        models,
        observations,
        observe,
        overview,
        picture_responses,
        plugins,
        query,
        quickstart,
        remove,
        requested_observation,
        requested_pictures,
        response_histogram,
        responses,
        show,
        similar,
        stats,
        thumbnails,
        visualize,
        visualized_network,
        visualized_pictures,
        zoo,
    )


__all__ = [
    "ablate",
    "add",
    "attribute",
    "attributed_network",
    "connections",
    "convolve",
    "corrections",
    "diff",
    "doctor",
    "draw",
    "duplicates",
    "edges",
    "exemplars",
    "export",
    "filters",
    "frequency_response",
    "histogram",
    "layers",
    "maps",
    "measure",
    "merge",
    "models",
    "observations",
    "observe",
    "overview",
    "picture_responses",
    "plugins",
    "query",
    "quickstart",
    "remove",
    "requested_observation",
    "requested_pictures",
    "response_histogram",
    "responses",
    "show",
    "similar",
    "stats",
    "thumbnails",
    "visualize",
    "visualized_network",
    "visualized_pictures",
    "zoo",
]


def __getattr__(name: str) -> Any:
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
