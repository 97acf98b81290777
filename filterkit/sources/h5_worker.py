"""The subprocess in which the HDF5 library reads a file (see `h5_arrays`); imports only h5py and NumPy.

    python -P h5_worker.py weights.h5

It first writes a header and a JSON list of the floating-point arrays to stdout. A request on stdin is the
index of an array in that list. A reply is a header (failure flag and length) and the little-endian values, or
the error message of h5py.
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
"""Memory limit in bytes, in addition to twice the largest array."""


def patience(size: int) -> float:
    """CPU time limit in seconds for reading `size` bytes of values."""
    return PATIENCE + size / PACE


def main() -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # idle threads would use up address space
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent
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
    except Exception as error:  # h5py raises many types on malformed files
        _answer((str(error) or type(error).__name__)[:1000].encode("utf-8", "replace"), failed=True)


def _answer(content: Any, *, failed: bool = False) -> None:
    answers = sys.stdout.buffer
    answers.write(HEADER.pack(failed, len(content)))
    answers.write(content)
    answers.flush()


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


def _limit(size: int, largest: int) -> None:
    """Limit CPU time and address space to what a file of this size needs, where the system supports it."""
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
