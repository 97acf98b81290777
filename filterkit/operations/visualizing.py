"""Optimize the pictures of a visualization, in batches, and keep them in the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from filterkit.errors import RuntimeFailure
from filterkit.operations.visualized_network import PEAK, Maximized, Objective, maximized

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.operations.visualized_pictures import Done, VisualizeOptions, Wanted
    from filterkit.records import At, FloatArray, Preprocessing, RunOptions
    from filterkit.runtime.feature_maps import Size
    from filterkit.session import Session
    from filterkit.visualization.ascent import Ascent


class Visualizing:
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

    def of(self, match: Match, wanted: Sequence[Wanted], count: Callable[[int], None]) -> Iterator[Done]:
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
                write(each.path_of_default if response.maximum.is_default_size else each.path, kept)
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

    def _ascent(self, response: _Response, batch: Sequence[Wanted], count: Callable[[int], None]) -> Ascent:
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
            threads=self._options.threads,
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


def _finished(batch: Sequence[Wanted], ascent: Ascent, seconds: float) -> Done:
    from filterkit.catalog.visualization_files import Kept

    numbers = zip(ascent.pictures, ascent.start, ascent.best, ascent.last, strict=True)
    return {
        each: (Kept(picture, float(start), float(best), float(last), seconds), ascent.steps)
        for each, (picture, start, best, last) in zip(batch, numbers, strict=True)
    }
