"""Read the arrays of an HDF5 file as Keras writes them; external files are not followed.

The HDF5 library is written in C, and crafted files can make it hang, exhaust memory or crash. It therefore
runs in a subprocess with limits on time and memory (`h5_worker`), whose output is validated like an untrusted
file.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.child_processes import environment, python
from filterkit.errors import RuntimeFailure, SourceError
from filterkit.geometry import product
from filterkit.graph.loading.sandbox import Crashed, Refused, Worker
from filterkit.sources import h5_worker
from filterkit.sources.stored_array import StoredArray, natural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.sources.stored_array import Read

LONGEST_LIST = 1 << 26
"""Maximum size in bytes of the list of all arrays."""

WALL_CLOCK_FACTOR = 6
"""Wall-clock limit of the subprocess as a multiple of its CPU time limit: the machine may be busy, the disk
slow, or the system without CPU limits."""


@contextmanager
def h5_arrays(path: Path) -> Iterator[Sequence[StoredArray]]:
    """The arrays of the file in layer order: the order that Keras recorded, else natural order of the names.

    Soft and external links are not followed.

    Raises
    ------
    SourceError
        If h5py is not installed, weights are stored in other files, or reading exceeds its time or memory
        limit.
    """
    check_installed(path.name)
    library = _Library(path, Worker(_command, _environment))
    try:
        listed = json.loads(library.request(h5_worker.LIST, os.fsencode(path.absolute()), LONGEST_LIST))
        places = {layer: place for place, layer in enumerate(listed["layers"])}
        arrays = [_array(entry, place, library) for place, entry in enumerate(listed["arrays"])]
        library.left += WALL_CLOCK_FACTOR * sum(array.nbytes for array in arrays) / h5_worker.PACE

        def order(array: StoredArray) -> tuple[int, Any]:
            first = array.name.removeprefix("model_weights/").partition("/")[0]
            return places.get(first, -1), natural(array.name)

        yield sorted(arrays, key=order)
    finally:
        library.worker.end()


def check_installed(name: str) -> None:
    """Raise SourceError if h5py, which the file `name` requires, is not installed."""
    if importlib.util.find_spec("h5py") is None:
        raise SourceError(
            f"reading {name} requires h5py, which is not installed", hint="pip install 'cnn-filterkit[h5]'"
        )


@dataclass
class _Library:
    """The process that reads the file at `path`, and the seconds left to wait for it."""

    path: Path
    worker: Worker
    left: float = WALL_CLOCK_FACTOR * h5_worker.patience(0)

    def request(self, task: int, data: bytes, most: int) -> bytes:
        """The response to a request, at most `most` bytes long."""
        begun = time.monotonic()
        try:
            return self.worker.request(
                task, data, seconds=max(self.left, 0), most=most, continues=task != h5_worker.LIST
            )
        except Refused as error:
            raise ValueError(str(error)[:1000]) from error
        except RuntimeFailure as error:
            raise SourceError(error.message, hint=error.hint) from error
        except Crashed as error:
            what = "takes too long to read for its size" if error.late else "crashes the HDF5 library"
            raise SourceError(
                f"{self.path.name} {what}",
                hint="get the file from a trusted source, or save the weights again, preferably as "
                ".safetensors",
            ) from error
        finally:
            self.left -= time.monotonic() - begun


def _command() -> list[str]:
    return python("-m", h5_worker.__name__)


def _environment() -> Mapping[str, str]:
    return environment(OPENBLAS_NUM_THREADS="1")  # idle threads would use up address space


def _array(entry: Any, place: int, library: _Library) -> StoredArray:
    """An array as described by the subprocess; everything but its name is validated."""
    name, shape = str(entry["name"]), tuple(int(size) for size in entry["shape"])
    if entry["dtype"] not in h5_worker.FLOATS or min(shape, default=0) < 0:
        raise ValueError(f"'{name}' has an invalid dtype or shape")
    if entry["elsewhere"]:
        raise SourceError(
            f"{library.path.name} stores '{name}' in an external file, which is not read",
            hint="save the weights again as a single file",
        )
    return StoredArray(
        name,
        entry["dtype"],
        shape,
        _reader(entry["dtype"], shape, place, library),
        _layer(str(entry["layer"])),
    )


def _reader(dtype: str, shape: tuple[int, ...], place: int, library: _Library) -> Read:
    def read() -> NDArray[Any]:
        import numpy as np

        kind = np.dtype(dtype).newbyteorder("<")
        size = product(shape) * kind.itemsize
        content = library.request(h5_worker.READ, h5_worker.PLACE.pack(place), size)
        return np.frombuffer(content, kind).reshape(shape)

    return read


def _layer(note: str) -> str:
    """The layer name that Keras 3 records beside the variables; empty for an automatic name."""
    return "" if re.fullmatch(r"([a-z]+_)*conv[123]d(_transpose)?(_\d+)?", note) else note
