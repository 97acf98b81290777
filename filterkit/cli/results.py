"""Where feature maps go: pictures, arrays or the terminal, and a row about each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.cli.drawing import draw, is_folder
from filterkit.cli.shell import Shell
from filterkit.errors import UsageError, one_line

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.records import TileSheet
    from filterkit.results import FeatureMaps
    from filterkit.workbench import Workbench

COLUMNS = ("address", "image", "shape", "min", "max", "mean", "provider", "file")
ARRAYS = (".npy", ".npz")


def check_style(shell: Shell, normalizer: str | None, renderer: str | None) -> None:
    """Refuse an unknown normalizer or renderer before the network runs, and where nothing is drawn."""
    if normalizer:
        shell.registry.create("normalizer", normalizer)
    if renderer:
        shell.registry.create("renderer", renderer)


def is_array(output: Path | None) -> bool:
    """Whether `output` is one file for the maps of all pictures."""
    return output is not None and output.suffix.lower() in ARRAYS and not output.is_dir()


def deliver(
    shell: Shell,
    bench: Workbench,
    results: Iterable[FeatureMaps],
    output: Path | None,
    *,
    normalizer: str | None,
    renderer: str | None,
    colormap: str | None,
    scale: int | None,
) -> Iterator[Row]:
    """Write every result as it comes, and yield one row per layer and picture.

    Raises
    ------
    UsageError
        Several pictures for one file, or several layers for a ``.npy``.
    """
    results = _told(shell, results)
    if output is not None and is_array(output):
        yield from _write_arrays(shell, results, output)
        return
    style = {"renderer": renderer, "colormap": colormap}
    for result in results:
        if output is None:
            if sys.stdout.isatty():
                draw(shell, bench, _sheets(bench, result, normalizer), None, scale=scale, **style)
            files: list[Path] = []
        elif is_folder(output):
            place = output / result.image_name if result.of_several else output
            files = draw(
                shell, bench, _sheets(bench, result, normalizer), _folder(place), scale=scale, **style
            )
        else:
            if result.of_several:
                raise UsageError(
                    f"several pictures do not fit into the one file {output.name}",
                    hint=f"-o {output.stem} makes a folder",
                )
            sheet = bench.sheet(result, normalizer=normalizer)
            files = draw(shell, bench, [(output.stem, sheet)], output, scale=scale, **style)
        yield from _rows(result, files)


def _sheets(bench: Workbench, result: FeatureMaps, normalizer: str | None) -> Iterator[tuple[str, TileSheet]]:
    for name in result.maps:
        yield name, bench.sheet(result.only(name), normalizer=normalizer)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _write_arrays(shell: Shell, results: Iterable[FeatureMaps], output: Path) -> Iterator[Row]:
    from filterkit.operations.stacks import stacking

    with stacking(output) as add:
        for result in results:
            add(result.maps)
            yield from _rows(result, [output] * len(result.maps))
    shell.say(one_line(f"wrote {output}"))


def _told(shell: Shell, results: Iterable[FeatureMaps]) -> Iterator[FeatureMaps]:
    """The results; say once of every layer that they leave out why, in one line per reason, and which have
    no activation for their maps to be taken after."""
    told: dict[str, str] = {}
    bare: set[str] = set()
    for result in results:
        plain = [layer for layer in result.without_activation if layer not in bare]
        bare.update(plain)
        if plain:
            shell.say(
                one_line(
                    f"no activation was recognized behind {_names(plain)}: maps after it are the layer's own "
                    "output, as with --at pre"
                )
            )
        new = [layer for layer, reason in result.left_out.items() if told.get(layer) != reason]
        told.update(result.left_out)
        for reason in dict.fromkeys(told[layer] for layer in new):
            names = [layer for layer in new if told[layer] == reason]
            shell.say(one_line(f"left out {_names(names)}: {reason}"))
        yield result


def _names(layers: list[str]) -> str:
    some = ", ".join(layers if len(layers) <= 2 else [layers[0], "…"])
    return f"{len(layers)} layers ({some})" if len(layers) > 1 else some


def _rows(result: FeatureMaps, files: list[Path]) -> Iterator[Row]:
    """One row per layer; `files` holds one file per layer, one for all, or none."""
    named = dict(
        zip(result.maps, files if len(files) == len(result.maps) else files * len(result.maps), strict=False)
    )
    for name, maps in result.maps.items():
        yield {
            "address": result.addresses[name],
            "image": result.image,
            "shape": list(maps.shape),
            "min": float(maps.min()),
            "max": float(maps.max()),
            "mean": float(maps.mean(dtype="float64")),
            "provider": result.provider,
            "file": str(named[name]) if name in named else None,
        }
