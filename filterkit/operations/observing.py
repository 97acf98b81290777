"""Run a network over pictures and keep the responses of its filters; it can be interrupted at any time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from filterkit.catalog.observation_files import ObservationFiles
from filterkit.catalog.observations import Image, add_images, busy, count_images
from filterkit.errors import CatalogError, FilterkitError, ImageError, RuntimeFailure
from filterkit.operations.observed_metrics import ObservedMetrics
from filterkit.operations.observed_pictures import Decoded, Decoder, Hashed, Unreadable, decoded
from filterkit.responses.statistics import Seen, Statistics
from filterkit.runtime.onnx_session import STILL_WORKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.catalog.database import Catalog
    from filterkit.plugins.protocols import Progress
    from filterkit.records import Preprocessing
    from filterkit.responses.response_network import LayerResponses, ResponseNetwork

SECONDS = 60.0
"""How much work an interruption may lose."""

MOST_PENDING = 1 << 24
"""Bytes of responses by picture that are collected before they are written."""

NOT_FINITE = "responses that are NaN or infinite"


class ObservedLayer(NamedTuple):
    """A layer of the network: its name, its position among the layers, and the number of its filters."""

    name: str
    position: int
    filters: int


class Observing:
    """The state of an observation while it runs.

    Attributes
    ----------
    states
        Statistics of each layer, by name; each says how many pictures it describes.
    images
        The pictures, in their order; the first of them may be in the catalog already.
    saved
        How many of them are in the catalog.
    left_out
        Number of pictures that could not be used.
    first_left_out
        Why the first of them could not.
    metrics
        Response metrics of plugins; what they keep of a layer may describe fewer pictures than its state.
    """

    def __init__(
        self,
        catalog: Catalog,
        row: Mapping[str, Any],
        layers: Sequence[ObservedLayer],
        images: Sequence[Image],
        unreadable: Unreadable,
        metrics: ObservedMetrics,
    ) -> None:
        self._catalog, self._id = catalog, int(row["id"])
        self._files = ObservationFiles(catalog.store, row["folder"])
        self._layers = {layer.name: layer for layer in layers}
        top = row["options"]["top"]
        self.states: dict[str, Statistics] = {}
        self.metrics = metrics
        for layer in layers:
            found, kept = self._files.with_metrics(layer.position, layer.filters, top, metrics.specs)
            self.states[layer.name] = found or Statistics(layer.filters, top)
            metrics.start(layer.name, kept)
        if max(map(max, self._counts.values())) > len(images):
            if count_images(catalog, self._id) > len(images):
                raise busy()
            raise CatalogError("the catalog is corrupted: pictures of an observation are missing")
        self.images = list(images)
        self.saved = len(self.images)
        self._skip_copies = row["options"]["duplicates"] == "skip"
        self._added: dict[str, list[NDArray[np.float32]]] = {name: [] for name in self.states}
        self._unreadable = unreadable
        self.left_out = 0
        self.first_left_out: FilterkitError | None = None
        self._pending, self._written = 0, monotonic()
        self._steady = True

    @property
    def behind(self) -> tuple[list[str], int, int] | None:
        """The layers that ran on the fewest `images`, on how many, and on how many the next ones ran."""
        counts = self._counts
        every = {len(self.images)}.union(*counts.values())
        low = min(every)
        if low == len(self.images):
            return None
        return [name for name, own in counts.items() if low in own], low, min(every - {low})

    @property
    def _counts(self) -> dict[str, list[int]]:
        """Of how many pictures the state of each layer is, and what each metric keeps of it."""
        return {name: [state.pictures, *self.metrics.counts(name)] for name, state in self.states.items()}

    def run(
        self,
        network: ResponseNetwork,
        preprocessing: Preprocessing | None,
        decoder: Decoder,
        pictures: list[Hashed],
        *,
        start: int | None,
        batch: int,
        progress: Progress,
    ) -> None:
        """Run some layers over pictures; what was done so far is saved whatever happens.

        Parameters
        ----------
        network
            Computes the layers.
        pictures
            Those that were run are removed: there may be more than memory should hold.
        start
            Number of the first of the pictures, if they are in `images` already; None adds them.

        Raises
        ------
        ImageError, RuntimeFailure
            The network cannot run; or a picture of `images` can no longer be used.
        CatalogError
            The catalog or the store cannot be written.
        """
        done, total = 0, len(pictures)
        try:
            for rows, found in self._batches(network, preprocessing, decoder, pictures, start, batch):
                done += len(rows)
                first = len(self.images) if start is None else start
                used, found = self._usable(rows, found, must=start is not None)
                self._steady = False
                self._fold(used, found, first)
                if start is None:
                    self.images += used
                else:
                    start += len(used)
                self._steady = True
                if start is not None and not any(start in each for each in self._counts.values()):
                    break  # only metrics that failed were behind
                del found  # before the next batch is computed
                progress("observing pictures", done, total)
                if monotonic() - self._written > SECONDS or self._pending > MOST_PENDING:
                    self.save()
        except BaseException:
            if self._steady:
                with suppress(Exception):  # the first error is the one to report
                    self.save()
            raise
        self.save()

    def save(self) -> None:
        """Write the pictures, then the state of each layer: each of them is complete by itself."""
        self._steady = False
        add_images(self._catalog, self._id, self.saved, self.images[self.saved :])
        self.saved = len(self.images)
        try:
            for name, added in self._added.items():
                if added:
                    position, state = self._layers[name].position, self.states[name]
                    self._files.save(position, state, np.concatenate(added), self.metrics.of(name))
                    self._added[name] = []
        except OSError as error:
            raise CatalogError(
                f"the store {self._catalog.store.folder} cannot be written: {error.strerror or error}",
                hint="check for free disk space and for permission to write; the same command continues",
            ) from error
        self._pending, self._written, self._steady = 0, monotonic(), True

    def _batches(
        self,
        network: ResponseNetwork,
        preprocessing: Preprocessing | None,
        decoder: Decoder,
        pictures: list[Hashed],
        start: int | None,
        batch: int,
    ) -> Iterator[tuple[list[Image], dict[str, LayerResponses]]]:
        """The rows of some pictures, and their responses."""
        readable = self._readable(decoded(_taken(pictures), decoder), must=start is not None)
        if preprocessing is None:
            for each in readable:
                yield [each.row], network.input_responses(each.inputs)
            return
        waiting: deque[Image] = deque()

        def prepared() -> Iterator[NDArray[Any]]:
            for each in readable:
                waiting.append(each.row)
                yield next(iter(each.inputs.values()))

        try:
            for count, found in network.responses(prepared(), preprocessing, batch=batch):
                yield [waiting.popleft() for _ in range(count)], found
                del found  # before the next batch is computed
        except RuntimeFailure as error:
            if waiting and self.images and error.hint == STILL_WORKS:  # it runs other pictures
                row = waiting[0]
                raise RuntimeFailure(
                    f"{row.path} ({row.height} × {row.width} pixels): {error.message}",
                    hint="choose one size for all pictures with --size, and another --name; or leave it out",
                ) from error
            raise

    def _readable(
        self, results: Iterator[tuple[Hashed, Decoded | FilterkitError]], *, must: bool
    ) -> Iterator[Decoded]:
        for _, result in results:
            if not isinstance(result, FilterkitError):
                yield result
            elif must:
                raise result
            else:
                self._leave_out(result)

    def _leave_out(self, error: FilterkitError) -> None:
        self.left_out += 1
        self.first_left_out = self.first_left_out or error
        self._unreadable(error)

    def _usable(
        self, rows: list[Image], found: dict[str, LayerResponses], *, must: bool
    ) -> tuple[list[Image], dict[str, LayerResponses]]:
        """Both without the pictures with responses that are not finite."""
        bad: dict[int, str] = {}
        for layer, values in found.items():
            if len(values.max) != len(rows):
                raise RuntimeFailure(
                    f"an input gives {len(values.max)} maps of layer '{layer}', not one",
                    hint="each array must have a batch size of 1",
                )
            if values.max.shape[1] != self._layers[layer].filters:
                raise RuntimeFailure(
                    f"layer '{layer}' has {values.max.shape[1]} maps after its activation, but "
                    f"{self._layers[layer].filters} filters",
                    hint="use --at pre, or address the other layers",
                )
            finite = np.logical_and.reduce(
                [np.isfinite(each) for each in (values.mean, values.mean_square, values.max, values.min)]
            ).all(axis=1)
            for wrong in np.flatnonzero(~finite).tolist():
                bad.setdefault(wrong, layer)
        if not bad:
            return rows, found
        for number, layer in bad.items():
            error = ImageError(
                f"{rows[number].path} causes {NOT_FINITE} in layer '{layer}'", hint="leave it out"
            )
            if must:
                raise error
            self._leave_out(error)
        good = np.array([number for number in range(len(rows)) if number not in bad], np.intp)
        return [rows[number] for number in good], {name: each.of(good) for name, each in found.items()}

    def _fold(self, rows: Sequence[Image], found: Mapping[str, LayerResponses], first: int) -> None:
        if not rows:
            return
        numbers = np.arange(first, first + len(rows))
        hashes = (row.perceptual_hash if self._skip_copies else None for row in rows)
        groups = [
            -2 - number if found is None else found for number, found in zip(numbers, hashes, strict=True)
        ]
        seen = Seen(numbers, np.array(groups, np.int64))
        for name, values in found.items():
            if self.states[name].pictures == first:  # not only a metric lags behind
                self.states[name].add(values, seen)
                both = np.stack([values.mean, values.max], axis=1)
                self._added[name].append(both)
                self._pending += both.nbytes
            if self.metrics.add(name, values.maps, first):
                self._added[name].append(np.empty((0, 2, self.states[name].filters), np.float32))


def _taken(pictures: list[Hashed]) -> Iterator[Hashed]:
    """The pictures in their order, removed from the list one by one."""
    pictures.reverse()
    while pictures:
        yield pictures.pop()
