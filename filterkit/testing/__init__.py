"""Test kit for plugin authors: tiny models and catalogs with known filters, and one check per kind.

``check_normalizer(Mine)`` and its siblings try many inputs and edge cases, and raise one `ConformanceError`
that lists all failures. `run_block` runs the commands of a README. Heavy modules are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filterkit.graph.loading.load import open_graph
    from filterkit.testing.attribution_check import check_attribution
    from filterkit.testing.command_check import check_command
    from filterkit.testing.extractor_check import check_extractor
    from filterkit.testing.findings import ConformanceError
    from filterkit.testing.format_check import check_format
    from filterkit.testing.gradient_check import check_gradient_rule
    from filterkit.testing.image_source_check import check_image_source
    from filterkit.testing.metric_check import check_metric
    from filterkit.testing.normalizer_check import check_normalizer
    from filterkit.testing.panel_check import check_panel
    from filterkit.testing.private import private_names
    from filterkit.testing.readme_blocks import code_blocks, run_block
    from filterkit.testing.renderer_check import check_renderer
    from filterkit.testing.response_metric_check import check_response_metric
    from filterkit.testing.source_check import check_source
    from filterkit.testing.tiny_models import (
        TINY_MODELS,
        TinyModel,
        build_model,
        node,
        tiny_catalog,
        tiny_model,
    )
    from filterkit.testing.trial_banks import bank_of

_HOMES = {
    "ConformanceError": "filterkit.testing.findings",
    "TINY_MODELS": "filterkit.testing.tiny_models",
    "TinyModel": "filterkit.testing.tiny_models",
    "bank_of": "filterkit.testing.trial_banks",
    "build_model": "filterkit.testing.tiny_models",
    "check_attribution": "filterkit.testing.attribution_check",
    "check_command": "filterkit.testing.command_check",
    "check_extractor": "filterkit.testing.extractor_check",
    "check_format": "filterkit.testing.format_check",
    "check_gradient_rule": "filterkit.testing.gradient_check",
    "check_image_source": "filterkit.testing.image_source_check",
    "check_metric": "filterkit.testing.metric_check",
    "check_normalizer": "filterkit.testing.normalizer_check",
    "check_panel": "filterkit.testing.panel_check",
    "check_renderer": "filterkit.testing.renderer_check",
    "check_response_metric": "filterkit.testing.response_metric_check",
    "check_source": "filterkit.testing.source_check",
    "code_blocks": "filterkit.testing.readme_blocks",
    "node": "filterkit.testing.tiny_models",
    "open_graph": "filterkit.graph.loading.load",
    "private_names": "filterkit.testing.private",
    "run_block": "filterkit.testing.readme_blocks",
    "tiny_catalog": "filterkit.testing.tiny_models",
    "tiny_model": "filterkit.testing.tiny_models",
}

__all__ = [
    "TINY_MODELS",
    "ConformanceError",
    "TinyModel",
    "bank_of",
    "build_model",
    "check_attribution",
    "check_command",
    "check_extractor",
    "check_format",
    "check_gradient_rule",
    "check_image_source",
    "check_metric",
    "check_normalizer",
    "check_panel",
    "check_renderer",
    "check_response_metric",
    "check_source",
    "code_blocks",
    "node",
    "open_graph",
    "private_names",
    "run_block",
    "tiny_catalog",
    "tiny_model",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'filterkit.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
