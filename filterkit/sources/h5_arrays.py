"""Read the arrays of an HDF5 file as Keras writes them; external files are not followed.

The HDF5 library is written in C, and crafted files can make it hang, exhaust memory or crash. It therefore
runs in a subprocess with limits on time and memory (`h5_worker`), whose output is validated like an untrusted
file.
"""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.child_processes import environment, no_python, python
from filterkit.errors import SourceError
from filterkit.geometry import product
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
    with _started(path) as library:
        listed = json.loads(library.reply(LONGEST_LIST))
        places = {layer: place for place, layer in enumerate(listed["layers"])}
        arrays = [_array(entry, place, library) for place, entry in enumerate(listed["arrays"])]
        library.left += WALL_CLOCK_FACTOR * sum(array.nbytes for array in arrays) / h5_worker.PACE

        def order(array: StoredArray) -> tuple[int, Any]:
            first = array.name.removeprefix("model_weights/").partition("/")[0]
            return places.get(first, -1), natural(array.name)

        yield sorted(arrays, key=order)


def check_installed(name: str) -> None:
    """Raise SourceError if h5py, which the file `name` requires, is not installed."""
    if importlib.util.find_spec("h5py") is None:
        raise SourceError(
            f"reading {name} requires h5py, which is not installed", hint="pip install 'cnn-filterkit[h5]'"
        )


@dataclass
class _Library:
    """The subprocess that reads the file, and the seconds left to wait for it."""

    process: subprocess.Popen[bytes]
    path: Path
    left: float = WALL_CLOCK_FACTOR * h5_worker.patience(0)

    def reply(self, most: int, place: int | None = None) -> bytearray:
        """The next reply, at most `most` bytes long; with `place`, it is requested for that array."""
        assert self.process.stdin is not None and self.process.stdout is not None
        begun = time.monotonic()
        alarm = threading.Timer(max(self.left, 0), self.process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            if place is not None:
                self.process.stdin.write(h5_worker.REQUEST.pack(place))
                self.process.stdin.flush()
            failed, length = h5_worker.HEADER.unpack(_exactly(self.process.stdout, h5_worker.HEADER.size))
            if length > most:
                raise ValueError(f"the reply has {length:,} bytes; the limit is {most:,}")
            content = _exactly(self.process.stdout, length)
        except (OSError, EOFError) as error:
            self.process.kill()
            self.process.wait()
            raise self._failure(late=time.monotonic() - begun >= self.left) from error
        finally:
            alarm.cancel()
            self.left -= time.monotonic() - begun
        if failed:
            raise ValueError(content.decode("utf-8", "replace"))
        return content

    def _failure(self, *, late: bool) -> SourceError:
        """The error for a subprocess that ended without a reply."""
        late = late or self.process.returncode == -getattr(signal, "SIGXCPU", 0)
        what = "takes too long to read for its size" if late else "crashes the HDF5 library"
        return SourceError(
            f"{self.path.name} {what}",
            hint="get the file from a trusted source, or save the weights again, preferably as .safetensors",
        )


@contextmanager
def _started(path: Path) -> Iterator[_Library]:
    try:
        process = subprocess.Popen(
            python(str(Path(h5_worker.__file__)), str(path.absolute())),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise no_python(SourceError, error.strerror or str(error)) from error
    try:
        yield _Library(process, path)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # unsent data
                assert pipe is not None
                pipe.close()


def _exactly(file: Any, length: int) -> bytearray:
    content = bytearray(length)
    view, done = memoryview(content), 0
    while done < length:
        count = file.readinto(view[done:])
        if not count:
            raise EOFError
        done += count
    return content


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
        content = library.reply(product(shape) * kind.itemsize, place)
        return np.frombuffer(content, kind).reshape(shape)

    return read


def _layer(note: str) -> str:
    """The layer name that Keras 3 records beside the variables; empty for an automatic name."""
    return "" if re.fullmatch(r"([a-z]+_)*conv[123]d(_transpose)?(_\d+)?", note) else note
