"""Choose a renderer for a sheet and a file type, and draw with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from filterkit.errors import UsageError
from filterkit.plugins.options import parse_spec
from filterkit.results import suits_grid

if TYPE_CHECKING:
    from filterkit.plugins.registry import Registry
    from filterkit.records import TileSheet
    from filterkit.session import Session


def render(
    session: Session, sheet: TileSheet, renderer: str | None, suffix: str | None, options: dict[str, Any]
) -> bytes:
    """See `Workbench.render`."""
    registry = session.registry
    suffix = f".{suffix.lstrip('.').lower()}" if suffix else None
    spec = renderer or _suitable(registry, sheet, suffix)
    try:
        return _draw(registry, sheet, spec, suffix, options)
    except UsageError:
        if renderer or spec != "grid" or suffix not in (None, ".png"):
            raise
        # mosaic draws sheets that are too large for a labelled figure.
        return _draw(registry, sheet, "mosaic", suffix, options)


def suffixes(session: Session, renderer: str) -> tuple[str, ...]:
    """See `Workbench.suffixes`."""
    return _suffixes(session.registry, renderer)


def _suffixes(registry: Registry, renderer: str) -> tuple[str, ...]:
    made = registry.create("renderer", renderer)
    return tuple(dict.fromkeys((str(made.suffix), *(f".{each}" for each in _formats(registry, renderer)))))


def _draw(
    registry: Registry, sheet: TileSheet, spec: str, suffix: str | None, options: dict[str, Any]
) -> bytes:
    if suffix and suffix[1:] in _formats(registry, spec):
        options = {**options, "format": suffix[1:]}
    made = registry.create("renderer", spec, **options)
    if suffix and made.suffix != suffix:
        writes = " or ".join(_suffixes(registry, spec))
        raise UsageError(
            f"renderer '{parse_spec(spec)[0]}' writes {writes}, not {suffix}",
            hint="use such a suffix, or leave out --renderer",
        )
    return made.render(sheet)


def _formats(registry: Registry, spec: str) -> list[str]:
    """Values that an option `format` can still be set to."""
    name, given = parse_spec(spec)
    known = {option.name: option for option in registry.find("renderer", name).options()}
    return [str(each) for each in known["format"].choices] if "format" in {*known} - {*given} else []


def _suitable(registry: Registry, sheet: TileSheet, suffix: str | None) -> str:
    if suffix in (None, ".png"):
        return "grid" if suits_grid(sheet) else "mosaic"
    if suffix in (".svg", ".pdf"):
        return "grid"
    return "terminal" if suffix == ".txt" else _only_writer(registry, suffix)


def _only_writer(registry: Registry, suffix: str) -> str:
    """The only renderer that writes files of this suffix; imports all renderers to find it."""
    writing: dict[str, list[str]] = {}
    for name in registry.names("renderer"):
        with registry.host.guard(registry.find("renderer", name).plugin):
            for each in _suffixes(registry, name):
                writing.setdefault(each, []).append(name)
    fitting = writing.get(suffix, [])
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(f"'{name}'" for name in fitting)
        raise UsageError(
            f"several renderers write {suffix}: {names}", hint=f"choose one: --renderer {fitting[0]}"
        )
    *others, last = sorted(writing)
    raise UsageError(f"no renderer writes '{suffix}'", hint=f"use {', '.join(others)} or {last}")
