"""filterkit's own plugins that are packages of their own, and what each brings."""

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
"""From kind and name to the plugin, which need not be installed."""


def how_to_have(name: str, present: Iterable[str], *, kind: str | None = None) -> str | None:
    """The hint that says which plugin of these to install for what is not there.

    Parameters
    ----------
    name
        Something that a plugin brings; without a `kind`, perhaps a plugin, also without its ``filterkit-``.
    present
        The plugins that are there. To install one of these again is of no use, and not said.
    """
    there = {each for plugin in present for each in names_for(plugin)}
    for (of, brought), plugin in BROUGHT_BY.items():
        called = {brought} if kind else {brought, plugin, plugin.removeprefix("filterkit-")}
        if kind in (None, of) and canonical(name) in called and plugin not in there:
            itself = canonical(name) == plugin
            return from_clone(plugin) if itself else f"{plugin} brings it: {from_clone(plugin)}"
    return None


def from_clone(plugin: str) -> str:
    """How to install one of these; a package index need not have them."""
    return f"in a clone of filterkit, pip install ./plugins/{plugin}"
