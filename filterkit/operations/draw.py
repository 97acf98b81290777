"""Draw sheets and feature maps: choose a renderer, and write files and folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.atomic_writes import replacing
from filterkit.errors import UsageError, one_line
from filterkit.operations.show import sheet
from filterkit.plugins.options import chosen_option, parse_spec
from filterkit.results.sheet import suits_grid

if TYPE_CHECKING:
    from filterkit.plugins.registry import Registry
    from filterkit.records import TileSheet
    from filterkit.results.maps import FeatureMaps
    from filterkit.session import Session

ARRAYS = (".npy", ".npz")

MOSAIC = "mosaic:caption=true"
"""Draws sheets that are too large for a labelled figure."""


def draw(
    session: Session,
    sheets: Iterable[tuple[str, TileSheet]],
    output: Path,
    renderer: str | None,
    options: dict[str, Any],
) -> Iterator[Path]:
    """See `Workbench.draw`."""
    if _is_folder(output):
        suffix = suffixes(session, renderer)[0] if renderer else ".png"
        for name, each in sheets:
            data = render(session, each, renderer, suffix, options)
            yield write_file(output / f"{_file_name(name)}{suffix}", data)
        return
    [first, *more] = sheets
    if more:
        raise UsageError(
            f"cannot draw {1 + len(more)} layers to one file, {output.name}",
            hint=f"-o {output.stem} writes one picture per layer to a folder of that name",
        )
    yield write_file(output, render(session, first[1], renderer, output.suffix, options))


def write_maps(
    session: Session,
    results: Iterable[FeatureMaps],
    output: Path,
    normalizer: str | None,
    renderer: str | None,
    options: dict[str, Any],
) -> Iterator[tuple[FeatureMaps, list[Path]]]:
    """See `Workbench.write_maps`."""
    if is_array(output):
        from filterkit.operations.stacks import stacking

        with stacking(output) as add:
            for result in results:
                add(result.maps)
                yield result, [output]
        return
    folder = _is_folder(output)
    colormap = chosen_option(renderer, "colormap", options.get("colormap"))
    for result in results:
        if folder:
            place = output / result.image_name if result.of_several else output
            place.mkdir(parents=True, exist_ok=True)
            sheets = (
                (name, sheet(session, result.only(name), normalizer, None, colormap)) for name in result.maps
            )
            yield result, list(draw(session, sheets, place, renderer, options))
            continue
        if result.of_several:
            raise UsageError(
                f"cannot write the maps of several pictures to one file, {output.name}",
                hint=f"-o {output.stem} writes them to a folder of that name",
            )
        whole = sheet(session, result, normalizer, None, colormap)
        yield result, list(draw(session, [(output.stem, whole)], output, renderer, options))


def is_array(output: Path) -> bool:
    """Whether `output` is a single array file for the maps of all pictures."""
    return output.suffix.lower() in ARRAYS and not output.is_dir()


def write_file(path: Path, data: bytes) -> Path:
    """Write a file atomically, creating its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(data)
    return path


def _is_folder(output: Path) -> bool:
    """Whether `output` means a folder: one that exists, or a name without a suffix."""
    return output.is_dir() or not output.suffix


def _file_name(name: str) -> str:
    """A safe file name for a layer: names from an untrusted catalog may contain any characters."""
    return one_line(name).replace("/", "_").replace("\\", "_")


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
        return _draw(registry, sheet, MOSAIC, suffix, options)


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
    return made.render(replace(sheet, provenance={**sheet.provenance, "renderer": made.spec}))


def _formats(registry: Registry, spec: str) -> list[str]:
    """Values that an option `format` can still be set to."""
    name, given = parse_spec(spec)
    known = {option.name: option for option in registry.find("renderer", name).options()}
    return [str(each) for each in known["format"].choices] if "format" in {*known} - {*given} else []


def _suitable(registry: Registry, sheet: TileSheet, suffix: str | None) -> str:
    if suffix in (None, ".png"):
        return "grid" if suits_grid(sheet) else MOSAIC
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
