"""Refer to weights in their original ONNX file instead of copying them.

ONNX lets a tensor refer to data in another file, at an offset, and this may be another ONNX file. A graph cut
out of a 60 MB model then takes some kilobytes, and ONNX Runtime maps the weights from disk.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from onnx import ModelProto, TensorProto

from filterkit.graph.loading.file_kinds import varint

SMALLEST = 4096
"""Bytes. Smaller tensors are not replaced, since shape inference reads shapes and axes."""

VARINT, LENGTH = 0, 2
FIXED = {1: 8, 5: 4}
"""Wire types of protobuf (https://protobuf.dev/programming-guides/encoding/), with fixed sizes in bytes."""
GRAPH, INITIALIZER, NAME, RAW_DATA = 7, 5, 8, 9
"""Field numbers in ModelProto, GraphProto and TensorProto."""


def refer(model: ModelProto, path: Path) -> None:
    """Replace the weights of `model` by references to the ONNX file that it was cut out of.

    A weight is replaced only if the file has the same bytes.

    Parameters
    ----------
    model
        Changed in place. Paths of its external data are relative to the folder of `path`.
    path
        An ONNX file.
    """
    large = [tensor for tensor in model.graph.initializer if len(tensor.raw_data) >= SMALLEST]
    if not large:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        places = dict(_raw_data(content))
        for tensor in large:
            begin, end = places.get(tensor.name, (0, 0))
            if content[begin:end] != tensor.raw_data:
                continue
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", path.name), ("offset", begin), ("length", end - begin)):
                tensor.external_data.add(key=key, value=str(value))


def _raw_data(content: mmap.mmap) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name and position of the raw data of each initializer in the main graph of a valid file."""
    for field, *graph in _fields(content, 0, len(content)):
        if field != GRAPH:
            continue
        for inner, *tensor in _fields(content, *graph):
            if inner != INITIALIZER:
                continue
            parts = {number: (begin, end) for number, begin, end in _fields(content, *tensor)}
            if NAME in parts and RAW_DATA in parts:
                begin, end = parts[NAME]
                yield content[begin:end].decode("utf-8", "replace"), parts[RAW_DATA]


def _fields(content: mmap.mmap, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each length-delimited field of a message."""
    while place < end:
        key, place = varint(content, place)
        kind = key & 7
        if kind == LENGTH:
            length, place = varint(content, place)
            yield key >> 3, place, place + length
            place += length
        elif kind == VARINT:
            _, place = varint(content, place)
        elif kind in FIXED:
            place += FIXED[kind]
        else:
            return  # a group, which ONNX never uses
