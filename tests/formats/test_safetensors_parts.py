"""The safetensors format, compared with its library."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save

from filterkit.formats.safetensors_parts import safetensors_parts


def test_floats_give_the_bytes_of_the_library() -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "z": rng.normal(size=(2, 3)),
        "a/層": rng.normal(size=(3, 1, 2)).astype(np.float32),
        "b": rng.normal(size=4).astype(np.float16),
        "c": np.zeros((0, 3), np.float32),
        "d": np.array(2, np.float32),
    }
    assert b"".join(safetensors_parts(arrays)) == save(arrays)
    assert b"".join(safetensors_parts({})) == save({})


@pytest.mark.parametrize(
    "kind", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint64", ">f4", ">i2"]
)
def test_the_library_reads_other_types(kind: str) -> None:
    array = np.arange(12).reshape(3, 4).T.astype(kind)
    found = load(b"".join(safetensors_parts({"x": array, "y": np.float32([1])})))
    assert found["x"].dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found["x"], array)
