"""Options that several commands share, and shell completion of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.cli.shell import Shell


def _quietly(find: Callable[[str], Iterable[str]]) -> Callable[[str], list[str]]:
    """Completion must never disturb the line being typed: errors complete nothing and print nothing."""

    def complete(incomplete: str) -> list[str]:
        try:
            with redirect_stderr(StringIO()):
                found = [name for name in find(incomplete) if name.startswith(incomplete)]
                return [name for name in found if name.isprintable()]  # others cannot be typed
        except Exception:
            return []

    return complete


def _workbench() -> Any:
    from filterkit.workbench import Workbench

    return Workbench(upgrade=False)  # pressing Tab must not change anything


def _models(incomplete: str) -> list[str]:
    with _workbench() as bench:
        return [str(row["model"]) for row in bench.models()]


def _addresses(incomplete: str) -> list[str]:
    model, slash, _ = incomplete.partition("/")
    with _workbench() as bench:
        if not slash:
            return [f"{row['model']}" for row in bench.models()]
        return [str(row["address"]) for row in bench.layers(model)]


def _refs(incomplete: str) -> list[str]:
    with _workbench() as bench:
        known = [str(row["name"]) for row in bench.zoo()]
    return [*known, "classic", "keras:", "onnx:", "weights:", "wheel:"]


def _contributed(kind: str) -> Callable[[str], list[str]]:
    def find(incomplete: str) -> list[str]:
        with _workbench() as bench:
            return list(bench.registry.names(kind))

    return find


complete_model = _quietly(_models)
complete_address = _quietly(_addresses)
complete_ref = _quietly(_refs)
complete_attribution = _quietly(_contributed("attribution"))
complete_extractor = _quietly(_contributed("extractor"))
complete_format = _quietly(_contributed("format"))
complete_normalizer = _quietly(_contributed("normalizer"))
complete_renderer = _quietly(_contributed("renderer"))


Size = Annotated[
    str | None,
    typer.Option(help="Size to resize pictures to: N, HxW or original (default: the model's nominal size)."),
]
Provider = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="ONNX Runtime execution provider to run on.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Number of CPU threads (default: chosen by ONNX Runtime).")
]
Normalizer = Annotated[
    str,
    typer.Option(
        help="How values map to brightness, e.g. symmetric:per=filter.",
        autocompletion=complete_normalizer,
    ),
]
MapsNormalizer = Annotated[
    str | None,
    typer.Option(
        help="How values map to brightness (default: minmax:per=filter; minmax for maps of one value).",
        autocompletion=complete_normalizer,
    ),
]
ResultNormalizer = Annotated[
    str | None,
    typer.Option(
        help="How values map to brightness in the picture (default: symmetric, each result by itself).",
        autocompletion=complete_normalizer,
    ),
]
Renderer = Annotated[
    str | None,
    typer.Option(
        help="grid, mosaic, terminal or a plugin's (default: chosen by the output).",
        autocompletion=complete_renderer,
    ),
]
Colormap = Annotated[
    str | None,
    typer.Option(help="Matplotlib colormap, e.g. viridis; in a diverging one, e.g. RdBu_r, white is zero."),
]
Observation = Annotated[
    str | None,
    typer.Option(help="Observation that columns such as response_mean are of (default: the newest)."),
]
By = Annotated[
    Literal["weights", "response"],
    typer.Option(
        help="Compare weights, or responses to the same pictures, over which the models must have been "
        "observed."
    ),
]
ComparedObservation = Annotated[
    str | None,
    typer.Option(help="With --by response, name of the first model's observation (default: the newest)."),
]
Scale = Annotated[int | None, typer.Option(min=1, help="Pixels per value, for the mosaic renderer.")]
Quality = Annotated[
    int | None, typer.Option(min=1, max=100, help="Quality of JPEG and WebP pictures (default: 90).")
]
Expand = Annotated[
    bool,
    typer.Option(
        "--expand",
        help="Multiply out the weights from the input up to the filters: what they respond to in pixels, to "
        "first order (activations and max pooling made linear).",
    ),
]


def words(text: str) -> tuple[str, ...]:
    """Split the value of an option at commas; empty if the value is."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def say_what_is_missing(shell: Shell, address: str, missing: Sequence[str]) -> None:
    """Name the models of `address` that lack a requested metric, and how to compute it."""
    if missing:
        alone = len(missing) == 1
        models = missing[0] if alone else f"'{address.partition('/')[0]}'"
        lack = f"{missing[0]} lacks" if alone else f"{len(missing)} models lack"
        line = f"{lack} requested metrics: `filterkit measure {models}` computes them"
        shell.say(one_line(line))
