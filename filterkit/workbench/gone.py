"""Plugins that made rows of the catalog and are not there: which they are, and what brings them back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError, UnknownNameError

if TYPE_CHECKING:
    from filterkit.catalog.queries import Maker
    from filterkit.workbench.base import Bench


def gone(bench: Bench) -> dict[str, dict[str, Maker]]:
    """From each plugin that is gone to the models that it made rows of; none where no catalog can be read."""
    from filterkit.catalog.database import catalog_path
    from filterkit.catalog.queries import plugins_of_models

    present = {plugin.name for plugin in bench.plugins.plugins}
    try:
        made = plugins_of_models(bench.catalog()) if catalog_path(bench.location).exists() else {}
    except FilterkitError:
        return {}
    return {name: models for name, models in made.items() if name not in present}


def bring_back(name: str, models: dict[str, Maker]) -> str:
    """How to have a plugin again as it was when it made rows of `models`."""
    from filterkit.plugins.known import BROUGHT_BY, from_clone

    if name in BROUGHT_BY.values():
        return from_clone(name)
    version = list(models.values())[-1]["version"]
    if version.startswith("file-"):
        return f"put {shlex.quote(f'{name}.py')} back into the folder FILTERKIT_PLUGINS_DIR"
    distribution = name.partition(".")[0]
    exact = "" if version == "unknown" else f"=={version}"
    return f"filterkit plugins install {shlex.quote(distribution + exact)}"  # the catalog can name anything


@contextmanager
def told_of_the_gone(bench: Bench) -> Iterator[None]:
    """Let the error about an unknown name say which plugin had it, if that made rows and is gone."""
    try:
        yield
    except UnknownNameError as error:
        for name, models in gone(bench).items():
            if error.name in (name, *_brought(name, models)):
                hint = f"{name}, which made rows of this catalog, is gone: {bring_back(name, models)}"
                raise UnknownNameError(error.message, name=error.name, hint=hint) from None
        raise


def _brought(plugin: str, models: dict[str, Maker]) -> Iterator[str]:
    """What a plugin made rows with, by its names with and without the plugin's."""
    for maker in models.values():
        for spec in maker["made_by"]:
            full_name = spec.partition(":")[0]
            yield full_name
            yield full_name.removeprefix(f"{plugin}/")
