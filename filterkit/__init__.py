"""filterkit: see, query and run what a convolutional network has learned.

``filterkit.open(path)`` gives the workbench: the whole of filterkit as one object. Plugins import what they
need from here, and nothing from the modules below. Nothing heavy is imported until it is used.
"""

# Nothing at all is imported here: ``python -m filterkit`` reads this before it takes the current folder,
# which may hold a typing.py, off ``sys.path``.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from filterkit.cli.shell import Shell, command
    from filterkit.errors import FilterkitError, ModelError, SourceError, UsageError
    from filterkit.graph.layers.activations import Tail, follow
    from filterkit.graph.layers.layers import Unresolved, read_layers
    from filterkit.graph.layers.quantization import dynamic_scale
    from filterkit.graph.layers.weight_origin import stored_as
    from filterkit.graph.view.constants import NotConstant
    from filterkit.graph.view.view import GraphView
    from filterkit.graph.view.walk import attributes
    from filterkit.plugins.hookspecs import hookimpl
    from filterkit.plugins.protocols import Contribution
    from filterkit.records import (
        FetchedModel,
        FilterBank,
        IngestEvent,
        Normalized,
        Preprocessing,
        Skipped,
        TileSheet,
    )
    from filterkit.sources.refs import split_options
    from filterkit.workbench import Workbench, open

__version__ = "0.1.0"
FILTERKIT_API = 1
"""The plugin API this version speaks; a plugin may state the one it was written for under the same name."""

_HOMES = {
    "Contribution": "filterkit.plugins.protocols",
    "FetchedModel": "filterkit.records",
    "FilterBank": "filterkit.records",
    "FilterkitError": "filterkit.errors",
    "GraphView": "filterkit.graph.view.view",
    "IngestEvent": "filterkit.records",
    "ModelError": "filterkit.errors",
    "Normalized": "filterkit.records",
    "NotConstant": "filterkit.graph.view.constants",
    "Preprocessing": "filterkit.records",
    "Skipped": "filterkit.records",
    "Shell": "filterkit.cli.shell",
    "SourceError": "filterkit.errors",
    "Tail": "filterkit.graph.layers.activations",
    "TileSheet": "filterkit.records",
    "Unresolved": "filterkit.graph.layers.layers",
    "UsageError": "filterkit.errors",
    "Workbench": "filterkit.workbench",
    "attributes": "filterkit.graph.view.walk",
    "command": "filterkit.cli.shell",
    "dynamic_scale": "filterkit.graph.layers.quantization",
    "follow": "filterkit.graph.layers.activations",
    "hookimpl": "filterkit.plugins.hookspecs",
    "open": "filterkit.workbench",
    "read_layers": "filterkit.graph.layers.layers",
    "split_options": "filterkit.sources.refs",
    "stored_as": "filterkit.graph.layers.weight_origin",
}

__all__ = [
    "FILTERKIT_API",
    "Contribution",
    "FetchedModel",
    "FilterBank",
    "FilterkitError",
    "GraphView",
    "IngestEvent",
    "ModelError",
    "Normalized",
    "NotConstant",
    "Preprocessing",
    "Shell",
    "Skipped",
    "SourceError",
    "Tail",
    "TileSheet",
    "Unresolved",
    "UsageError",
    "Workbench",
    "__version__",
    "attributes",
    "command",
    "dynamic_scale",
    "follow",
    "hookimpl",
    "open",
    "read_layers",
    "split_options",
    "stored_as",
]


def __getattr__(name: str) -> "Any":
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'filterkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
