"""Draw sheets and feature maps to files and folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import UsageError, one_line
from filterkit.operations.render import render, suffixes
from filterkit.operations.show import sheet
from filterkit.replacing import replacing

if TYPE_CHECKING:
    from filterkit.records import TileSheet
    from filterkit.results import FeatureMaps
    from filterkit.session import Session

ARRAYS = (".npy", ".npz")


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
    for result in results:
        if folder:
            place = output / result.image_name if result.of_several else output
            place.mkdir(parents=True, exist_ok=True)
            sheets = ((name, sheet(session, result.only(name), normalizer, None)) for name in result.maps)
            yield result, list(draw(session, sheets, place, renderer, options))
            continue
        if result.of_several:
            raise UsageError(
                f"cannot write the maps of several pictures to one file, {output.name}",
                hint=f"-o {output.stem} writes them to a folder of that name",
            )
        whole = sheet(session, result, normalizer, None)
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
