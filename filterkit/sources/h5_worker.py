"""The process in which the HDF5 library reads a file (see `h5_arrays`): a bare Python that knows h5py alone.

    python -P h5_worker.py weights.h5

On stdout it writes, behind a header, a list of the arrays of real numbers as JSON. A request on stdin is the
place of an array in that list. The answer is a header, whether that failed and a length, and the numbers,
little-endian, or what h5py said against it.
"""

import json
import math
import os
import signal
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

HEADER = struct.Struct("<BQ")
REQUEST = struct.Struct("<Q")

FLOATS = ("float16", "float32", "float64")

MOST_ITEMS = 1 << 15
"""Groups and arrays that are looked at; the largest networks have some thousand."""
LONGEST_PATH = 1 << 14
"""Characters of an array's name, with those of the groups that it lies in."""
LARGEST_ATTRIBUTE = 1 << 22
"""Bytes of a text or a list of texts beside an array; HDF5 itself has most of them end at 2^16."""

PATIENCE = 20
"""Seconds of processor time that a file may take."""
PACE = 1 << 24
"""Bytes of numbers for which it may take one second more."""
MEMORY = 4 << 30
"""Bytes that reading may take, besides what the largest array does."""


def patience(size: int) -> float:
    """Seconds of processor time that a file may take, of whose numbers so many bytes are read."""
    return PATIENCE + size / PACE


def main() -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = (
        "1"  # numpy's threads would take address space, and have nothing to do
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process, with which this one ends
    _limit(0, 0)
    import h5py

    try:
        with h5py.File(sys.argv[1], "r") as file:
            layers, found = _listed(file)
            _answer(json.dumps({"layers": layers, "arrays": [described for _, described in found]}).encode())
            sizes = [math.prod(item.shape) * item.dtype.itemsize for item, _ in found]
            _limit(sum(sizes), max(sizes, default=0))
            while request := sys.stdin.buffer.read(REQUEST.size):
                _answer(_numbers(found[REQUEST.unpack(request)[0]][0]))
    except Exception as error:  # h5py raises many kinds on files that it does not like
        _answer((str(error) or type(error).__name__)[:1000].encode("utf-8", "replace"), failed=True)


def _answer(content: Any, *, failed: bool = False) -> None:
    answers = sys.stdout.buffer
    answers.write(HEADER.pack(failed, len(content)))
    answers.write(content)
    answers.flush()


def _listed(file: Any) -> tuple[list[str], list[tuple[Any, dict[str, Any]]]]:
    """The names of layers in the order that old files note, and all arrays, with what is known of each."""
    import h5py

    layers = _texts(file, "layer_names")
    notes: dict[str, str] = {}
    found = []
    for name, item in _items(file):
        holder = name.rpartition("/")[0]
        if isinstance(item, h5py.Group):
            if name == "model_weights":
                layers += _texts(item, "layer_names")
            if name.endswith("/vars"):
                notes[name] = next(iter(_texts(item, "name")), "")
        elif isinstance(item, h5py.Dataset) and item.dtype.name in FLOATS and item.shape is not None:
            described = {"name": name, "dtype": item.dtype.name, "shape": item.shape}
            described |= {"layer": notes.get(holder, ""), "elsewhere": bool(item.external or item.is_virtual)}
            found.append((item, described))
    return layers, found


def _items(file: Any) -> Iterator[tuple[str, Any]]:
    """The groups and arrays in the file, by name, each once, however often it is linked.

    Links to places are not followed, as they may lead to other files. Nor does HDF5 go through the groups
    itself: it looks every name up from the root on, which takes for ever where groups lie deep.
    """
    import h5py

    root = h5py.h5o.get_info(file.id)
    seen = {root.addr}
    pending = [(file, inner, inner, address) for inner, address in _hard_links(file)]
    while pending:
        if max(len(seen), len(pending)) > MOST_ITEMS:
            raise ValueError(f"it holds more than {MOST_ITEMS:,} groups and arrays")
        holder, name, path, address = pending.pop()
        if address in seen:
            continue
        item = holder[name]
        info = h5py.h5o.get_info(item.id)
        if (info.fileno, info.addr) != (root.fileno, address):
            continue  # of two links of one name, another one was followed
        if len(path) > LONGEST_PATH:
            raise ValueError(f"a name in it has {len(path):,} characters, more than {LONGEST_PATH:,}")
        seen.add(address)
        yield path, item
        if isinstance(item, h5py.Group):
            pending += [(item, inner, f"{path}/{inner}", place) for inner, place in _hard_links(item)]


def _hard_links(group: Any) -> list[tuple[str, int]]:
    """Names and addresses of what lies in a group itself, the last name first.

    A name with a slash would be looked up elsewhere.
    """
    import h5py

    links: list[tuple[str, int]] = []

    def note(name: bytes, info: Any) -> bool:
        if info.type == h5py.h5l.TYPE_HARD and b"/" not in name and name not in (b"", b"."):
            links.append((name.decode("utf-8", "surrogateescape"), info.u))
        return len(links) > MOST_ITEMS

    group.id.links.iterate(note, info=True)
    return sorted(links, reverse=True)


def _texts(item: Any, attribute: str) -> list[str]:
    """Those of an attribute's values that are texts."""
    if attribute not in item.attrs:
        return []
    size = item.attrs.get_id(attribute).get_storage_size()
    if size > LARGEST_ATTRIBUTE:
        raise ValueError(f"its attribute '{attribute}' has {size:,} bytes, more than {LARGEST_ATTRIBUTE:,}")
    values = item.attrs[attribute]
    several = values.ravel() if hasattr(values, "ravel") and values.ndim else [values]
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in several]
    return [text for text in texts if isinstance(text, str)]


def _numbers(item: Any) -> memoryview:
    import numpy as np

    numbers = np.ascontiguousarray(item[()], item.dtype.newbyteorder("<"))
    return numbers.reshape(-1).view(np.uint8).data


def _limit(size: int, largest: int) -> None:
    """No more time and memory than any file of so many bytes needs, where the system has such limits."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for kind, wanted in (
            (resource.RLIMIT_AS, MEMORY + 2 * largest),
            (resource.RLIMIT_CPU, int(patience(size)) + 1),
        ):
            hard = resource.getrlimit(kind)[1]
            most = min(wanted, 2**62 if hard == resource.RLIM_INFINITY else hard)
            resource.setrlimit(kind, (most, hard))


if __name__ == "__main__":
    main()
