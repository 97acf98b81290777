"""Visualize filters: find those without a kept picture, optimize the others, and write the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from filterkit.errors import CatalogError, UsageError, check_number, closest
from filterkit.formats.arrays import ARRAYS
from filterkit.operations.draw import draw
from filterkit.operations.maps import check_network
from filterkit.operations.requested_pictures import parse_size
from filterkit.operations.show import sheet
from filterkit.operations.visualized_network import Objective, is_signal, preprocessing_of
from filterkit.operations.visualized_pictures import VisualizeOptions, Wanted, kept_pictures, wanted_pictures
from filterkit.operations.visualizing import Visualizing
from filterkit.renderers.drawing import check_suffix, hint_of_arrays, is_folder
from filterkit.results.visualize import Visualization

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.catalog.visualization_files import Kept
    from filterkit.records import Preprocessing, RunOptions
    from filterkit.runtime.feature_maps import Size
    from filterkit.session import Session

MOST_STEPS = 1_000_000
MOST_DIVERSE = 64
"""Limit on the pictures of a filter: all of them run together."""

NEVER = "{} did not respond: 0 after the activation for every picture; try more --steps, or --at pre"

PROVIDERS = ("cuda", "cpu")
"""Those whose results `kept_visualization` looks for, in the order in which `auto` chooses them."""

Interrupted = Callable[[Visualization], None]


def visualize(
    session: Session,
    address: str,
    *,
    asked: VisualizeOptions,
    options: RunOptions,
    interrupted: Interrupted | None = None,
) -> Visualization:
    """See `Workbench.visualize`."""
    from filterkit.runtime.providers import choose

    asked, size, matches, preprocessing = _requested(session, address, asked, options)
    provider = choose(options.provider).name
    wanted = list(wanted_pictures(session, matches, preprocessing, provider, size, asked, options))
    done = kept_pictures(wanted, asked, preprocessing, size)
    missing = [each for each in wanted if each not in done]
    run = Visualizing(session, preprocessing, asked, options, size)

    def result() -> Visualization:
        found = [(each, *done[each]) for each in wanted if each in done]
        return _result(found, asked, options, preprocessing, provider)

    try:
        with session.progress() as progress:
            total, steps = len(missing) * asked.steps, 0

            def count(pictures: int) -> None:
                nonlocal steps
                steps += pictures
                progress("optimizing pictures (steps)", steps, total)

            for match in matches:
                for batch in run.of(match, [each for each in missing if each.match is match], count):
                    done |= batch
    except KeyboardInterrupt:
        done |= run.unfinished
        if interrupted is not None and done:
            interrupted(result())
        raise
    return result()


def kept_visualization(
    session: Session, address: str, *, asked: VisualizeOptions, options: RunOptions
) -> Visualization | None:
    """See `Workbench.kept_visualization`."""
    asked, size, matches, preprocessing = _requested(session, address, asked, options)
    # No provider is probed, which takes longer than reading pictures.
    for provider in PROVIDERS if options.provider == "auto" else (options.provider,):
        wanted = list(wanted_pictures(session, matches, preprocessing, provider, size, asked, options))
        done = kept_pictures(wanted, asked, preprocessing, size)
        if len(done) == len(wanted):
            return _result([(each, *done[each]) for each in wanted], asked, options, preprocessing, provider)
    return None


def _requested(
    session: Session, address: str, asked: VisualizeOptions, options: RunOptions
) -> tuple[VisualizeOptions, Size, Sequence[Match], Preprocessing]:
    """Check a request: its options, the size, the layers, and the preprocessing of their model."""
    _check(asked, options)
    # Integers of NumPy have no JSON, of which the hash is made.
    asked = replace(asked, steps=int(asked.steps), seed=int(asked.seed), diversity=int(asked.diversity))
    size = parse_size(options.size, original=False)
    if size == "original":
        raise UsageError("a visualization has no original size", hint="use a number, e.g. --size 128")
    matches = session.matches(address)
    _check_matches(matches, address)
    return asked, size, matches, preprocessing_of(matches[0].model)


def _check(asked: VisualizeOptions, options: RunOptions) -> None:
    """Raise UsageError for a value that is out of range."""
    for name, value, least, most in (
        ("steps", asked.steps, 1, MOST_STEPS),
        ("seed", asked.seed, 0, 2**63),
        ("diversity", asked.diversity, 1, MOST_DIVERSE),
    ):
        check_number(name, value, whole=True)
        if not least <= value <= most:
            raise UsageError(f"{name} must be between {least} and {most:,}, not {value:,}")
    if options.at not in ("post", "pre"):
        hint = "use post (after the activation) or pre (before it)"
        raise UsageError(f"at cannot be '{options.at}'", hint=hint)
    if asked.objective not in get_args(Objective):
        raise UsageError(
            f"objective cannot be '{asked.objective}'", hint=closest(asked.objective, get_args(Objective))
        )


def _check_matches(matches: Sequence[Match], address: str) -> None:
    if len({match.model["name"] for match in matches}) > 1:
        raise UsageError(f"'{address}' names several models", hint="run one model at a time")
    if any(len(match.kernels) * match.layer["filters"] < match.layer["kernels"] for match in matches):
        raise UsageError(
            "a visualization is for whole filters, not for single kernels",
            hint=f"leave the kernel out: {address.rpartition('/')[0]}",
        )
    check_network(matches[0])


def _result(
    found: Sequence[tuple[Wanted, Kept, int]],
    asked: VisualizeOptions,
    options: RunOptions,
    preprocessing: Preprocessing,
    provider: str,
) -> Visualization:
    import numpy as np

    if len({kept.picture.shape for _, kept, _ in found}) > 1:
        folder = found[0][0].path.parent
        raise CatalogError("pictures in the store have other sizes", hint=f"delete the folder {folder}")
    array = np.stack([kept.picture for _, kept, _ in found])
    if is_signal(preprocessing):
        array = 2 * array[:, :, 0] - 1
    model = found[0][0].match.model
    idle = dict.fromkeys(each.address for each, kept, _ in found if kept.best == 0 and options.at == "post")
    names = ", ".join([*idle][:3]) + (f" and {len(idle) - 3} more" if len(idle) > 3 else "")
    return Visualization(
        array=array,
        addresses=tuple(each.address for each, _, _ in found),
        start=tuple(kept.start for _, kept, _ in found),
        best=tuple(kept.best for _, kept, _ in found),
        last=tuple(kept.last for _, kept, _ in found),
        steps=tuple(steps for _, _, steps in found),
        seconds=tuple(kept.seconds for _, kept, _ in found),
        objective=asked.objective,
        seed=asked.seed,
        provider=provider,
        models={model["name"]: model["sha256"]},
        notes=(NEVER.format(names),) if idle else (),
    )


def check_output(session: Session, output: Path, renderer: str | None) -> None:
    """Raise UsageError if `write` cannot write such a file."""
    if not is_folder(output) and output.suffix.lower() not in ARRAYS:
        with hint_of_arrays(ARRAYS):
            check_suffix(session.registry, renderer, output.suffix)


def write(
    session: Session,
    result: Visualization,
    output: Path,
    renderer: str | None,
    options: dict[str, Any],
) -> list[Path]:
    """See `Workbench.write_visualization`."""
    from filterkit.formats.arrays import write_arrays

    if is_folder(output):
        output.mkdir(parents=True, exist_ok=True)
        pictures = ((name, sheet(session, result.only(n), None, None)) for n, name in enumerate(result.names))
        return list(draw(session, pictures, output, renderer, options))
    if output.suffix.lower() in ARRAYS:
        write_arrays(result.as_files(output), output)
        return [output]
    with hint_of_arrays(ARRAYS):
        return list(
            draw(session, [(output.stem, sheet(session, result, None, None))], output, renderer, options)
        )
