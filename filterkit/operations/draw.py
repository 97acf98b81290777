"""Draw sheets and feature maps to bytes, files and folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import UsageError
from filterkit.operations.show import sheet
from filterkit.plugins.options import chosen_option
from filterkit.renderers import drawing
from filterkit.results.maps import FeatureMaps

if TYPE_CHECKING:
    from filterkit.records import TileSheet
    from filterkit.renderers.rendered import Rendered
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
    return drawing.draw(session.registry, sheets, output, renderer, options)


def write_maps(
    session: Session,
    results: Iterable[FeatureMaps] | FeatureMaps,
    output: Path,
    normalizer: str | None,
    renderer: str | None,
    options: dict[str, Any],
) -> Iterator[tuple[FeatureMaps, list[Path]]]:
    """See `Workbench.write_maps`."""
    if isinstance(results, FeatureMaps):
        results = [results]
    if is_array(output):
        from filterkit.operations.stacks import stacking

        with stacking(output) as add:
            for result in results:
                add(result.maps)
                yield result, [output]
        return
    folder = drawing.is_folder(output)
    colormap = chosen_option(renderer, "colormap", options.get("colormap"))
    for result in results:
        if folder:
            place = _place(output, result.image_name, several=result.of_several)
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
        with drawing.hint_of_arrays(ARRAYS):
            files = list(draw(session, [(output.stem, whole)], output, renderer, options))
        yield result, files


def files_of_maps(
    session: Session,
    output: Path,
    renderer: str | None,
    layers: Iterable[str],
    image_name: str,
    *,
    several: bool,
) -> list[Path]:
    """The files that `write_maps` writes for a picture, to a file or a folder."""
    if not drawing.is_folder(output):
        return [output]
    place = _place(output, image_name, several=several)
    suffix = drawing.suffix_in_folder(session.registry, renderer)
    return [place / f"{drawing.file_name(name)}{suffix}" for name in layers]


def _place(output: Path, image_name: str, *, several: bool) -> Path:
    """The folder for the maps of a picture in `output`."""
    return output / image_name if several else output


def is_array(output: Path) -> bool:
    """Whether `output` is a single array file for the maps of all pictures."""
    return output.suffix.lower() in ARRAYS and not output.is_dir()


def render(
    session: Session, sheet: TileSheet, renderer: str | None, suffix: str | None, options: dict[str, Any]
) -> Rendered:
    """See `Workbench.render`."""
    return drawing.render(session.registry, sheet, renderer, suffix, options)


def suffixes(session: Session, renderer: str) -> tuple[str, ...]:
    """See `Workbench.suffixes`."""
    return drawing.suffixes(session.registry, renderer)
