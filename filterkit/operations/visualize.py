"""Visualize filters: find those without a kept picture, optimize them in batches, and keep the results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, get_args

from filterkit.errors import CatalogError, RuntimeFailure, UsageError, check_number, closest
from filterkit.formats.arrays import ARRAYS
from filterkit.operations.draw import draw
from filterkit.operations.maps import check_network
from filterkit.operations.requested_pictures import parse_size
from filterkit.operations.show import sheet
from filterkit.operations.visualized_network import (
    PEAK,
    Maximized,
    Objective,
    is_signal,
    maximized,
    preprocessing_of,
)
from filterkit.records import RunOptions
from filterkit.renderers.drawing import check_suffix, hint_of_arrays, is_folder
from filterkit.results.visualize import Visualization

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.catalog.visualization_files import Kept
    from filterkit.records import At, FloatArray, Preprocessing
    from filterkit.runtime.feature_maps import Size
    from filterkit.session import Session
    from filterkit.visualization.ascent import Ascent

MOST_STEPS = 1_000_000
MOST_DIVERSE = 64
"""Limit on the pictures of a filter: all of them run together."""

NEVER = "{} did not respond: 0 after the activation for every picture; try more --steps, or --at pre"

Interrupted = Callable[[Visualization], None]


@dataclass(frozen=True, slots=True)
class VisualizeOptions:
    """What `Workbench.visualize` takes besides the address and `RunOptions`."""

    steps: int = 256
    seed: int = 0
    objective: Objective = "channel"
    diversity: int = 1
    rules: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class _Wanted:
    """A picture that is requested: its filter, a number among those of the filter, and its file."""

    match: Match
    filter: int
    variant: int
    path: Path

    @property
    def address(self) -> str:
        return f"{self.match.address}/{self.filter}"


def visualize(
    session: Session,
    address: str,
    *,
    asked: VisualizeOptions,
    options: RunOptions,
    interrupted: Interrupted | None = None,
) -> Visualization:
    """See `Workbench.visualize`."""
    from filterkit.catalog.visualization_files import read
    from filterkit.runtime.providers import choose

    _check(asked, options)
    # Integers of NumPy have no JSON, of which the hash is made.
    asked = replace(asked, steps=int(asked.steps), seed=int(asked.seed), diversity=int(asked.diversity))
    size = parse_size(options.size)
    if size == "original":
        raise UsageError("a visualization has no original size", hint="use a number, e.g. --size 128")
    matches = session.matches(address)
    _check_matches(matches, address)
    preprocessing = preprocessing_of(matches[0].model)
    provider = choose(options.provider).name
    wanted = list(_wanted(session, matches, preprocessing, provider, size, asked, options))
    side = (1, size[1]) if size is not None and is_signal(preprocessing) else size
    done = {
        each: (kept, asked.steps)
        for each in wanted
        if (kept := read(each.path, len(preprocessing.channels), side)) is not None
    }
    if asked.diversity > 1:  # pictures of a filter are made together, or not at all
        parts = {(each.match.address, each.filter) for each in wanted if each not in done}
        done = {each: found for each, found in done.items() if (each.match.address, each.filter) not in parts}
    missing = [each for each in wanted if each not in done]
    run = _Run(session, preprocessing, asked, options, size)

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


def _wanted(
    session: Session,
    matches: Sequence[Match],
    preprocessing: Preprocessing,
    provider: str,
    size: Size,
    asked: VisualizeOptions,
    options: RunOptions,
) -> Iterator[_Wanted]:
    from filterkit.catalog.visualization_files import path_of
    from filterkit.plugins.host import DISTRIBUTION

    store, sha256 = session.catalog().store, matches[0].model["sha256"]
    rules = session.registry.gradient_rules(asked.rules).values()
    request = {
        **asdict(asked),
        "plugins": sorted(
            {f"{rule} {rule.plugin.version}" for rule in rules if rule.plugin.distribution != DISTRIBUTION}
        ),
        "rules": list(asked.rules),
        "at": options.at,
        "size": size,
        "provider": provider,
        "preprocessing": asdict(preprocessing),
    }
    for match in matches:
        names = ("name", "scope", "pre_tensor", "post_tensor")  # a model can be added with other layer names
        layer = {name: match.layer[name] for name in names}
        for number in match.filters:
            for variant in range(asked.diversity):
                of = {**layer, "filter": number, "variant": variant}
                yield _Wanted(match, number, variant, path_of(store, sha256, {**request, **of}))


Done = dict[_Wanted, tuple["Kept", int]]
"""Pictures, and the steps that were made for them."""


class _Run:
    """Optimizes the pictures of a request, layer by layer.

    Attributes
    ----------
    unfinished
        Pictures whose optimization was interrupted.
    """

    def __init__(
        self,
        session: Session,
        preprocessing: Preprocessing,
        asked: VisualizeOptions,
        options: RunOptions,
        size: Size,
    ) -> None:
        self._session, self._preprocessing = session, preprocessing
        self._asked, self._options, self._size = asked, options, size
        self.unfinished: Done = {}

    def of(self, match: Match, wanted: Sequence[_Wanted], count: Callable[[int], None]) -> Iterator[Done]:
        """The pictures of a layer, which are kept when they are yielded."""
        from filterkit.catalog.visualization_files import write

        if not wanted:
            return
        response = _Response(partial(self._maximized, match), self._asked, match.layer, self._options.at)
        diversity = self._asked.diversity
        together = diversity if diversity > 1 else response.maximum.together
        for first in range(0, len(wanted), together):
            batch = wanted[first : first + together]
            began = perf_counter()
            ascent = self._ascent(response, batch, count)
            seconds = (perf_counter() - began) / len(batch)
            found = _finished(batch, ascent, seconds)
            if ascent.interrupted:
                self.unfinished = found
                raise KeyboardInterrupt
            for each, (kept, _) in found.items():
                write(each.path, kept)
            yield found

    def _maximized(self, match: Match, at: At, objective: Objective | Literal["peak"]) -> Maximized:
        found = maximized(
            self._session,
            match,
            self._preprocessing,
            self._asked.rules,
            replace(self._options, at=at),
            self._size,
            objective,
            crop=self._asked.diversity == 1,
        )
        if found.batch is not None and self._asked.diversity not in (1, found.batch):
            raise RuntimeFailure(
                f"several pictures must run together, and the graph fixes their number to {found.batch}",
                hint="leave out --diversity, and change --seed for another picture",
            )
        return found

    def _ascent(self, response: _Response, batch: Sequence[_Wanted], count: Callable[[int], None]) -> Ascent:
        from filterkit.visualization.ascent import ascend
        from filterkit.visualization.spectrum import Spectrum
        from filterkit.visualization.transforms import with_margin

        asked, maximum = self._asked, response.maximum
        filters = [each.filter for each in batch]
        colours = self._preprocessing.channel_order in ("RGB", "BGR", "RGBA")
        channels, *size = maximum.shape
        canvas, window = with_margin(size, maximum.window)
        ascent = ascend(
            Spectrum(channels, *canvas, colours=colours),
            [(asked.seed, 1 + each.variant) for each in batch],
            asked.steps,
            seed=asked.seed,
            gradients=lambda pictures: response.gradients(pictures, filters),
            values=lambda pictures: maximum.values(pictures, filters),
            window=window,
            extent=maximum.extent or tuple(size),
            each_step=lambda: count(len(batch)),
        )
        (top, bottom), (left, right) = with_margin(size, None)[1]
        ascent.pictures = ascent.pictures[..., top:bottom, left:right]
        for each, last, picture in zip(batch, ascent.last, ascent.pictures, strict=True):
            if not (math.isfinite(last) and math.isfinite(picture.sum())):
                raise RuntimeFailure(
                    f"the response of {each.address} is NaN or infinite for a picture",
                    hint=f"filterkit maps {each.match.model['name']} IMAGE shows the range of every layer",
                )
        return ascent


class _Response:
    """What is maximized in a layer, and the way there.

    Where a filter does not respond, its response after the activation has no gradient. Then the largest value
    before the activation is maximized: the mean would not become positive for filters that balance light and
    dark, and a picture that excites them anywhere is enough for a start.
    """

    def __init__(
        self,
        make: Callable[[At, Objective | Literal["peak"]], Maximized],
        asked: VisualizeOptions,
        layer: Mapping[str, Any],
        at: At,
    ) -> None:
        self.maximum = make(at, asked.objective)
        if self.maximum.maps != layer["filters"]:  # an activation merges or doubles maps
            self.maximum, at = make("pre", asked.objective), "pre"
        self._diverse = asked.diversity > 1
        objective = asked.objective if asked.objective == "unit" else PEAK
        has_activation = at == "post" and layer["pre_tensor"] != layer["post_tensor"]
        self._before = cache(partial(make, "pre", objective)) if has_activation else None

    def gradients(self, pictures: FloatArray, filters: Sequence[int]) -> FloatArray:
        """The gradients of what is maximized, for a picture of each filter."""
        found = self.maximum.gradients(pictures, filters, diverse=self._diverse)
        silent = [place for place, each in enumerate(found) if not each.any()]
        if silent and self._before is not None:
            some = [filters[place] for place in silent]
            found[silent] = self._before().gradients(pictures[silent], some, diverse=False)
        return found


def _finished(batch: Sequence[_Wanted], ascent: Ascent, seconds: float) -> Done:
    from filterkit.catalog.visualization_files import Kept

    numbers = zip(ascent.pictures, ascent.start, ascent.best, ascent.last, strict=True)
    return {
        each: (Kept(picture, float(start), float(best), float(last), seconds), ascent.steps)
        for each, (picture, start, best, last) in zip(batch, numbers, strict=True)
    }


def _result(
    found: Sequence[tuple[_Wanted, Kept, int]],
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
