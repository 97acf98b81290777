"""The worker process in which the HDF5 library reads a file (see `h5_arrays`); imports only h5py and NumPy.

The request `LIST` is the path of the file; the response is a JSON list of its floating-point arrays. The
request `READ` is the index of an array in that list; the response is its little-endian values.
"""

import json
import math
import os
import struct
import time
from collections.abc import Iterator
from typing import Any

from filterkit.graph.loading import sandbox_worker

LIST, READ = range(2)
PLACE = struct.Struct("<Q")

FLOATS = ("float16", "float32", "float64")

MOST_ITEMS = 1 << 15
"""Maximum number of groups and arrays; the largest networks have several thousand."""
LONGEST_PATH = 1 << 14
"""Maximum length of an array's full path in characters."""
LARGEST_ATTRIBUTE = 1 << 22
"""Maximum size of a text attribute in bytes; HDF5 itself limits most of them to 2^16."""

PATIENCE = 20
"""Seconds of CPU time that any file may take."""
PACE = 1 << 24
"""Bytes of values for which it may take one second more."""
MEMORY = 4 << 30
"""Memory limit in bytes, in addition to twice the array that is read."""
LARGEST_ARRAY = 1 << 40
"""Maximum size of an array in bytes; the memory limit applies as well."""


def patience(size: int) -> float:
    """CPU time limit in seconds for reading `size` bytes of values."""
    return PATIENCE + size / PACE


def main() -> None:
    import h5py

    arrays: list[Any] = []

    def list_arrays(path: bytes) -> bytes:
        _limit_time(0)
        layers, found = _listed(h5py.File(os.fsdecode(path), "r"))
        arrays.extend(item for item, _ in found)
        _limit_time(sum(map(_size, arrays)))
        return json.dumps({"layers": layers, "arrays": [described for _, described in found]}).encode()

    def read_array(place: bytes) -> memoryview:
        array = arrays[PLACE.unpack(place)[0]]
        sandbox_worker.limit(AS=MEMORY + 2 * _size(array))
        return _numbers(array)

    sandbox_worker.serve([list_arrays, read_array], MEMORY, LARGEST_ARRAY)


def _limit_time(size: int) -> None:
    """Limit the CPU time from now on to what a file with `size` bytes of values may take."""
    sandbox_worker.limit(CPU=int(time.process_time() + patience(size)) + 1)


def _size(array: Any) -> int:
    return int(math.prod(array.shape) * array.dtype.itemsize)


def _listed(file: Any) -> tuple[list[str], list[tuple[Any, dict[str, Any]]]]:
    """Layer names in the order that older files record, and all arrays with a description of each."""
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
    """The groups and arrays of the file with their paths, each once, however often it is linked.

    Soft and external links are not followed, as they may lead to other files. HDF5's own traversal is not
    used: it resolves every path from the root, which takes far too long with deeply nested groups.
    """
    import h5py

    root = h5py.h5o.get_info(file.id)
    seen = {root.addr}
    pending = [(file, inner, inner, address) for inner, address in _hard_links(file)]
    while pending:
        if max(len(seen), len(pending)) > MOST_ITEMS:
            raise ValueError(f"it contains more than {MOST_ITEMS:,} groups and arrays")
        holder, name, path, address = pending.pop()
        if address in seen:
            continue
        item = holder[name]
        info = h5py.h5o.get_info(item.id)
        if (info.fileno, info.addr) != (root.fileno, address):
            continue  # the name resolved to another of two links with the same name
        if len(path) > LONGEST_PATH:
            raise ValueError(f"a path in it has {len(path):,} characters; the limit is {LONGEST_PATH:,}")
        seen.add(address)
        yield path, item
        if isinstance(item, h5py.Group):
            pending += [(item, inner, f"{path}/{inner}", place) for inner, place in _hard_links(item)]


def _hard_links(group: Any) -> list[tuple[str, int]]:
    """Names and addresses of the direct members of a group, in descending order of the names.

    Names with a slash are skipped: they would resolve to a member of another group.
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
    """The values of an attribute that are text."""
    if attribute not in item.attrs:
        return []
    size = item.attrs.get_id(attribute).get_storage_size()
    if size > LARGEST_ATTRIBUTE:
        raise ValueError(f"attribute '{attribute}' has {size:,} bytes; the limit is {LARGEST_ATTRIBUTE:,}")
    values = item.attrs[attribute]
    several = values.ravel() if hasattr(values, "ravel") and values.ndim else [values]
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in several]
    return [text for text in texts if isinstance(text, str)]


def _numbers(item: Any) -> memoryview:
    import numpy as np

    numbers = np.ascontiguousarray(item[()], item.dtype.newbyteorder("<"))
    return numbers.reshape(-1).view(np.uint8).data


if __name__ == "__main__":
    main()
