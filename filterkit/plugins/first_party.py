"""First-party plugins in separate packages, and their contributions."""

from __future__ import annotations

from collections.abc import Iterable

from filterkit.plugins.candidate import canonical, names_for

BROUGHT_BY = {
    ("extractor", "dense"): "filterkit-dense",
    ("source", "gabor"): "filterkit-gabor",
    ("metric", "gabor"): "filterkit-gabor",
    ("format", "parquet"): "filterkit-parquet",
    ("command", "export-catalog"): "filterkit-parquet",
    ("renderer", "interactive"): "filterkit-plotly",
    ("source", "torch"): "filterkit-torch",
}
"""Maps kind and name to the plugin, whether or not it is installed."""


def install_hint(name: str, present: Iterable[str], *, kind: str | None = None) -> str | None:
    """A hint which first-party plugin to install for something missing.

    Parameters
    ----------
    name
        Name of a contribution; without `kind`, also that of a plugin, with or without ``filterkit-``.
    present
        Plugins that are available, which are not suggested.
    """
    there = {each for plugin in present for each in names_for(plugin)}
    for (of, brought), plugin in BROUGHT_BY.items():
        names = {brought} if kind else {brought, plugin, plugin.removeprefix("filterkit-")}
        if kind in (None, of) and canonical(name) in names and plugin not in there:
            is_plugin = canonical(name) == plugin
            return from_clone(plugin) if is_plugin else f"provided by {plugin}: {from_clone(plugin)}"
    return None


def from_clone(plugin: str) -> str:
    """How to install a first-party plugin, which may not be on a package index."""
    return f"in a clone of filterkit, run pip install ./plugins/{plugin}"
