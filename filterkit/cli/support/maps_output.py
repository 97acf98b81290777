"""Output of drawings and feature maps: pictures, arrays or the terminal, and a row for each."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.cli.shell import Shell
from filterkit.errors import UsageError, one_line, plain
from filterkit.plugins.options import chosen_option

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.records import TileSheet
    from filterkit.results.maps import FeatureMaps
    from filterkit.results.sheet import Drawable
    from filterkit.workbench import Workbench

COLUMNS = ("address", "image", "shape", "min", "max", "mean", "provider", "file")

WITHOUT_QUALITY = ("", ".png", ".svg", ".pdf", ".txt", ".npy", ".npz")


@dataclass(frozen=True)
class Style:
    """How sheets are drawn: a normalizer and a renderer as spec strings, and options of the renderer."""

    normalizer: str | None = None
    renderer: str | None = None
    colormap: str | None = None
    scale: int | None = None
    quality: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Those options of the renderer that are given."""
        options = {"colormap": self.colormap, "scale": self.scale, "quality": self.quality}
        return {name: value for name, value in options.items() if value is not None}

    @property
    def colours(self) -> str | None:
        """The colormap, wherever it is given."""
        return chosen_option(self.renderer, "colormap", self.colormap)


def check_style(shell: Shell, style: Style, output: Path | None) -> None:
    """Refuse an unknown normalizer or renderer, or a quality of a file that has none, before the work begins.

    A renderer checks a quality itself.
    """
    if style.normalizer:
        shell.registry.create("normalizer", style.normalizer)
    if style.renderer:
        shell.registry.create("renderer", style.renderer)
    elif style.quality is not None and (
        output is None or output.is_dir() or output.suffix.lower() in WITHOUT_QUALITY
    ):
        raise UsageError(
            "--quality has no effect: it is for JPEG and WebP",
            hint="-o FILE.jpg or FILE.webp; in a folder, --renderer grid:format=jpg",
        )


def is_array(output: Path | None) -> bool:
    """Whether `output` is a single array file for the maps of all pictures."""
    from filterkit.workbench import is_array

    return output is not None and is_array(output)


def deliver(
    shell: Shell,
    bench: Workbench,
    results: Iterable[FeatureMaps],
    output: Path | None,
    style: Style,
) -> Iterator[Row]:
    """Write each result when it is ready, or draw it on a terminal; yield one row per layer and picture.

    Raises
    ------
    UsageError
        Several pictures for one file, or several layers for a ``.npy``.
    """
    results = _with_messages(shell, results)
    if output is None:
        for result in results:
            if sys.stdout.isatty():
                sheets = (
                    (name, bench.sheet(result.only(name), style.normalizer, colormap=style.colours))
                    for name in result.maps
                )
                draw(shell, bench, sheets, None, style)
            yield from _rows(result, [])
        return
    made = bench.write_maps(
        results, output, normalizer=style.normalizer, renderer=style.renderer, **style.options
    )
    for result, files in made:
        if not is_array(output):
            for path in files:
                shell.say(one_line(f"wrote {path}"))
        yield from _rows(result, files)
    if is_array(output):
        shell.say(one_line(f"wrote {output}"))


def _with_messages(shell: Shell, results: Iterable[FeatureMaps]) -> Iterator[FeatureMaps]:
    """Yield the results; report once per layer that it was left out, or has no recognized activation."""
    reasons: dict[str, str] = {}
    bare: set[str] = set()
    for result in results:
        plain = [layer for layer in result.without_activation if layer not in bare]
        bare.update(plain)
        if plain:
            shell.say(
                one_line(
                    f"no activation recognized after {_names(plain)}: the maps are the layer's own output, "
                    "as with --at pre"
                )
            )
        new = [layer for layer, reason in result.left_out.items() if reasons.get(layer) != reason]
        reasons.update(result.left_out)
        for reason in dict.fromkeys(reasons[layer] for layer in new):
            names = [layer for layer in new if reasons[layer] == reason]
            shell.say(one_line(f"left out {_names(names)}: {reason}"))
        yield result


def _names(layers: list[str]) -> str:
    some = ", ".join(layers if len(layers) <= 2 else [layers[0], "…"])
    return f"{len(layers)} layers ({some})" if len(layers) > 1 else some


def _rows(result: FeatureMaps, files: list[Path]) -> Iterator[Row]:
    """One row per layer; `files` has one file per layer, one for all, or none."""
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


def draw(
    shell: Shell,
    bench: Workbench,
    sheets: Iterable[tuple[str, TileSheet]],
    output: Path | None,
    style: Style,
) -> list[Path]:
    """Draw named sheets to `output`, or to stdout if it is None; returns the files written.

    Raises
    ------
    UsageError
        Several sheets for one file, or binary output to a terminal.
    """
    if output is None:
        _refuse_terminal(bench, style.renderer)
        renderer = style.renderer or f"terminal:width={terminal_width()}"
        for _, sheet in sheets:
            _print(bench.render(sheet, renderer, **style.options))
        return []
    files = []
    for path in bench.draw(sheets, output, style.renderer, **style.options):
        shell.say(one_line(f"wrote {path}"))
        files.append(path)
    return files


def check_picture(shell: Shell, output: Path | None, style: Style) -> None:
    """As `check_style`, for commands that draw only to a file: without one, a style has no effect."""
    if output is None and style != Style():
        raise UsageError("options of a picture have no effect without one", hint="name a file: -o FILE.png")
    check_style(shell, style, output)


def draw_result(
    shell: Shell, bench: Workbench, result: Drawable, named: tuple[str, Path], style: Style
) -> None:
    """Draw a result to a file, or under its name to a folder."""
    name, output = named
    sheet = bench.sheet(result, style.normalizer, colormap=style.colours)
    draw(shell, bench, [(name, sheet)], output, style)


def _refuse_terminal(bench: Workbench, renderer: str | None) -> None:
    """Refuse to write binary pictures to a terminal."""
    suffix = bench.suffixes(renderer)[0] if renderer and sys.stdout.isatty() else ".txt"
    if suffix != ".txt":
        raise UsageError(
            f"renderer '{renderer}' writes binary pictures", hint=f"write them to a file: -o FILE{suffix}"
        )


def _print(data: bytes) -> None:
    """Write a drawing to stdout; on a terminal, escape all control sequences but colours."""
    if sys.stdout.isatty():
        parts = re.split(r"(\x1b\[[0-9;]*m)", data.decode("utf-8", "replace"))
        data = "".join(part if number % 2 else plain(part) for number, part in enumerate(parts)).encode()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def terminal_width() -> int:
    """Characters per line."""
    return max(shutil.get_terminal_size().columns, 20)  # the renderer's minimum
