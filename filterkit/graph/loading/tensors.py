"""Stored tensors: validated against their declared shapes, and read without copying where possible."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from filterkit.errors import ModelError
from filterkit.geometry import MOST_AXES, product
from filterkit.graph.loading.names import shown
from filterkit.graph.view.walk import every_value

BITS: dict[int, int] = {
    TensorProto.FLOAT: 32, TensorProto.UINT8: 8, TensorProto.INT8: 8, TensorProto.UINT16: 16,
    TensorProto.INT16: 16, TensorProto.INT32: 32, TensorProto.INT64: 64, TensorProto.BOOL: 8,
    TensorProto.FLOAT16: 16, TensorProto.DOUBLE: 64, TensorProto.UINT32: 32, TensorProto.UINT64: 64,
    TensorProto.COMPLEX64: 64, TensorProto.COMPLEX128: 128, TensorProto.BFLOAT16: 16,
    TensorProto.FLOAT8E4M3FN: 8, TensorProto.FLOAT8E4M3FNUZ: 8, TensorProto.FLOAT8E5M2: 8,
    TensorProto.FLOAT8E5M2FNUZ: 8, TensorProto.UINT4: 4, TensorProto.INT4: 4, TensorProto.FLOAT4E2M1: 4,
}  # fmt: skip
"""Bits per element in `raw_data` and external data (ONNX, `TensorProto`)."""

HINT = "export the model again, or fetch it from a source you trust"


def dtype_name(data_type: int) -> str:
    """Name of an ONNX element type in lower case, e.g. ``"float32"``, ``"bfloat16"``, ``"int4"``."""
    name = TensorProto.DataType.Name(data_type).lower() if data_type in TensorProto.DataType.values() else "?"
    return {"float": "float32", "double": "float64"}.get(name, name)


def check_ranks(model: onnx.ModelProto) -> None:
    """Require every declared shape to have no more axes than an array can have.

    Raises
    ------
    ModelError
        A declared shape has more axes than `MOST_AXES`.
    """
    for value in every_value(model):
        _check_rank(value.name, len(value.type.tensor_type.shape.dim))


def check_tensor(tensor: TensorProto, model: Path) -> None:
    """Require a tensor's data to match its shape.

    Parameters
    ----------
    model
        The ONNX file; external data is stored beside it.

    Raises
    ------
    ModelError
        A dimension is negative, there are too many dimensions, the amount of data does not match the shape,
        or the data is outside the model's folder.
    """
    name = shown(tensor.name)
    if any(size < 0 for size in tensor.dims):
        raise ModelError(f"tensor '{name}' has a negative dimension", hint=HINT)
    if tensor.HasField("segment"):
        raise ModelError(f"tensor '{name}' is stored in segments, which ONNX no longer supports", hint=HINT)
    _check_rank(tensor.name, len(tensor.dims))
    if tensor.data_type == TensorProto.STRING:
        size, expected = len(tensor.string_data), product(tensor.dims)
    elif tensor.data_type not in BITS:
        raise ModelError(f"tensor '{name}' has an unknown element type ({tensor.data_type})", hint=HINT)
    elif tensor.data_location == TensorProto.EXTERNAL:
        _, _, size = external_span(tensor, model)
        expected = _bytes(tensor)
    elif tensor.HasField("raw_data"):
        size, expected = len(tensor.raw_data), _bytes(tensor)
    else:
        size, expected = _typed_elements(tensor)
    if size != expected:
        raise ModelError(f"the data of tensor '{name}' does not match its shape", hint=HINT)


def external_span(tensor: TensorProto, model: Path) -> tuple[Path, int, int]:
    """File, offset and length in bytes of a tensor's external data.

    After following all links, the file must be in the folder of the ONNX file `model` or below it; where
    `model` is itself a link, the folder of its target is allowed as well. This is ONNX Runtime's rule
    (``ValidateExternalDataPath``), and it supports caches that keep all files in one folder and hand out
    links to them. A link to anywhere else is refused, and so is a file with a second hard link, whose other
    name may be in any folder.
    """
    name = shown(tensor.name)
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    relative = Path(location)
    if (
        not location
        or "\0" in location
        or relative.is_absolute()
        or ".." in relative.parts
        or "\\" in location
    ):
        raise ModelError(f"external data of tensor '{name}' is outside the model's folder", hint=HINT)
    path = model.parent / relative
    try:
        resolved = path.resolve(strict=True)
        status = resolved.stat()
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or _bytes(tensor))
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"external data file '{shown(location)}' is missing", hint="put it beside the ONNX file"
        ) from error
    except ValueError as error:
        raise ModelError(
            f"external data of tensor '{name}' has an invalid offset or length", hint=HINT
        ) from error
    if not any(map(resolved.is_relative_to, (model.parent.resolve(), model.resolve().parent))):
        raise ModelError(f"external data of tensor '{name}' is outside the model's folder", hint=HINT)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise ModelError(
            f"external data '{shown(location)}' is not a regular file with a single link",
            hint="replace it by a copy",
        )
    if offset < 0 or length < 0 or offset + length > status.st_size:
        raise ModelError(
            f"external data file '{shown(location)}' is too short for tensor '{name}'",
            hint="fetch the model again, external data included",
        )
    return resolved, offset, length


def to_array(tensor: TensorProto, model: Path) -> NDArray[np.generic]:
    """The tensor's values, read-only; external data, beside the ONNX file `model`, is memory-mapped."""
    if tensor.data_location != TensorProto.EXTERNAL:
        return numpy_helper.to_array(tensor)
    path, offset, length = external_span(tensor, model)
    shape = tuple(tensor.dims)
    if length == 0:
        return np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    mapped = np.memmap(path, np.uint8, "r", offset, length)
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    if dtype.itemsize * 8 == BITS[tensor.data_type] and dtype.kind in "fiubc":
        return mapped.view(dtype.newbyteorder("<")).reshape(shape)
    packed = TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=mapped.tobytes())
    return numpy_helper.to_array(packed)


def _check_rank(name: str, axes: int) -> None:
    if axes > MOST_AXES:
        raise ModelError(
            f"tensor '{shown(name)}' has {axes:,} axes, more than the {MOST_AXES} that an array can have",
            hint=HINT,
        )


def _bytes(tensor: TensorProto) -> int:
    bits: int = product(tensor.dims) * BITS[tensor.data_type]
    return -(-bits // 8)


def _typed_elements(tensor: TensorProto) -> tuple[int, int]:
    """How many entries the typed field has, and how many the shape requires."""
    field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
    count = product(tensor.dims)
    if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        count *= 2
    elif BITS[tensor.data_type] == 4:
        count = -(-count // 2)
    return len(getattr(tensor, field)), count
