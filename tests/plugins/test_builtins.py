"""What filterkit contributes to itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from filterkit.plugins.host import PluginHost
from filterkit.plugins.registry import HOOKS, Kind, Registry

NAMES: dict[Kind, tuple[str, ...]] = {
    "source": ("classic", "keras", "onnx", "weights", "wheel", "zoo"),
    "extractor": ("convolution",),
    "normalizer": ("minmax", "percentile", "symmetric", "zscore"),
    "renderer": ("grid", "mosaic", "terminal"),
    "metric": ("basic", "classic", "energy", "filter-db", "orientation", "redundancy", "spectral"),
    "gradient-rule": (
        *("activation", "arithmetic", "choice", "convolution", "indexing", "matrix-product"),
        *("normalization", "pooling", "rearrangement", "recurrence", "reduction", "resizing"),
        *("sampling", "straight-through"),
    ),
    "attribution": (
        *("deconvnet", "eigen-cam", "grad-cam", "grad-cam++", "gradient", "gradient-input"),
        *("guided-backprop", "integrated-gradients", "layer-cam", "occlusion", "smoothgrad"),
    ),
    "response-metric": (),
    "panel": ("classic", "exemplars", "expanded", "kernels", "metrics", "similar", "weights"),
    "image-source": ("files", "list", "npz", "zip"),
    "format": ("csv", "json", "ndjson", "table", "tsv"),
}

LISTING = """
import sys
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import HOOKS
from filterkit.plugins.registry import Registry
registry = Registry(load_plugins(discover=False))
names = [name for kind in HOOKS for name in registry.names(kind)]
assert "minmax" in names
heavy = {"numpy", "onnx", "onnxruntime", "matplotlib", "sqlalchemy", "alembic", "PIL", "rich", "typer"}
print(sorted(heavy & set(sys.modules)))
"""


@pytest.mark.parametrize("kind", HOOKS)
def test_names(host: PluginHost, kind: Kind) -> None:
    assert Registry(host).names(kind) == NAMES[kind]


def test_listing_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", LISTING], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in HOOKS for name in NAMES[kind]])
def test_each_can_be_made_with_its_defaults(host: PluginHost, kind: Kind, name: str) -> None:
    made = Registry(host).create(kind, name)  # type: ignore[call-overload]
    assert str(made).endswith(f"/{name}")
    assert made.contribution.summary
