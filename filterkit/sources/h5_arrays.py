"""The arrays in an HDF5 file, as Keras writes them. Only what lies in the file itself is read.

The HDF5 library is C, and there are files over which it goes on for ever, takes all memory or breaks down. So
it works in a process of its own (`h5_worker`), within limits, and what comes from there is checked like any
other file.
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

from filterkit.children import environment, no_python, python
from filterkit.errors import SourceError
from filterkit.geometry import product
from filterkit.sources import h5_worker
from filterkit.sources.stored_array import StoredArray, natural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.sources.stored_array import Read

LONGEST_LIST = 1 << 26
"""Bytes of the list of all arrays."""

BY_THE_CLOCK = 6
"""How much longer than the processor time that it may take the other process is waited for, where the machine
is busy or the disk slow, or the system knows no such limits."""


@contextmanager
def h5_arrays(path: Path) -> Iterator[Sequence[StoredArray]]:
    """The arrays of the file, in the order of its layers: the one that Keras notes, else by their numbers.

    Links, which may lead to other files, are not followed.

    Raises
    ------
    SourceError
        Where h5py is missing, weights lie in other files, or reading takes more time or memory than it may.
    """
    check_installed(path.name)
    with _started(path) as library:
        listed = json.loads(library.answer(LONGEST_LIST))
        places = {layer: place for place, layer in enumerate(listed["layers"])}
        arrays = [_array(entry, place, library) for place, entry in enumerate(listed["arrays"])]
        library.left += BY_THE_CLOCK * sum(array.nbytes for array in arrays) / h5_worker.PACE

        def order(array: StoredArray) -> tuple[int, Any]:
            first = array.name.removeprefix("model_weights/").partition("/")[0]
            return places.get(first, -1), natural(array.name)

        yield sorted(arrays, key=order)


def check_installed(name: str) -> None:
    """Raise SourceError where h5py is missing, without which the file `name` cannot be read."""
    if importlib.util.find_spec("h5py") is None:
        raise SourceError(
            f"{name} needs more than is installed: h5py", hint="pip install 'cnn-filterkit[h5]'"
        )


@dataclass
class _Library:
    """The other process, and for how many more seconds it may be waited for."""

    process: subprocess.Popen[bytes]
    path: Path
    left: float = BY_THE_CLOCK * h5_worker.patience(0)

    def answer(self, most: int, place: int | None = None) -> bytearray:
        """What it answers, at most so many bytes, where `place` is given to a request for that array."""
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
                raise ValueError(f"its answer has {length:,} bytes, more than {most:,}")
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
        """Why the process, which has ended, gave no answer."""
        late = late or self.process.returncode == -getattr(signal, "SIGXCPU", 0)
        what = "takes longer to read than any file of its size should" if late else "ends the HDF5 library"
        return SourceError(
            f"{self.path.name} {what}",
            hint="fetch it from a source you trust, or save the weights again, best as .safetensors",
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
            with suppress(OSError):  # what was still to be written
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
    """An array as the other process describes it, which is not believed but for what it is called."""
    name, shape = str(entry["name"]), tuple(int(size) for size in entry["shape"])
    if entry["dtype"] not in h5_worker.FLOATS or min(shape, default=0) < 0:
        raise ValueError(f"'{name}' is described as no array is")
    if entry["elsewhere"]:
        raise SourceError(
            f"{library.path.name} keeps '{name}' in another file, and no other file is read",
            hint="save the weights again, into one file",
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
        content = library.answer(product(shape) * kind.itemsize, place)
        return np.frombuffer(content, kind).reshape(shape)

    return read


def _layer(note: str) -> str:
    """What Keras 3 notes beside a layer's variables; a name that Keras made up tells nothing."""
    return "" if re.fullmatch(r"([a-z]+_)*conv[123]d(_transpose)?(_\d+)?", note) else note
