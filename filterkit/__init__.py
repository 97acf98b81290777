"""filterkit: inspect, query, visualize and run the filters of convolutional networks.

``filterkit.open(path)`` returns the workbench, the whole API as one object. Plugins import only from here,
never from the modules below. Everything is imported lazily.
"""

# Nothing may be imported here: ``python -m filterkit`` runs this before it removes the current folder, which
# may contain a typing.py, from ``sys.path``.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from filterkit.attribution.subject import Subject
    from filterkit.cli.shell import Shell, command
    from filterkit.errors import FilterkitError, ModelError, SourceError, UsageError
    from filterkit.graph.gradient.backward import Backward
    from filterkit.graph.layers.activations import Tail, follow
    from filterkit.graph.layers.layers import Unresolved, read_layers
    from filterkit.graph.layers.quantization import dynamic_scale
    from filterkit.graph.layers.weight_origin import stored_as
    from filterkit.graph.view.constants import NotConstant
    from filterkit.graph.view.view import GraphView
    from filterkit.graph.view.walk import attributes
    from filterkit.plugins.hookspecs import hookimpl
    from filterkit.plugins.protocols import Contribution, PanelContent
    from filterkit.records import (
        FetchedModel,
        FilterBank,
        IngestEvent,
        Normalized,
        ObserveEvent,
        Preprocessing,
        Skipped,
        SourceImage,
        TileSheet,
    )
    from filterkit.results.arrow import arrow_table, arrow_types
    from filterkit.sources.refs import split_options
    from filterkit.workbench import Workbench, open

__version__ = "0.1.0"
FILTERKIT_API = 1
"""Version of the plugin API; a plugin may declare the one it was written for under the same name."""

_HOMES = {
    "Backward": "filterkit.graph.gradient.backward",
    "Contribution": "filterkit.plugins.protocols",
    "FetchedModel": "filterkit.records",
    "FilterBank": "filterkit.records",
    "FilterkitError": "filterkit.errors",
    "GraphView": "filterkit.graph.view.view",
    "IngestEvent": "filterkit.records",
    "ModelError": "filterkit.errors",
    "Normalized": "filterkit.records",
    "NotConstant": "filterkit.graph.view.constants",
    "ObserveEvent": "filterkit.records",
    "PanelContent": "filterkit.plugins.protocols",
    "Preprocessing": "filterkit.records",
    "Skipped": "filterkit.records",
    "Shell": "filterkit.cli.shell",
    "SourceError": "filterkit.errors",
    "SourceImage": "filterkit.records",
    "Subject": "filterkit.attribution.subject",
    "Tail": "filterkit.graph.layers.activations",
    "TileSheet": "filterkit.records",
    "Unresolved": "filterkit.graph.layers.layers",
    "UsageError": "filterkit.errors",
    "Workbench": "filterkit.workbench",
    "arrow_table": "filterkit.results.arrow",
    "arrow_types": "filterkit.results.arrow",
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
    "Backward",
    "Contribution",
    "FetchedModel",
    "FilterBank",
    "FilterkitError",
    "GraphView",
    "IngestEvent",
    "ModelError",
    "Normalized",
    "NotConstant",
    "ObserveEvent",
    "PanelContent",
    "Preprocessing",
    "Shell",
    "Skipped",
    "SourceError",
    "SourceImage",
    "Subject",
    "Tail",
    "TileSheet",
    "Unresolved",
    "UsageError",
    "Workbench",
    "__version__",
    "arrow_table",
    "arrow_types",
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


if not TYPE_CHECKING:  # type checkers would allow any name

    def __getattr__(name):
        if name in _HOMES:
            import importlib

            return getattr(importlib.import_module(_HOMES[name]), name)
        error = AttributeError(f"module 'filterkit' has no attribute {name!r}")
        if not name.startswith("_"):
            from filterkit.errors import closest

            method = hasattr(__getattr__("Workbench"), name)
            error.add_note(f"hint: {f'filterkit.open(...).{name}' if method else closest(name, __all__)}")
        raise error


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
