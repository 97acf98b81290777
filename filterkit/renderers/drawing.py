"""Draw sheets to bytes and files: choose a renderer for the sheet and the file's suffix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.atomic_writes import write_file
from filterkit.errors import UsageError, one_line
from filterkit.plugins.options import parse_spec
from filterkit.renderers.rendered import PIXELS, Rendered

if TYPE_CHECKING:
    from filterkit.plugins.registry import Registry
    from filterkit.records import TileSheet

MOSAIC = "mosaic:caption=true"
"""Draws sheets that are too large for a labelled figure."""

GRID_LIMIT = 600
"""Sheets with more tiles are drawn as a mosaic by default, as their labels would be too small."""

GRID_SIDE = 8_000
"""Sheets with more pixels per row or column are also drawn as a mosaic; grid has no room for their labels."""


class NoRendererError(UsageError):
    """No renderer writes files of a suffix."""


@contextmanager
def hint_of_arrays(suffixes: Iterable[str]) -> Iterator[None]:
    """Let the hint of a NoRendererError list the suffixes of array files, too."""
    try:
        yield
    except NoRendererError as error:
        raise NoRendererError(error.message, hint=f"{error.hint}; for arrays {', '.join(suffixes)}") from None


def suits_grid(sheet: TileSheet) -> bool:
    """Whether a sheet is drawn with labels by default."""
    height, width = sheet.tile_shape
    return sheet.count <= GRID_LIMIT and max(sheet.rows * height, sheet.columns * width) <= GRID_SIDE


def draw(
    registry: Registry,
    sheets: Iterable[tuple[str, TileSheet]],
    output: Path,
    renderer: str | None,
    options: dict[str, Any],
) -> Iterator[Path]:
    """Draw named sheets to a file or a folder; yields each file when it is written.

    Raises
    ------
    UsageError
        Several sheets for one file; or as `render`.
    """
    if is_folder(output):
        suffix = suffix_in_folder(registry, renderer)
        for name, each in sheets:
            data = render(registry, each, renderer, suffix, options)
            yield write_file(output / f"{file_name(name)}{suffix}", data)
        return
    [first, *more] = sheets
    if more:
        raise UsageError(
            f"cannot draw {1 + len(more)} layers to one file, {output.name}",
            hint=f"-o {output.stem} writes one picture per layer to a folder of that name",
        )
    yield write_file(output, render(registry, first[1], renderer, output.suffix, options))


def suffix_in_folder(registry: Registry, renderer: str | None) -> str:
    """The suffix of the files that `draw` writes to a folder."""
    return suffixes(registry, renderer)[0] if renderer else ".png"


def render(
    registry: Registry, sheet: TileSheet, renderer: str | None, suffix: str | None, options: dict[str, Any]
) -> Rendered:
    """Draw a sheet with `renderer`, or the default one for the sheet and `suffix`.

    Raises
    ------
    UsageError
        The renderer is unknown, does not write such files, or refuses the sheet.
    """
    suffix = f".{suffix.lstrip('.').lower()}" if suffix else None
    spec = renderer or _suitable(registry, sheet, suffix)
    try:
        return _draw(registry, sheet, spec, suffix, options)
    except UsageError:
        if renderer or spec != "grid" or suffix not in (None, *PIXELS):
            raise
        # mosaic draws sheets that are too large for a labelled figure.
        return _draw(registry, sheet, MOSAIC, suffix, options)


def is_folder(output: Path) -> bool:
    """Whether `output` means a folder: one that exists, or a name without a suffix."""
    return output.is_dir() or not output.suffix


def file_name(name: str) -> str:
    """A safe file name for a layer: names from an untrusted catalog may contain any characters."""
    return one_line(name).replace("/", "_").replace("\\", "_")


def suffixes(registry: Registry, renderer: str) -> tuple[str, ...]:
    """The file suffixes that a renderer writes; the default first."""
    made = registry.create("renderer", renderer)
    return tuple(dict.fromkeys((str(made.suffix), *(f".{each}" for each in _formats(registry, renderer)))))


def check_suffix(registry: Registry, renderer: str | None, suffix: str) -> None:
    """Raise UsageError if `render` cannot write files of this suffix, before there is a sheet."""
    suffix = suffix.lower()
    if renderer is None:
        if suffix not in (*PIXELS, ".svg", ".pdf", ".txt"):
            _only_writer(registry, suffix)
    elif suffix not in suffixes(registry, renderer):
        raise _other_suffix(registry, renderer, suffix)


def _other_suffix(registry: Registry, spec: str, suffix: str) -> UsageError:
    return UsageError(
        f"renderer '{parse_spec(spec)[0]}' writes {' or '.join(suffixes(registry, spec))}, not {suffix}",
        hint="use such a suffix, or leave out --renderer",
    )


def _draw(
    registry: Registry, sheet: TileSheet, spec: str, suffix: str | None, options: dict[str, Any]
) -> Rendered:
    if suffix and suffix[1:] in _formats(registry, spec):
        options = {**options, "format": suffix[1:]}
    made = registry.create("renderer", spec, **options)
    if suffix and made.suffix != suffix:
        raise _other_suffix(registry, spec, suffix)
    about = {**sheet.provenance, "renderer": made.spec}
    return Rendered(made.render(replace(sheet, provenance=about)), made.suffix)


def _formats(registry: Registry, spec: str) -> list[str]:
    """Values that an option `format` can still be set to."""
    name, given = parse_spec(spec)
    known = {option.name: option for option in registry.find("renderer", name).options()}
    return [str(each) for each in known["format"].choices] if "format" in {*known} - {*given} else []


def _suitable(registry: Registry, sheet: TileSheet, suffix: str | None) -> str:
    if suffix in (None, *PIXELS):
        return "grid" if suits_grid(sheet) else MOSAIC
    if suffix in (".svg", ".pdf"):
        return "grid"
    return "terminal" if suffix == ".txt" else _only_writer(registry, suffix)


def _only_writer(registry: Registry, suffix: str) -> str:
    """The only renderer that writes files of this suffix; imports all renderers to find it."""
    writing: dict[str, list[str]] = {}
    for name in registry.names("renderer"):
        with registry.host.guard(registry.find("renderer", name).plugin):
            for each in suffixes(registry, name):
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
    raise NoRendererError(f"no renderer writes '{suffix}'", hint=f"use {', '.join(others)} or {last}")
