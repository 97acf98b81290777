"""Files of an observation in the store, two per layer: its statistics so far, and the responses by picture.

The file of statistics also contains what response metrics of plugins keep.

A state says how many pictures it describes, and is replaced atomically. Responses are appended before that:
after an interruption, what follows the pictures of the state is overwritten.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.catalog.observations import busy
from filterkit.catalog.store import HASH, Store
from filterkit.errors import CatalogError
from filterkit.hashing import file_sha256, is_plain
from filterkit.plugins.response_metric_contract import LARGEST_SUMMARY
from filterkit.responses import metric_summaries
from filterkit.responses.metric_summaries import PREFIX
from filterkit.responses.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from filterkit.responses.metric_summaries import MetricSummary

LARGEST = 1 << 32
"""Bytes of the largest file that is read."""

TOGETHER = 256
"""Pictures whose responses are read at a time."""

MEAN, MAX = 0, 1
"""Of the responses by picture, shape (pictures, 2, filters)."""


class ObservationFiles:
    """The files of one observation.

    Parameters
    ----------
    folder
        From the catalog.
    """

    def __init__(self, store: Store, folder: str) -> None:
        self._store, self._folder = store, folder

    def state(self, layer: int, filters: int, top: int) -> Statistics | None:
        """The statistics of the layer at that position, or None if it was not observed.

        Raises
        ------
        CatalogError
            The file is corrupted, or of another layer; or as `Store.path`.
        """
        return self.with_metrics(layer, filters, top)[0]

    def with_metrics(
        self, layer: int, filters: int, top: int, specs: Collection[str] = ()
    ) -> tuple[Statistics | None, dict[str, MetricSummary]]:
        """As `state`, and what some metrics keep of the layer, by their specs."""
        path = self._path(layer, "safetensors")
        if not os.path.lexists(path):
            return None, {}
        from safetensors import SafetensorError

        try:
            if not is_plain(path) or path.stat().st_size > LARGEST:
                raise ValueError("it is not a plain file, or too large")
            arrays = _arrays(path, Statistics.most_bytes(filters, top), specs)
            metrics = metric_summaries.from_arrays(arrays)
            own = {name: array for name, array in arrays.items() if not name.startswith(PREFIX)}
            return Statistics.from_arrays(own, filters, top), metrics
        except (SafetensorError, ValueError, KeyError, OSError) as error:
            raise _damaged(path) from error

    def means(self, layer: int, filters: int, pictures: int) -> Iterator[NDArray[np.float32]]:
        """The mean responses of some pictures at a time, shape (n, filters), as `responses`.

        No more of the file is mapped, so that memory does not grow with the number of pictures.
        """
        for start in range(0, pictures, TOGETHER):
            yield self.responses(layer, filters, min(start + TOGETHER, pictures), start)[:, MEAN]

    def responses(self, layer: int, filters: int, pictures: int, start: int = 0) -> NDArray[np.float32]:
        """Mean and maximum by picture from `start` on, memory-mapped, shape (pictures - start, 2, filters).

        Raises
        ------
        CatalogError
            The file is missing, or has fewer pictures.
        """
        path = self._path(layer, "f32")
        shape = (pictures - start, 2, filters)
        size = 4 * 2 * pictures * filters
        if not is_plain(path) or path.stat().st_size < size:
            raise _damaged(path)
        if not size:
            return np.empty(shape, np.float32)
        return np.memmap(path, "<f4", "r", 4 * 2 * start * filters, shape)

    def save(
        self,
        layer: int,
        state: Statistics,
        added: NDArray[np.float32],
        metrics: Mapping[str, MetricSummary] | None = None,
    ) -> None:
        """Append the responses to the last pictures of `state`, shape (n, 2, filters), then write the state.

        It is written together with what metrics keep.

        Raises
        ------
        CatalogError
            The files are corrupted, or another process has changed them; or as `Store.path`.
        OSError
            The files cannot be written; the previous state is unchanged.
        """
        from safetensors.numpy import save

        before = self.state(layer, state.filters, state.top)
        if (before.pictures if before else 0) != state.pictures - len(added):
            raise busy()
        path = self._path(layer, "f32")
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(path, flags, 0o666), "r+b") as file:
            start = 4 * 2 * (state.pictures - len(added)) * state.filters
            if file.seek(0, os.SEEK_END) < start:
                raise _damaged(path)
            file.truncate(start)  # of an interrupted run
            file.seek(start)
            file.write(np.ascontiguousarray(added, "<f4").data)
            file.flush()
            os.fsync(file.fileno())
        part = self._path(layer, "part")
        part.unlink(missing_ok=True)
        with part.open("xb") as file:
            arrays = {**state.to_arrays(), **metric_summaries.to_arrays(metrics or {})}
            # Not ascontiguousarray, which gives an array without axes one.
            file.write(save({name: np.asarray(array, order="C") for name, array in arrays.items()}))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path(layer, "safetensors"))

    def picture(self, sha256: str) -> Path:
        """Where a copy of the picture with that hash is, whether it exists or not."""
        if not HASH.fullmatch(sha256):
            raise ValueError(f"not a hash: {sha256!r:.80}")
        return self._store.observation_path(self._folder, f"{sha256}.picture")

    def keep(self, sha256: str, content: bytes) -> None:
        """Copy the picture with that hash; raises OSError if it cannot be written."""
        path = self.picture(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = self._store.observation_path(self._folder, f"{sha256}.part")
        part.unlink(missing_ok=True)
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def has(self, sha256: str) -> bool:
        """Whether there is an intact copy of the picture with that hash."""
        path = self.picture(sha256)
        try:
            return is_plain(path) and path.stat().st_size <= LARGEST and file_sha256(path) == sha256
        except OSError:
            return False

    def _path(self, layer: int, kind: str) -> Path:
        return self._store.observation_path(self._folder, f"{layer}.{kind}")


def _damaged(path: Path) -> CatalogError:
    return CatalogError(
        f"the file {path} of an observation is missing or corrupted",
        hint="remove the observation with `filterkit remove MODEL --observation NAME`, and observe again",
    )


def _arrays(path: Path, limit: int, specs: Collection[str]) -> dict[str, NDArray[Any]]:
    """The arrays of statistics, of at most `limit` numbers, and those of some metrics."""
    from safetensors import safe_open

    wanted = tuple(f"{PREFIX}{spec}/" for spec in specs)
    with safe_open(path, "numpy") as file:
        own = [name for name in file.keys() if not name.startswith(PREFIX)]  # noqa: SIM118
        kept = [name for name in file.keys() if name.startswith(wanted)]  # noqa: SIM118
        for names, most in ((own, limit), (kept, len(wanted) * LARGEST_SUMMARY)):
            if sum(math.prod(file.get_slice(name).get_shape()) for name in names) > most:
                raise ValueError("it is too large")
        return {name: file.get_tensor(name) for name in (*own, *kept)}
